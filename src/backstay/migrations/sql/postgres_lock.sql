-- Take the lock if it is free, and tell who we are: the pid and transaction are what the fence looks for.
SELECT pg_try_advisory_xact_lock($1) AS held,
       pg_backend_pid() AS pid,
       (SELECT virtualtransaction FROM pg_locks WHERE pid = pg_backend_pid() LIMIT 1) AS transaction,
       coalesce(
           (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.oid = to_regclass($2)),
           $3, current_schema()) AS schema
