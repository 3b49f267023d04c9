-- The locks on relations that this backend holds, except those on the catalogs.
SELECT DISTINCT l.mode || ' on ' || l.relation::regclass::text AS held
FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY held
