-- name: forget_marks
DELETE FROM refresh_marks WHERE sync_name = %(sync)s

-- name: before_scan
-- Every row of the table is looked at once, so hashing is right here. The marks have just been
-- written, so the planner has no figures for them and would compare each with each.
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_nestloop = off;
SET LOCAL work_mem = '64MB';
SET LOCAL statement_timeout = '30min'

-- name: unmet_stretches
-- Keys in a row of which none was met are one stretch; those of other kinds are as text.
WITH own AS (
    SELECT t.{key}::varchar AS key, {met} AS met FROM {table} t WHERE {own_rows}
),
placed AS (
    SELECT key, met,
        row_number() OVER (ORDER BY length(key), key)
            - row_number() OVER (PARTITION BY met ORDER BY length(key), key) AS stretch
    FROM own
)
SELECT (array_agg(key ORDER BY length(key), key))[1] AS first,
    (array_agg(key ORDER BY length(key) DESC, key DESC))[1] AS last
FROM placed WHERE NOT met GROUP BY stretch ORDER BY count(*) DESC LIMIT %(most)s

-- name: before_sweep
{before_scan};
-- Keeps the commits of other syncs off, so that none claims a row that is being removed.
LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE

-- name: count_unmet
SELECT (SELECT count(*) FROM {table} t WHERE {own_rows}) AS rows,
    (SELECT count(*) FROM {table} t WHERE {own_rows} AND NOT {met}) AS unmet

-- name: give_up_unmet
-- Rows that another sync sees stay.
UPDATE {table} t SET sync_names = array_remove(t.sync_names, %(sync)s::varchar)
WHERE cardinality(t.sync_names) > 1 AND {own_rows} AND NOT {met}

-- name: remove_unmet
WITH gone AS (
    DELETE FROM {table} t WHERE {own_rows} AND NOT {met}
    RETURNING {key}, {columns}, synced_at
)
{keep_aside}

-- name: keep_aside
INSERT INTO {removed_table} ({key}, {columns}, synced_at, sync_name, removed_by)
SELECT gone.*, %(sync)s, %(holder)s FROM gone
ON CONFLICT ({key}) DO UPDATE
SET ({columns}) = ROW({columns:excluded}), synced_at = excluded.synced_at,
    sync_name = excluded.sync_name, removed_at = now(), removed_by = excluded.removed_by

-- name: count_kept
-- How many items of a sync are stored or set aside; null unless its anchor was adopted.
SELECT CASE WHEN 'adopt' = (
    SELECT action FROM sync_history WHERE sync_name = %(sync)s ORDER BY id DESC LIMIT 1
) THEN (SELECT count(*) FROM {table} t WHERE {own_rows})
     + (SELECT count(*) FROM rejected_items WHERE sync_name = %(sync)s AND resolved_at IS NULL)
END AS kept

-- name: was_met
SELECT EXISTS (
    SELECT FROM refresh_marks
    WHERE sync_name = %(sync)s AND walk = %(walk)s AND key = %(key)s
) AS found
