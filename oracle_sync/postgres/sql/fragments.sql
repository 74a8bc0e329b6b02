-- name: state_columns
-- An offset that is null, as the script may leave it, or that somebody made negative, is 0.
sync_name, greatest(current_offset, 0) AS "offset", coalesce(total_synced, 0) AS total_synced,
last_sync_at, coalesce(is_complete, 0) <> 0 AS complete, anchor, epoch, walk, refreshing, doubt,
holder, held_since, source_total, last_success_at, last_error, last_error_at, removal_held,
removal_held_at, fields, refilling, covered_until, changes_began, pass_since, pass_offset, pass_anchor,
proven_at, proven_rows, proof

-- name: lock_key
-- With the table itself, which two roles may find by different names, and two installations in
-- schemas of one database by the same one.
hashtextextended('oracle_sync ' || 'sync_state'::regclass::oid || '.' || s.sync_name, 0)

-- name: locks
-- The keys of all advisory locks of one key that are held in this database.
SELECT classid::bigint << 32 | objid::bigint AS key FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: own_rows
-- A row that no sync claims, such as one of the script's, belongs to the sync that asks.
(t.sync_names @> ARRAY[%(sync)s]::varchar[] OR coalesce(cardinality(t.sync_names), 0) = 0)

-- name: met
EXISTS (
    SELECT FROM refresh_marks m
    WHERE m.sync_name = %(sync)s AND m.walk = %(walk)s AND m.key = t.{key}::varchar)
