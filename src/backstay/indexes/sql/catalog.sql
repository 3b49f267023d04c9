-- Every index of the given tables (by oid), or of all user tables when the argument is null, in the server's own
-- words. One statement reads both a table and its empty clone, so that both sides are normalised alike.
select
    n.nspname::text as schema_name,
    t.relname::text as table_name,
    t.oid as table_oid,
    c.relname::text as index_name,
    c.oid as index_oid,
    am.amname::text as method,
    i.indnkeyatts::int as key_count,
    (
        select json_agg(json_build_object(
            'text', pg_get_indexdef(i.indexrelid, k, false),
            'column', (select attname from pg_attribute where attrelid = t.oid and attnum = i.indkey[k - 1] and attnum > 0),
            -- Of classes that are one and the same under several names (varchar_ops is text_ops), the first name.
            'opclass', (
                select min(twin.opcname::text) || ':' || o.opcfamily
                from pg_opclass o
                join pg_opclass twin using (opcmethod, opcfamily, opcintype, opckeytype)
                where o.oid = i.indclass[k - 1]
                group by o.opcfamily
            ),
            -- Two schemas may have a collation of one name each.
            'collation', (
                select case when cn.nspname = 'pg_catalog' then '' else cn.nspname || '.' end || co.collname
                from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                where co.oid = i.indcollation[k - 1]
            ),
            -- Compared with the column itself, its values are looked up in its own collation only.
            'recollated', exists (
                select from pg_attribute
                where attrelid = t.oid and attnum = i.indkey[k - 1] and attnum > 0 and k <= i.indnkeyatts
                  and attcollation <> i.indcollation[k - 1]
            ),
            'option', i.indoption[k - 1],
            'params', (select attoptions from pg_attribute where attrelid = i.indexrelid and attnum = k)
        ) order by k)
        from generate_series(1, i.indnatts) as k
    ) as keys,
    pg_get_expr(i.indpred, i.indrelid) as predicate,
    i.indisunique as is_unique,
    i.indimmediate as is_immediate,
    -- The column exists since PostgreSQL 15; to_jsonb reads it where it is and gives null where it is not.
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) as nulls_not_distinct,
    c.reloptions as options,
    i.indisvalid as is_valid,
    i.indisready as is_ready,
    con.contype::text as constraint_kind,
    con.conname::text as constraint_name,
    exists (select from pg_constraint f where f.contype = 'f' and f.conindid = i.indexrelid) as is_referenced,
    i.indisreplident as is_replica_identity,
    i.indisclustered as is_clustered,
    c.relkind = 'I' as is_partitioned,
    inh.inhparent as parent_oid,
    -- Whoever builds it is named by the progress view; without the right to read all of that, by its lock on the
    -- table. A lock on the index tells of a drop or a rename under way, but not one that a writer takes: UPDATE keeps
    -- that, on leftovers too, until its transaction ends.
    not i.indisvalid and (
        exists (
            select from pg_stat_progress_create_index p
            where p.index_relid = i.indexrelid or (p.index_relid is null and exists (
                select from pg_locks l
                where l.pid = p.pid and l.locktype = 'relation' and l.relation = t.oid and l.granted
                  and l.database = (select oid from pg_database where datname = current_database())
                  and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock')
            ))
        )
        or exists (
            select from pg_locks l
            where l.locktype = 'relation' and l.relation = i.indexrelid and l.granted
              and l.database = (select oid from pg_database where datname = current_database())
              and l.mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock') and l.pid <> pg_backend_pid()
        )
    ) as in_progress,
    case when c.relkind = 'I' then 0 else pg_relation_size(c.oid) end as size_bytes,
    -- Of a partitioned index the server writes ON ONLY, which would bring back an index without its parts.
    case when c.relkind = 'I'
        then replace(pg_get_indexdef(i.indexrelid), quote_ident(c.relname) || ' ON ONLY ', quote_ident(c.relname) || ' ON ')
        else pg_get_indexdef(i.indexrelid)
    end as ddl,
    -- Columns inside expressions and predicates too: an UPDATE of any of them cannot be HOT.
    array(
        select distinct a.attname::text
        from pg_depend d
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
          and d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.refobjsubid > 0
    ) as columns
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
join pg_am am on am.oid = c.relam
left join pg_constraint con on con.conindid = i.indexrelid and con.conrelid = t.oid and con.contype in ('p', 'u', 'x')
left join pg_inherits inh on inh.inhrelid = i.indexrelid
where case
    when $1::text[] is not null
        then t.oid in (select to_regclass(x)::oid from unnest($1::text[]) as x) or (n.oid = pg_my_temp_schema() and t.relname like 'backstay\_clone\_%')
    else n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') and n.nspname not like 'pg\_temp\_%'
        and n.nspname not like 'pg\_toast\_temp\_%'
        and not exists (
            select from pg_depend e
            where e.classid = 'pg_class'::regclass and e.objid = t.oid and e.deptype = 'e'
        )
end
order by n.nspname, t.relname, c.relname
