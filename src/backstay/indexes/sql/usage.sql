-- How each index was used and what its table's writes were since the statistics began.
select
    s.indexrelid as index_oid,
    s.idx_scan as scans,
    -- Never counted: -1 since PostgreSQL 14, before that 0 of no pages.
    case when i.relpages = 0 then -1 else i.reltuples end::float8 as index_rows,
    greatest(c.reltuples, 0)::float8 as table_rows,
    (pg_relation_size(c.oid) / current_setting('block_size')::int)::float8 as heap_pages,
    coalesce(t.n_tup_ins, 0) as inserted,
    coalesce(t.n_tup_upd, 0) as updated,
    coalesce(t.n_tup_hot_upd, 0) as hot_updated,
    coalesce(t.n_tup_del, 0) as deleted
from pg_stat_user_indexes s
join pg_class i on i.oid = s.indexrelid
join pg_class c on c.oid = s.relid
left join pg_stat_user_tables t on t.relid = s.relid
