-- What a Gate judges: busy sessions other than this one, the worst standby's lag, commits so far.
select
    (
        select count(*) from pg_stat_activity
        where state = 'active' and backend_type = 'client backend' and pid <> pg_backend_pid()
    )::int as active_sessions,
    coalesce(
        (select max(extract(epoch from replay_lag)) from pg_stat_replication), 0
    )::float8 as replica_lag,
    (
        select xact_commit + xact_rollback from pg_stat_database where datname = current_database()
    )::bigint as transactions
