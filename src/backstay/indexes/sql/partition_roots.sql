-- Each partition with the table at the top of its tree, and whether it holds rows itself.
with recursive tree as (
    select c.oid as root, c.oid as member from pg_class c
    where c.relkind = 'p' and not exists (select from pg_inherits where inhrelid = c.oid)
    union all
    select tree.root, h.inhrelid from tree join pg_inherits h on h.inhparent = tree.member
)
select
    rn.nspname::text as root_schema, r.relname::text as root_name,
    mn.nspname::text as schema_name, m.relname::text as table_name, m.relkind = 'r' as is_leaf,
    greatest(m.reltuples, 0)::float8 as row_count
from tree
join pg_class r on r.oid = tree.root
join pg_namespace rn on rn.oid = r.relnamespace
join pg_class m on m.oid = tree.member
join pg_namespace mn on mn.oid = m.relnamespace
where tree.member <> tree.root
