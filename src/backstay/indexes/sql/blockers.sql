-- Whom the session $1 waits for, and whether that is a session of the same application. A prepared transaction has no
-- session: the server calls it 0, and its name is found by the lock that is waited for.
select
    a.pid,
    coalesce(a.usename::text, a.backend_type) as user_name,
    coalesce(a.application_name, '') as application,
    coalesce(a.state, 'active') as state,
    coalesce(extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.state_change)), 0)::float8 as since,
    coalesce(
        a.application_name = me.application_name and a.usename = me.usename
        and a.client_addr is not distinct from me.client_addr and a.datname = me.datname,
        false
    ) as ours
from unnest(pg_blocking_pids($1)) as b (pid)
join pg_stat_activity a on a.pid = b.pid
join pg_stat_activity me on me.pid = $1
union all
select
    0, p.owner::text, 'prepared transaction ' || quote_literal(p.gid), 'neither committed nor rolled back',
    extract(epoch from clock_timestamp() - p.prepared)::float8, false
from pg_prepared_xacts p
where 0 = any(pg_blocking_pids($1)) and exists (
    select from pg_locks held
    join pg_locks own on own.virtualtransaction = held.virtualtransaction and own.pid is null
    join pg_locks wanted on wanted.pid = $1 and not wanted.granted and wanted.locktype = held.locktype
        and wanted.database is not distinct from held.database
        and wanted.relation is not distinct from held.relation
        and wanted.transactionid is not distinct from held.transactionid
    where held.pid is null and held.granted and own.transactionid = p.transaction
)
order by 1
