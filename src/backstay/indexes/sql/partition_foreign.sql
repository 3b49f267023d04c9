-- Whether anywhere below the table $1 (by oid) there is a foreign table, which can have no part of an index.
select exists (
    select from pg_partition_tree($1::oid::regclass) tree join pg_class c on c.oid = tree.relid where c.relkind = 'f'
)
