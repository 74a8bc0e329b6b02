-- name: contains
SELECT EXISTS (SELECT FROM {table} WHERE {key} = %(key)s) AS found

-- name: count_stored
-- How many of these rows are here with exactly these dates.
SELECT count(*) AS stored FROM json_each_text(%(dates)s::json) AS d (key, date)
JOIN {table} t ON t.{key} = d.key::{key_type}
WHERE {own_rows} AND t.source_updated_at = d.date::timestamptz

-- name: latest
SELECT {preview}, synced_at FROM {table} ORDER BY id DESC LIMIT %(rows)s

-- name: claim_unclaimed
-- Rows that no sync claims, such as the script's, while there is one sync: they are that one's.
SET LOCAL statement_timeout = '30min';
UPDATE {table} SET sync_names = ARRAY[%(owner)s]::varchar[]
WHERE coalesce(cardinality(sync_names), 0) = 0

-- name: give_up_claims
SET LOCAL statement_timeout = '30min';
UPDATE {table} SET sync_names = array_remove(sync_names, %(sync)s::varchar)
WHERE sync_names @> ARRAY[%(sync)s]::varchar[]

-- name: forget_rejects
DELETE FROM rejected_items WHERE sync_name = %(sync)s

-- name: forget_state
DELETE FROM sync_state WHERE sync_name = %(sync)s AND epoch = %(epoch)s
