-- Who keeps the table $1 (by oid) from being built on: sessions with a lock on it that excludes a build or a reading,
-- and the one that has the turn ($2 is the class of our advisory locks).
select
    a.pid,
    coalesce(a.usename::text, a.backend_type) as user_name,
    coalesce(a.application_name, '') as application,
    coalesce(a.state, 'active') || case when bool_or(l.locktype = 'advisory') then ' with the turn on it' else '' end
        as state,
    coalesce(extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.state_change)), 0)::float8 as since,
    false as ours
from pg_locks l
join pg_stat_activity a on a.pid = l.pid
where l.granted and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())
  and (
      (
          l.locktype = 'relation' and l.relation = $1::oid
          and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      )
      or (l.locktype = 'advisory' and l.classid = $2::oid and l.objid = $1::oid and l.objsubid = 2)
  )
group by a.pid, a.usename, a.backend_type, a.application_name, a.state, a.xact_start, a.state_change
order by a.pid
