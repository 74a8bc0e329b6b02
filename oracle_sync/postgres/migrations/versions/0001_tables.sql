-- The script's sync_state, made or adopted, and our tables beside it.

-- As the script made it: a serial id, timestamps without time zone in UTC, counters that may be
-- null. Where it exists it is left as it is, and gains columns that its readers don't see.
CREATE TABLE IF NOT EXISTS sync_state (
    id serial PRIMARY KEY,
    sync_name varchar NOT NULL UNIQUE,
    current_offset integer,
    total_synced integer,
    last_sync_at timestamp without time zone,
    is_complete integer
);
ALTER TABLE sync_state
    ADD COLUMN IF NOT EXISTS anchor varchar,
    ADD COLUMN IF NOT EXISTS epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS walk integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS refreshing boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS doubt varchar,
    ADD COLUMN IF NOT EXISTS holder varchar,
    ADD COLUMN IF NOT EXISTS held_since timestamptz,
    ADD COLUMN IF NOT EXISTS source_total integer,
    ADD COLUMN IF NOT EXISTS last_success_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_error varchar,
    ADD COLUMN IF NOT EXISTS last_error_at timestamptz,
    ADD COLUMN IF NOT EXISTS removal_held integer,
    ADD COLUMN IF NOT EXISTS removal_held_at timestamptz,
    ADD COLUMN IF NOT EXISTS fields varchar,
    ADD COLUMN IF NOT EXISTS refilling varchar,
    ADD COLUMN IF NOT EXISTS covered_until timestamptz,
    ADD COLUMN IF NOT EXISTS changes_began timestamptz,
    ADD COLUMN IF NOT EXISTS pass_since timestamptz,
    ADD COLUMN IF NOT EXISTS pass_offset integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS pass_anchor varchar,
    ADD COLUMN IF NOT EXISTS proven_at timestamptz,
    ADD COLUMN IF NOT EXISTS proven_rows integer,
    ADD COLUMN IF NOT EXISTS proof jsonb;
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = 'sync_state'::regclass AND i.indisunique AND i.indnatts = 1
          AND i.indpred IS NULL AND a.attname = 'sync_name'
    ) THEN
        CREATE UNIQUE INDEX ON sync_state (sync_name);
    END IF;
END $$;
COMMENT ON COLUMN sync_state.anchor IS 'the last committed item: its id, or a hash of it';
COMMENT ON COLUMN sync_state.epoch IS 'goes up with each new writer, so that an old one fails';
COMMENT ON COLUMN sync_state.walk IS 'number of the full refresh that is or was last walked';
COMMENT ON COLUMN sync_state.doubt IS 'why a full refresh or a proof is due; null: none is';
COMMENT ON COLUMN sync_state.covered_until IS 'time of Oracle before which every change is stored';
COMMENT ON COLUMN sync_state.changes_began IS 'time of Oracle when what is under way began';
COMMENT ON COLUMN sync_state.pass_since IS 'since when changes are being read; null: none are';
COMMENT ON COLUMN sync_state.proven_at IS 'time of Oracle when both sides were last shown equal';
COMMENT ON COLUMN sync_state.proof IS 'the last comparison of both sides';
COMMENT ON COLUMN sync_state.removal_held IS
    'rows that the last full refresh did not meet and that stay until that is confirmed';
COMMENT ON COLUMN sync_state.fields IS 'attributes that the rows were filled with; null: the script';
COMMENT ON COLUMN sync_state.refilling IS
    'attributes that some rows may not have yet; null: none. A full refresh fills them';

CREATE TABLE rejected_items (
    id serial PRIMARY KEY,
    sync_name varchar NOT NULL,
    at_offset integer NOT NULL,
    raw json NOT NULL,
    reason varchar NOT NULL,
    digest varchar NOT NULL,
    key varchar,
    field varchar,
    source_updated_at timestamptz,
    walk integer NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolution varchar
);
CREATE UNIQUE INDEX rejected_items_open ON rejected_items (sync_name, digest)
    WHERE resolved_at IS NULL;
CREATE TABLE sync_history (
    id bigserial PRIMARY KEY,
    sync_name varchar NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    action varchar NOT NULL,
    from_offset integer NOT NULL,
    to_offset integer NOT NULL,
    who varchar NOT NULL,
    reason varchar NOT NULL
);
CREATE INDEX sync_history_of ON sync_history (sync_name, id);
CREATE TABLE refresh_marks (
    sync_name varchar NOT NULL,
    walk integer NOT NULL,
    key varchar NOT NULL
);
CREATE TABLE collection_descriptions (
    collection varchar PRIMARY KEY,
    described_at timestamptz NOT NULL DEFAULT now(),
    description jsonb,
    refusal varchar,
    missing varchar[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE collection_descriptions IS 'what the pod says of a collection''s attributes';
COMMENT ON COLUMN collection_descriptions.refusal IS 'why the pod gives no description';
COMMENT ON COLUMN collection_descriptions.missing IS
    'attributes that were asked for and that the pod refused since';
COMMENT ON TABLE rejected_items IS 'items that could not be stored, or not in full';
COMMENT ON COLUMN rejected_items.field IS
    'attributes that do not fit their columns, which are null; null: the row is not stored';
COMMENT ON TABLE sync_history IS 'changes of an offset that are not the commit of a page';
COMMENT ON TABLE refresh_marks IS 'rows met by a full refresh that has not ended';
