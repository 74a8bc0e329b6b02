-- name: open_items
-- Items that have no row because they could not be stored.
SELECT r.key, r.source_updated_at FROM rejected_items r
WHERE r.sync_name = %(sync)s AND r.resolved_at IS NULL AND r.field IS NULL

-- name: replaced
-- The row's newer form is among the items that could not be stored.
EXISTS (SELECT FROM ({open_items}) i WHERE i.key = t.{key}::varchar)

-- name: dates_between
SELECT DISTINCT source_updated_at AS date FROM (
    SELECT source_updated_at FROM {table} t WHERE {own_rows}
    UNION ALL SELECT source_updated_at FROM ({open_items}) i
) d
WHERE source_updated_at > %(low)s AND source_updated_at <= %(high)s ORDER BY 1 DESC

-- name: count_dated
SELECT own.rows, items.rejected, own.undated + items.undated AS undated, own.latest
FROM (
    SELECT count(*) FILTER (WHERE source_updated_at <= %(until)s) AS rows,
        count(*) FILTER (WHERE source_updated_at IS NULL) AS undated,
        max(source_updated_at) AS latest
    FROM {table} t WHERE {own_rows} AND NOT {replaced}
) own, (
    SELECT count(*) FILTER (WHERE source_updated_at <= %(until)s) AS rejected,
        count(*) FILTER (WHERE source_updated_at IS NULL) AS undated
    FROM ({open_items}) i
) items

-- name: number
-- A key that is a whole number, written in one way only.
'^(0|[1-9][0-9]{{0,37}})$'

-- name: keys_are_numbers
SELECT NOT EXISTS (
    SELECT FROM {table} t WHERE {own_rows} AND t.{key}::varchar !~ {number}
) AS numbers

-- name: keys_dated
SELECT t.{key}::varchar FROM {table} t
WHERE {own_rows} AND t.source_updated_at <= %(until)s AND NOT {replaced}
UNION ALL
SELECT i.key FROM ({open_items}) i WHERE i.source_updated_at <= %(until)s AND i.key ~ {number}

-- name: compare
WITH page AS (
    SELECT (item->>0)::{key_type} AS key, {parsed_columns}
    FROM jsonb_array_elements(%(rows)s::jsonb) AS item
),
ours AS (
    SELECT t.* FROM {table} t WHERE {own_rows} AND (
        t.{key} = ANY(%(keys)s::{key_type}[]) OR t.{key} IN (SELECT key FROM page))
)
SELECT coalesce(p.key, t.{key})::varchar AS key,
    CASE WHEN t.id IS NULL THEN 'missing' WHEN p.key IS NULL THEN 'gone' ELSE 'changed' END AS kind,
    CASE WHEN t.id IS NOT NULL AND p.key IS NOT NULL
        THEN array_remove(ARRAY[{differing}]::varchar[], NULL) ELSE '{{}}' END AS columns
FROM page p FULL JOIN ours t ON t.{key} = p.key
WHERE t.id IS NULL OR p.key IS NULL
    OR ROW({columns:t}) IS DISTINCT FROM ROW({columns:p})
ORDER BY length(coalesce(p.key, t.{key})::varchar), 1

-- name: count_own
SELECT count(*) AS rows FROM {table} t WHERE {own_rows}

-- name: give_up_keys
UPDATE {table} t SET sync_names = array_remove(t.sync_names, %(sync)s::varchar)
WHERE cardinality(t.sync_names) > 1 AND {own_rows} AND t.{key} = ANY(%(keys)s::{key_type}[])

-- name: remove_keys
WITH gone AS (
    DELETE FROM {table} t WHERE {own_rows} AND t.{key} = ANY(%(keys)s::{key_type}[])
    RETURNING {key}, {columns}, synced_at
)
{keep_aside}

-- name: resolve_rejects_of
UPDATE rejected_items SET resolved_at = now(), resolution = 'its row is gone from Oracle'
WHERE sync_name = %(sync)s AND resolved_at IS NULL AND key = ANY(%(keys)s::varchar[])

-- name: standing_of_rows
-- What offset and anchor are if the rows that are here are those of the source.
SELECT ({keys_are_numbers}) AS numbers,
    (SELECT count(*) FROM {table} t WHERE {own_rows})
        + (SELECT count(*) FROM ({open_items}) i WHERE NOT EXISTS (
            SELECT FROM {table} t WHERE {own_rows} AND t.{key}::varchar = i.key)) AS offset_reached,
    (SELECT t.{key}::varchar FROM {table} t WHERE {own_rows}
     ORDER BY length(t.{key}::varchar) DESC, t.{key}::varchar COLLATE "C" DESC LIMIT 1) AS anchor
