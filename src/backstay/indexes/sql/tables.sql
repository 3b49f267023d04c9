-- What the size model and the candidates need to know of each column and expression, in one row a table.
select
    t.oid as table_oid,
    n.nspname::text as schema_name,
    t.relname::text as table_name,
    greatest(t.reltuples, 0)::float8 as row_count,
    greatest(t.relpages, 1)::float8 as page_count,
    t.relkind = 'p' as is_partitioned,
    coalesce(s.n_tup_ins, 0)::float8 as inserted,
    coalesce(s.n_tup_upd, 0)::float8 as updated,
    coalesce(s.n_tup_hot_upd, 0)::float8 as hot_updated,
    coalesce(s.n_tup_del, 0)::float8 as deleted,
    (
        select json_agg(json_build_object(
            'name', a.attname,
            'type', format_type(case when y.typtype = 'd' then y.typbasetype else a.atttypid end, null),
            'length', a.attlen,
            'align', a.attalign,
            'not_null', a.attnotnull,
            'width', st.avg_width,
            'distinct', st.n_distinct,
            'null_fraction', st.null_frac,
            'correlation', st.correlation,
            'common', case when st.n_distinct between 1 and 50 then st.most_common_vals::text::text[] end,
            'frequencies', case when st.n_distinct between 1 and 50 then st.most_common_freqs end
        ) order by a.attnum)
        from pg_attribute a
        join pg_type y on y.oid = a.atttypid
        left join pg_stats st on st.schemaname = n.nspname and st.tablename = t.relname and st.attname = a.attname
            and st.inherited = (t.relkind = 'p')
        where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    ) as columns
from pg_class t
join pg_namespace n on n.oid = t.relnamespace
left join pg_stat_user_tables s on s.relid = t.oid
where t.relkind in ('r', 'p', 'm')
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  and n.nspname not like 'pg\_temp\_%' and n.nspname not like 'pg\_toast\_temp\_%'
order by n.nspname, t.relname
