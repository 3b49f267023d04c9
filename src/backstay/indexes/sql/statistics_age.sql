-- Since when scans are counted. A database whose statistics were never reset counts since it was made, which the
-- server does not record; the file that names its version is written once, then. Null: it cannot be told.
select coalesce(
    (select stats_reset from pg_stat_database where datname = current_database()),
    case when has_function_privilege('pg_stat_file(text)', 'execute') then
        (select (pg_stat_file('base/' || oid || '/PG_VERSION')).modification
         from pg_database where datname = current_database())
    end
) as since
