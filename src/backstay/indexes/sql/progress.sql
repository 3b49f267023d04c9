-- Index builds in flight in this database. Until the index exists, its name is not known.
select
    p.pid,
    coalesce(p.relid::regclass::text, '') as table_name,
    coalesce((select relname::text from pg_class where oid = p.index_relid), '') as index_name,
    coalesce(p.phase, '') as phase,
    case when p.blocks_total > 0 then p.blocks_done
         when p.tuples_total > 0 then p.tuples_done
         else coalesce(p.lockers_done, 0) end as done,
    case when p.blocks_total > 0 then p.blocks_total
         when p.tuples_total > 0 then p.tuples_total
         else coalesce(p.lockers_total, 0) end as total,
    coalesce(extract(epoch from clock_timestamp() - a.query_start), 0)::float8 as elapsed
from pg_stat_progress_create_index p
left join pg_stat_activity a on a.pid = p.pid
where p.datname = current_database()
order by p.pid
