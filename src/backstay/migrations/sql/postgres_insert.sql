-- One event. Sent inside the step's own query, hence with literals; every name is qualified, because the step
-- may have changed search_path.
INSERT INTO {history} (migration, generation, direction, kind, statement, checksum, raw_checksum, digests,
    duration, lock_wait, attempts, app_version, host, run, detail, sources, runner_pid)
VALUES {values}
