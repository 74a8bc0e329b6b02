-- name: table_columns
SELECT attname AS name FROM pg_attribute
WHERE attrelid = to_regclass('{table}') AND attnum > 0 AND NOT attisdropped

-- name: whole_name
SELECT concat_ws('.', current_database(), relnamespace::regnamespace, relname) AS name
FROM pg_class WHERE oid = '{table}'::regclass

-- name: make_tables
-- A collection's table, made or adopted from the script, whose columns come first, and the table
-- of the rows that are gone from Oracle. What is there already is left as it is.
CREATE TABLE IF NOT EXISTS {table} (
    id serial PRIMARY KEY,
    {key} {key_type} NOT NULL UNIQUE,
    {definitions}
    synced_at timestamp without time zone
);
ALTER TABLE {table}
    {added_columns}
    ADD COLUMN IF NOT EXISTS source_updated_at timestamptz,
    ADD COLUMN IF NOT EXISTS sync_names varchar[];
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = '{table}'::regclass AND i.indisunique AND i.indnatts = 1
          AND i.indpred IS NULL AND '"' || a.attname || '"' = '{key}'
    ) THEN
        CREATE UNIQUE INDEX ON {table} ({key});
    END IF;
END $$;
CREATE TABLE IF NOT EXISTS {removed_table} (
    id serial PRIMARY KEY,
    {key} {key_type} NOT NULL UNIQUE,
    {definitions}
    synced_at timestamp without time zone,
    sync_name varchar NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    removed_by varchar NOT NULL
);
ALTER TABLE {removed_table}
    {added_columns}
    ADD COLUMN IF NOT EXISTS source_updated_at timestamptz;
COMMENT ON TABLE {removed_table} IS 'rows gone from Oracle, with when and by which run';
COMMENT ON COLUMN {table}.source_updated_at IS 'time of the last change in Oracle; null: not known';
COMMENT ON COLUMN {table}.sync_names IS 'syncs that see the row; null: the script';
{comments}

-- name: columns_of_table
SELECT attname AS name, format_type(atttypid, atttypmod) AS type,
    col_description(attrelid, attnum) AS comment
FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
