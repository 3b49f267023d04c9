-- One event.
INSERT INTO {history} (migration, generation, direction, kind, statement, checksum, raw_checksum, digests,
    duration, lock_wait, attempts, app_version, host, run, detail, sources)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
