-- name: read_description
SELECT described_at, description, refusal, missing FROM collection_descriptions
WHERE collection = %(collection)s

-- name: keep_description
-- A description that was kept before is worth more than none.
INSERT INTO collection_descriptions AS kept (collection, description, refusal)
VALUES (%(collection)s, %(description)s, %(refusal)s)
ON CONFLICT (collection) DO UPDATE
SET described_at = CASE WHEN excluded.description IS NULL AND kept.description IS NOT NULL
        THEN kept.described_at ELSE now() END,
    description = coalesce(excluded.description, kept.description),
    refusal = excluded.refusal,
    missing = '{{}}'

-- name: keep_missing
INSERT INTO collection_descriptions (collection, missing)
VALUES (%(collection)s, %(missing)s)
ON CONFLICT (collection) DO UPDATE SET missing = excluded.missing
