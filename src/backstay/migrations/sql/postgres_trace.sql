-- Storage and scans of every table, and the locks that this backend holds on it, strongest last.
SELECT c.oid AS id, c.oid::regclass::text AS name, c.relfilenode AS storage, c.relkind IN ('r', 'm') AS is_table,
       coalesce(pg_stat_get_xact_numscans(c.oid), 0) AS scans,
       coalesce((SELECT array_agg(l.mode::text ORDER BY l.mode) FROM pg_locks AS l
                 WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation = c.oid AND l.granted), '{}') AS locks
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'i') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
