-- Backends of runners that are gone: the server finishes a running statement although its client has died.
SELECT a.pid, coalesce(a.application_name, '') AS application,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds, left(a.query, 200) AS query,
       'the database' AS relation
FROM pg_stat_activity AS a
WHERE a.application_name = $1 AND a.datname = current_database() AND a.state <> 'idle' AND a.pid <> pg_backend_pid()
