-- The dearest statements of this database.
select query, calls::float8 as calls, (total_exec_time / 1000)::float8 as seconds
from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database())
order by total_exec_time desc
limit $1
