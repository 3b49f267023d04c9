-- Who holds (or waits for) a lock on one of these relations, in a transaction older than $2 seconds.
SELECT DISTINCT ON (a.pid) a.pid, coalesce(a.application_name, '') AS application,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds, left(a.query, 200) AS query,
       l.relation::regclass::text AS relation
FROM unnest($1::text[]) AS wanted (name)
JOIN pg_locks AS l ON l.relation = to_regclass(wanted.name) AND l.locktype = 'relation'
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE a.pid <> pg_backend_pid() AND a.xact_start <= clock_timestamp() - make_interval(secs => $2)
ORDER BY a.pid
