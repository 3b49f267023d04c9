-- Since when scans are counted; null if they never were reset. To ask for a file's date is a privilege, which the
-- server checks before it runs a statement that has the function anywhere: so this only says whether one may.
select
    (select stats_reset from pg_stat_database where datname = current_database()) as since,
    has_function_privilege('pg_stat_file(text, boolean)', 'execute') as may_look
