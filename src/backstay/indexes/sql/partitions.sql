-- The direct partitions of a table: which are partitioned themselves, and which are foreign (no index there).
select
    n.nspname::text as schema_name,
    c.relname::text as table_name,
    c.oid as table_oid,
    c.relkind = 'p' as is_partitioned,
    c.relkind = 'f' as is_foreign
from pg_inherits h
join pg_class c on c.oid = h.inhrelid
join pg_namespace n on n.oid = c.relnamespace
where h.inhparent = $1
order by n.nspname, c.relname
