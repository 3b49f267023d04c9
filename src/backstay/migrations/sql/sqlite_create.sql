-- The history, as on PostgreSQL. Instants are UTC text with milliseconds, written by the database.
CREATE TABLE IF NOT EXISTS {history} (
    seq integer PRIMARY KEY AUTOINCREMENT,
    migration text NOT NULL,
    generation integer NOT NULL,
    direction text NOT NULL,
    kind text NOT NULL,
    statement integer,
    checksum text NOT NULL,
    raw_checksum text NOT NULL,
    digests text NOT NULL,
    duration real NOT NULL,
    lock_wait real NOT NULL,
    attempts integer NOT NULL,
    app_version text NOT NULL,
    host text NOT NULL,
    run text NOT NULL,
    detail text NOT NULL,
    sources text NOT NULL,
    at text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))
)
