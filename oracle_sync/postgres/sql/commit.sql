-- name: before_commits
-- The plan of the commit is made once in a session, when the table may still be small; a scan of
-- the table for each row would be slow once it has grown.
SET enable_seqscan = off

-- name: commit_batch
-- The rows of a batch and the offset after them: one statement, and so one transaction.
WITH state AS (
    UPDATE sync_state
    SET current_offset = %(after)s, anchor = %(anchor)s, is_complete = %(complete)s,
        total_synced = coalesce(total_synced, 0) + %(received)s,
        last_sync_at = timezone('UTC', now()), doubt = coalesce(%(shift)s, doubt),
        covered_until = %(covered_until)s, changes_began = %(changes_began)s
    WHERE sync_name = %(sync)s AND epoch = %(epoch)s
      AND greatest(current_offset, 0) = %(before)s
    RETURNING 1
),
{write_page}

-- name: commit_changes
-- The rows of a batch of changes, and the place after them; the main offset stays.
WITH state AS (
    UPDATE sync_state
    SET pass_offset = %(after)s, pass_anchor = %(anchor)s, changes_began = %(changes_began)s
    WHERE sync_name = %(sync)s AND epoch = %(epoch)s
      AND pass_since IS NOT NULL AND pass_offset = %(before)s
    RETURNING 1
),
{write_page}

-- name: commit_repair
-- Rows as the source gave them, whatever date ours have; no place moves.
WITH state AS (
    SELECT 1 FROM sync_state WHERE sync_name = %(sync)s AND epoch = %(epoch)s FOR UPDATE
),
{write_page}

-- name: write_page
-- Where the state is not what the writer left, "page" is empty and nothing is written.
-- Rows that are as they should be are not touched, and only new rows draw an id: the script's ids
-- have 32 bits, and ON CONFLICT would draw one for each row of each refresh.
page AS (
    SELECT (item->>0)::{key_type} AS key, {parsed_columns}
    FROM jsonb_array_elements(%(rows)s::jsonb) AS item
    WHERE EXISTS (SELECT FROM state)
),
matched AS (
    SELECT p.*, t.id, {contents_differ} AS changed,
        t.source_updated_at IS DISTINCT FROM p.source_updated_at AS redated,
        coalesce(t.source_updated_at > p.source_updated_at, false)
            AND NOT %(force)s::boolean AS outdated,
        NOT coalesce(t.sync_names @> ARRAY[%(sync)s]::varchar[], false) AS claimed
    FROM page p LEFT JOIN {table} t ON t.{key} = p.key
),
inserted AS (
    INSERT INTO {table} ({key}, {columns}, sync_names, synced_at)
    SELECT key, {columns}, ARRAY[%(sync)s]::varchar[], timezone('UTC', now())
    FROM matched WHERE id IS NULL
    RETURNING {key} AS key
),
updated AS (
    UPDATE {table} t
    SET ({columns}) = ROW({columns:m}),
        synced_at = CASE WHEN m.changed THEN timezone('UTC', now()) ELSE t.synced_at END,
        sync_names = CASE WHEN m.claimed
            THEN array_append(t.sync_names, %(sync)s::varchar) ELSE t.sync_names END
    FROM matched m
    WHERE t.id = m.id AND m.id IS NOT NULL AND NOT m.outdated
      AND (m.changed OR m.redated OR m.claimed)
    RETURNING m.changed
),
-- An answer that was on its way for long never replaces a row of a later date.
claimed AS (
    UPDATE {table} t SET sync_names = array_append(t.sync_names, %(sync)s::varchar)
    FROM matched m WHERE t.id = m.id AND m.id IS NOT NULL AND m.outdated AND m.claimed
),
returned AS (
    DELETE FROM {removed_table} r USING inserted i
    WHERE EXISTS (SELECT FROM {removed_table}) AND r.{key} = i.key
    RETURNING 1
),
marked AS (
    INSERT INTO refresh_marks (sync_name, walk, key)
    SELECT %(sync)s, %(walk)s::integer, key::varchar FROM page WHERE %(refreshing)s
    UNION ALL
    SELECT %(sync)s, %(walk)s, key FROM json_array_elements_text(%(met)s::json) AS met(key)
    WHERE %(refreshing)s AND EXISTS (SELECT FROM state)
),
rejected AS (
    INSERT INTO rejected_items
        (sync_name, at_offset, raw, reason, digest, key, field, source_updated_at, walk)
    SELECT %(sync)s, r.at_offset, r.raw::json, r.reason, r.digest, r.key, r.field, r.dated,
        %(walk)s::integer
    FROM json_to_recordset(%(rejects)s::json) AS r(at_offset integer, raw text, reason text,
        digest text, key varchar, field varchar, dated timestamptz)
    WHERE EXISTS (SELECT FROM state)
    ON CONFLICT (sync_name, digest) WHERE resolved_at IS NULL DO UPDATE
    SET at_offset = excluded.at_offset, reason = excluded.reason, walk = excluded.walk
    RETURNING 1
),
-- The row has come in a form that can be stored, which is newer than what was set aside.
closed AS (
    UPDATE rejected_items r SET resolved_at = now(), resolution = 'its row came in a good form'
    FROM page p
    WHERE r.sync_name = %(sync)s AND r.resolved_at IS NULL AND r.key = p.key::varchar
      AND NOT EXISTS (
          SELECT FROM json_to_recordset(%(rejects)s::json) AS again(digest text)
          WHERE again.digest = r.digest)
),
repaired AS (
    INSERT INTO sync_history (sync_name, action, from_offset, to_offset, who, reason)
    SELECT %(sync)s, 'repair', %(before)s::integer, %(after)s::integer, %(holder)s, %(shift)s
    WHERE %(shift)s::varchar IS NOT NULL AND EXISTS (SELECT FROM state)
)
SELECT (SELECT count(*) FROM state) AS state,
    (SELECT count(*) FROM inserted) AS inserted,
    (SELECT count(*) FROM updated WHERE changed) AS updated,
    (SELECT count(*) FROM returned) AS returned,
    (SELECT count(*) FROM rejected) AS rejected
