-- name: contains
SELECT EXISTS (SELECT FROM {table} WHERE {key} = %(key)s) AS found

-- name: latest
SELECT {key}, {declared}, synced_at FROM {table} ORDER BY id DESC LIMIT %(rows)s
