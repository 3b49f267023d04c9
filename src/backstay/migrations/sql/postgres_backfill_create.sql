-- How far each backfill has come. The key is text, so that one table serves keys of every type.
CREATE TABLE IF NOT EXISTS backstay_backfills (
    name text PRIMARY KEY,
    last_key text,
    rows_done bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    finished boolean NOT NULL DEFAULT false,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
