-- What a Gate judges: busy sessions other than this one, the worst standby's lag, commits so far.
select
    (
        select count(*) from pg_stat_activity
        where state = 'active' and backend_type = 'client backend' and pid <> pg_backend_pid()
    )::int as active_sessions,
    -- A standby that hangs reports no lag, since it reports nothing: what it has not confirmed is as old as its
    -- last word at least. (Right after a quiet time that may say too much, for a moment.)
    coalesce(
        (
            select max(extract(epoch from greatest(
                replay_lag,
                case when replay_lsn < pg_current_wal_lsn() then clock_timestamp() - reply_time end
            )))
            from pg_stat_replication
            where not pg_is_in_recovery()
        ), 0
    )::float8 as replica_lag,
    (
        select xact_commit + xact_rollback from pg_stat_database where datname = current_database()
    )::bigint as transactions
