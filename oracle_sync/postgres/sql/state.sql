-- name: read_state
SELECT {state_columns} FROM sync_state WHERE sync_name = %(sync)s

-- name: sync_names
SELECT sync_name FROM sync_state ORDER BY sync_name

-- name: claim_state
UPDATE sync_state SET epoch = epoch + 1, holder = %(holder)s, held_since = now()
WHERE sync_name = %(sync)s
RETURNING {state_columns}

-- name: lock_names
-- Keeps a second name from being created at the same moment.
LOCK TABLE sync_state IN SHARE ROW EXCLUSIVE MODE

-- name: create_state
INSERT INTO sync_state
    (sync_name, current_offset, total_synced, is_complete, epoch, holder, held_since)
VALUES (%(sync)s, 0, 0, 0, 1, %(holder)s, now())
RETURNING {state_columns}

-- name: set_state
UPDATE sync_state
SET current_offset = %(after)s, total_synced = %(total_synced)s, is_complete = %(complete)s,
    anchor = %(anchor)s, walk = %(walk)s, refreshing = %(refreshing)s, doubt = %(doubt)s,
    removal_held = %(removal_held)s, refilling = %(refilling)s,
    covered_until = %(covered_until)s, changes_began = %(changes_began)s,
    pass_since = %(pass_since)s, pass_offset = %(pass_offset)s, pass_anchor = %(pass_anchor)s,
    removal_held_at = CASE
        WHEN %(removal_held)s IS NOT NULL THEN coalesce(removal_held_at, now()) END,
    last_sync_at = CASE
        WHEN %(complete)s = 1 THEN timezone('UTC', now()) ELSE last_sync_at END
WHERE sync_name = %(sync)s AND epoch = %(epoch)s AND greatest(current_offset, 0) = %(before)s

-- name: set_fields
-- A full refresh that has met rows before a field was added begins again, and what was shown equal
-- was so without it.
UPDATE sync_state
SET fields = %(fields)s, refilling = %(refilling)s,
    refreshing = refreshing AND NOT %(more)s,
    is_complete = CASE WHEN %(more)s THEN 0 ELSE is_complete END,
    proven_at = CASE WHEN NOT %(more)s THEN proven_at END,
    proven_rows = CASE WHEN NOT %(more)s THEN proven_rows END,
    proof = CASE WHEN NOT %(more)s THEN proof END
WHERE sync_name = %(sync)s AND epoch = %(epoch)s
RETURNING {state_columns}

-- name: note_end
WITH noted AS (
    UPDATE sync_state
    SET source_total = coalesce(%(source_total)s, source_total),
        last_error = %(error)s,
        last_error_at = CASE WHEN %(error)s IS NULL THEN last_error_at ELSE now() END,
        last_success_at = CASE WHEN %(error)s IS NULL THEN now() ELSE last_success_at END
    WHERE sync_name = %(sync)s AND epoch = %(epoch)s
    RETURNING 1
)
SELECT count(*) AS noted FROM noted

-- name: note_proof
UPDATE sync_state
SET proof = %(proof)s, proven_at = coalesce(%(at)s, proven_at),
    proven_rows = coalesce(%(rows)s, proven_rows)
WHERE sync_name = %(sync)s AND epoch = %(epoch)s
RETURNING epoch

-- name: record
INSERT INTO sync_history (sync_name, action, from_offset, to_offset, who, reason)
VALUES (%(sync)s, %(action)s, %(before)s, %(after)s, %(holder)s, %(reason)s)

-- name: history
SELECT at, action, from_offset, to_offset, who, reason FROM sync_history
WHERE sync_name = %(sync)s ORDER BY id DESC LIMIT %(limit)s

-- name: try_lock
SELECT pg_try_advisory_lock({lock_key}) AS got FROM (VALUES (%(sync)s)) AS s (sync_name)

-- name: lock_holder
SELECT state.holder, state.held_since
FROM (VALUES (%(sync)s)) AS s (sync_name) LEFT JOIN sync_state state USING (sync_name)
WHERE {lock_key} IN ({locks})
