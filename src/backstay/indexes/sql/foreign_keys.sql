-- Foreign keys with their referencing columns in order. Those that a partition inherited are left to its parent; the
-- tables are those whose indexes catalog.sql reads: neither temporary ones nor those of an extension.
select
    n.nspname::text as schema_name,
    t.relname::text as table_name,
    t.oid as table_oid,
    con.conname::text as name,
    con.confrelid::regclass::text as referenced,
    t.relkind = 'p' as is_partitioned,
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
  and n.nspname not in ('pg_catalog', 'information_schema') and t.relpersistence <> 't'
  and not exists (
      select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = t.oid and e.deptype = 'e'
  )
order by n.nspname, t.relname, con.conname
