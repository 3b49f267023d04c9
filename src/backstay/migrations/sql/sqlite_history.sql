-- Everything that was written down, oldest first.
SELECT migration, generation, direction, kind, statement, checksum, raw_checksum, digests, duration, lock_wait,
       attempts, app_version, host, run, detail, at, seq
FROM {history} ORDER BY seq
