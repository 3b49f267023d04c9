-- The history. Rows are only ever added; what is applied now follows from them. `runner_pid` is the fence: an
-- insert takes it from pg_locks, so that a runner whose lock is gone writes NULL there, and nothing at all.
CREATE TABLE IF NOT EXISTS {history} (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    generation integer NOT NULL,
    direction text NOT NULL,
    kind text NOT NULL,
    statement integer,
    checksum text NOT NULL,
    raw_checksum text NOT NULL,
    digests text NOT NULL,
    duration double precision NOT NULL,
    lock_wait double precision NOT NULL,
    attempts integer NOT NULL,
    app_version text NOT NULL,
    host text NOT NULL,
    run text NOT NULL,
    detail text NOT NULL,
    sources text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    runner_pid integer CONSTRAINT {fence} NOT NULL
)
