-- name: set_aside
WITH rejected AS (
    INSERT INTO rejected_items
        (sync_name, at_offset, raw, reason, digest, key, field, source_updated_at, walk)
    SELECT %(sync)s, r.at_offset, r.raw::json, r.reason, r.digest, r.key, r.field, r.dated,
        %(walk)s
    FROM json_to_recordset(%(rejects)s) AS r(at_offset integer, raw text, reason text,
        digest text, key varchar, field varchar, dated timestamptz)
    WHERE EXISTS (SELECT FROM sync_state WHERE sync_name = %(sync)s AND epoch = %(epoch)s)
    ON CONFLICT (sync_name, digest) WHERE resolved_at IS NULL DO UPDATE
    SET at_offset = excluded.at_offset, reason = excluded.reason, walk = excluded.walk
    RETURNING 1
)
SELECT count(*) AS rejected FROM rejected

-- name: resolve_reject
UPDATE rejected_items SET resolved_at = now(), resolution = %(resolution)s
WHERE id = %(id)s
RETURNING 1

-- name: resolve_unmet_rejects
UPDATE rejected_items SET resolved_at = now(), resolution = 'not met by a full refresh'
WHERE sync_name = %(sync)s AND resolved_at IS NULL AND walk < %(walk)s

-- name: row_is_newer
SELECT 1 FROM {table} t JOIN rejected_items r ON r.id = %(item)s
WHERE t.{key} = %(key)s AND t.synced_at > timezone('UTC', r.rejected_at)
