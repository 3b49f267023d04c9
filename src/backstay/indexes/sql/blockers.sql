-- Whom the session $1 waits for, and whether that is a session of the same application.
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
order by a.pid
