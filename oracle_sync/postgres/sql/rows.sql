-- name: contains
SELECT EXISTS (SELECT FROM {table} WHERE {key} = %(key)s) AS found

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
