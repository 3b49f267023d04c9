-- Everything that was written down, oldest first; only the newest entry if the files are as they were then.
SELECT migration, generation, direction, kind, statement, checksum, raw_checksum, digests, duration, lock_wait,
       attempts, app_version, host, run, detail, sources, at, seq
FROM {history}
WHERE seq >= (SELECT CASE WHEN sources = ? THEN seq ELSE 0 END FROM {history} ORDER BY seq DESC LIMIT 1)
ORDER BY seq
