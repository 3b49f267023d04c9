-- Foreign keys with their referencing columns in order. Those that a partition inherited are left to its parent.
select
    n.nspname::text as schema_name,
    t.relname::text as table_name,
    t.oid as table_oid,
    con.conname::text as name,
    con.confrelid::regclass::text as referenced,
    array(
        select a.attname::text
        from unnest(con.conkey) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum
        order by k.place
    ) as columns
from pg_constraint con
join pg_class t on t.oid = con.conrelid
join pg_namespace n on n.oid = t.relnamespace
where con.contype = 'f' and con.conparentid = 0
  and n.nspname not in ('pg_catalog', 'information_schema')
order by n.nspname, t.relname, con.conname
