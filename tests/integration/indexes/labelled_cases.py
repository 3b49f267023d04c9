"""169 statements, or small sets of them, with the index that serves them best - or with none, where none pays.

A case may accept several answers, where they are as good as each other.
"""

# ruff: noqa: E501 - a statement reads best on one line

from __future__ import annotations

from .labelled import Case

SCHEMA = """
create extension if not exists hypopg;
create extension if not exists pg_trgm;
create table teams (id serial primary key, name text not null, region text not null);
insert into teams (name, region) select 'team ' || i, 'r' || i % 10 from generate_series(1, 2000) i;
create table users (id serial primary key, team_id int not null references teams, email text not null, name text,
  status text, at timestamptz, gone timestamptz, tags text[], country text unique);
insert into users (team_id, email, name, status, at, gone, tags)
select 1 + i % 2000, 'U' || i || '@x.org', 'name_' || i, case when i % 50 = 0 then 'banned' else 'active' end,
  timestamptz '2026-01-01' - i * interval '1 minute', case when i % 50 = 1 then now() end,
  array['t' || i % 5000, 'u' || i % 7000] from generate_series(1, 40000) i;
create table orders (id serial primary key, user_id int references users, status text, total int, quantity int,
  at timestamptz, payload jsonb, paid boolean, note text, shipped timestamptz);
insert into orders (user_id, status, total, quantity, at, payload, paid, note, shipped)
select 1 + (i::bigint * 7919 % 2000)::int, case when i % 100 = 0 then 'pending' else 'done' end, i * 31 % 10000, i % 7,
  timestamptz '2026-01-01' - (i::bigint * 48271 % 1000000) * interval '1 second',
  jsonb_build_object('k', i % 1000, 'ref', 'R' || i), i % 30 <> 0, repeat('lorem ipsum ', 8),
  case when i % 200 <> 0 then timestamptz '2026-01-01' end
from generate_series(1, 100000) i;
create table items (id serial primary key, order_id int not null references orders, sku text not null, price int not null);
insert into items (order_id, sku, price) select 1 + (i::bigint * 15485863 % 100000)::int, 'sku' || i % 3000, i % 500
from generate_series(1, 200000) i;
create table prices (asset int, day date, close numeric, primary key (asset, day));
insert into prices select a, date '2020-01-01' + d, a * d from generate_series(1, 100) a, generate_series(1, 300) d;
create table log (id bigserial primary key, at timestamptz not null, level text not null, message text not null, doc tsvector);
insert into log (at, level, message, doc)
select timestamptz '2026-01-01' + i * interval '1 second', (array['debug', 'info', 'warn'])[1 + i % 3],
  'message ' || i || repeat(' x', 50), to_tsvector('simple', 'word' || i % 5000 || ' other' || i % 3000)
from generate_series(1, 250000) i;
create table tiny (id serial primary key, code text, label text);
insert into tiny (code, label) select 'c' || i, 'l' || i from generate_series(1, 50) i;
create table indexed (id serial primary key, a int, b int, c int);
insert into indexed (a, b, c) select i % 1000, i % 777, i % 555 from generate_series(1, 50000) i;
create index indexed_a_b on indexed (a, b);
create table metrics (host int not null, at timestamptz not null, value int) partition by range (at);
create table metrics_1 partition of metrics for values from ('2026-01-01') to ('2026-02-01');
create table metrics_2 partition of metrics for values from ('2026-02-01') to ('2026-03-01');
insert into metrics select i % 500, timestamptz '2026-01-01' + i * interval '50 seconds', i from generate_series(1, 100000) i;
create table trips (id serial primary key, place point, span tstzrange, ip inet, pair int4range, driver int, kind text, km numeric, meta jsonb, at timestamptz, parent int);
insert into trips (place, span, ip, driver, kind, km, meta, at, parent)
select point((i::bigint*7919%1000)::float, (i::bigint*104729%1000)::float), tstzrange(timestamptz '2026-01-01' + i * interval '1 minute', timestamptz '2026-01-01' + i * interval '1 minute' + interval '1 hour'),
 ('10.' || i%250 || '.' || (i/250)%250 || '.' || i%199)::inet, i % 3000, (array['taxi','bus','van'])[1+i%3], i % 700, jsonb_build_object('stop', i % 4000, 'tags', jsonb_build_array('a' || i % 900)),
 timestamptz '2026-01-01' + (i::bigint*7919%100000) * interval '1 second', nullif(i % 5000, 0) from generate_series(1, 60000) i;
create table "Mixed Case" ("Id" serial primary key, "Owner" int, "Note" text);
insert into "Mixed Case" ("Owner","Note") select i % 4000, 'n' || i from generate_series(1, 50000) i;
create schema other; create table other.things (id serial primary key, owner int); insert into other.things(owner) select i % 4000 from generate_series(1,50000) i;
create type job_state as enum ('ready', 'running', 'done', 'failed');
create table jobs (id serial primary key, queue text not null, state job_state not null, run_at timestamptz not null, args text not null);
insert into jobs (queue, state, run_at, args) select 'q' || i * 7 % 5, case when i % 50 = 0 then 'ready' when i % 200 = 1 then 'failed' when i % 500 = 2 then 'running' else 'done' end::job_state,
  timestamptz '2026-01-01' + (i::bigint * 7919 % 40000) * interval '1 minute', repeat('a', 60) from generate_series(1, 40000) i;
create table docs (id serial primary key, tenant int not null, author int not null, slug text not null, title text not null, pinned boolean not null, open boolean not null,
  at timestamptz not null, deleted timestamptz, ref uuid not null, meta jsonb not null, body text not null);
insert into docs (tenant, author, slug, title, pinned, open, at, deleted, ref, meta, body) select 1 + (i::bigint * 7919 % 99)::int, 1 + (i::bigint * 104729 % 1999)::int, 'doc-' || i::bigint * 15485863 % 20011, 'Title ' || i,
  i % 200 = 0, i % 3 = 0, timestamptz '2026-01-01' - (i::bigint * 48271 % 40009) * interval '5 minutes', case when i % 25 = 3 then now() end, md5(i::text)::uuid,
  jsonb_build_object('color', 'c' || i % 300), repeat('body ', 10) from generate_series(1, 40000) i;
create view pending as select * from orders where status = 'pending';
"""


def case(name: str, sql: str | list[tuple[str, float]], *accepted: str, **limits: float) -> Case:
    """A case; the indexes of one answer are parted by `` + ``, none is the empty text."""
    asked = ((sql, 1.0),) if isinstance(sql, str) else tuple(sql)
    answers = tuple(frozenset(part for part in answer.split(" + ") if part) for answer in accepted or ("",))
    most = limits.get("most")
    return Case(
        name=name,
        sql=asked,
        accepted=answers,
        budget=limits.get("budget"),
        most=None if most is None else int(most),
    )


CASES = [
    # -- plain columns
    case("equality", "select * from users where email = 'U5@x.org'", "users btree (email)"),
    case("equality, parameter", "select * from orders where user_id = $1", "orders btree (user_id)"),
    case("two equalities", "select * from orders where user_id = 5 and total = 9", "orders btree (total, user_id)", "orders btree (user_id, total)"),
    case("equality before range", "select * from orders where user_id = 5 and at > '2025-12-31'", "orders btree (user_id, at)"),
    case("narrow range", "select * from orders where total between 5 and 6", "orders btree (total)"),
    case("list of values", "select * from orders where total in (1, 2, 3)", "orders btree (total)"),
    case("either column", "select * from orders where user_id = 5 or total = 9", "orders btree (user_id) + orders btree (total)"),
    case("is null, rare", "select * from orders where shipped is null", "orders btree (shipped) where (shipped is null)", "orders btree (id) where (shipped is null)"),
    case("begins with", "select * from users where name like 'name\\_39%'", "users btree (name text_pattern_ops)"),
    case("greatest of a column", "select max(total) from orders", "orders btree (total)"),
    case("greatest for a key", "select max(at) from orders where user_id = 5", "orders btree (user_id, at)"),
    case("a view's column", "select * from pending where total = 5", "orders btree (total) where (status = 'pending'::text)", "orders btree (total)", "orders btree (total, status)"),
    case("inside a common table expression", "with mine as (select * from orders where user_id = 5) select count(*) from mine", "orders btree (user_id)"),
    case("a partitioned table", "select * from metrics where host = 7 and at > '2026-02-20'", "metrics btree (host, at)"),
    # -- order and direction
    case("filter, then order", "select * from orders where user_id = 5 order by at desc limit 10", "orders btree (user_id, at)"),
    case("order alone", "select * from orders order by at limit 5", "orders btree (at)"),
    case("descending, nulls last", "select * from users order by at desc nulls last limit 5", "users btree (at desc nulls last)"),
    case("mixed directions", "select * from orders order by total, at desc limit 5", "orders btree (total, at desc)"),
    case("mixed directions after a filter", "select * from orders where quantity = 3 order by total desc, at limit 5", "orders btree (quantity, total desc, at)", "orders btree (total desc, at)"),
    case("latest of each", "select distinct on (user_id) * from orders where user_id in (3, 4) order by user_id, at desc", "orders btree (user_id, at desc)", "orders btree (user_id)"),
    # -- expressions
    case("lower case", "select * from users where lower(email) = 'u5@x.org'", "users btree ((lower(email)))"),
    case("field of a document", "select * from orders where payload ->> 'ref' = 'R5'", "orders btree ((payload ->> 'ref'::text))"),
    case("arithmetic", "select * from orders where total * quantity = 54321", "orders btree ((total * quantity))"),
    case("day of an instant", "select * from orders where (at at time zone 'utc')::date = '2025-12-30'", "orders btree ((((at AT TIME ZONE 'utc'::text))::date))"),
    case("default for null", "select * from users where coalesce(name, email) = 'name_77'", "users btree ((COALESCE(name, email)))"),
    case("expression and column", "select * from users where lower(name) = 'name_9' and team_id = 10", "users btree ((lower(name)))", "users btree ((lower(name)), team_id)", "users btree (team_id)", "users btree (team_id, (lower(name)))"),
    case("order by an expression", "select * from users order by lower(email) limit 10", "users btree ((lower(email)))"),
    # -- partial
    case("boolean, rare side", "select * from orders where not paid and total > 9900", "orders btree (total) where (not paid)"),
    case("rare constant", "select * from orders where status = 'pending' and total between 9000 and 9100", "orders btree (total) where (status = 'pending'::text)", "orders btree (status, total)"),
    case("queue", "select id from orders where status = 'pending' order by at limit 10", "orders btree (at) where (status = 'pending'::text)", "orders btree (at) include (id) where (status = 'pending'::text)"),
    case("not null, rare", "select id from users where gone is not null and gone > '2026-01-01'", "users btree (gone)", "users btree (gone) where (gone is not null)", "users btree (gone) include (id)"),
    case("never a parameter's value", "select * from orders where status = $1 and total = $2", "orders btree (total)", "orders btree (total, status)", "orders btree (status, total)"),
    # -- covering
    case("covering a sum", "select sum(total) from orders where user_id between 100 and 200", "orders btree (user_id) include (total)", "orders btree (user_id, total)"),
    case("covering a count by group", "select quantity, count(*) from orders where total < 300 group by quantity", "orders btree (total) include (quantity)", "orders btree (total, quantity)"),
    case("covering a join", "select sum(i.price) from items i where i.order_id between 100 and 900", "items btree (order_id) include (price)", "items btree (order_id, price)"),
    # -- other methods
    case("document contains", "select * from orders where payload @> '{\"k\": 5}'", "orders gin (payload jsonb_path_ops)"),
    case("document has a key", "select * from orders where payload ? 'rare'", "orders gin (payload)"),
    case("array contains", "select * from users where tags @> array['t55']", "users gin (tags)"),
    case("array overlaps", "select * from users where tags && array['t55', 'u66']", "users gin (tags)"),
    case("any of an array", "select * from users where 't55' = any (tags)"),
    case("text contains", "select * from users where name like '%e_39%9'", "users gin (name gin_trgm_ops)"),
    case("text contains, any case", "select * from users where email ilike '%u3999%'", "users gin (email gin_trgm_ops)"),
    case("words of a text", "select * from log where doc @@ to_tsquery('simple', 'word77')", "log gin (doc)"),
    case("wide range of a growing table, in little space", "select level, count(*) from log where at between '2026-01-01 10:00+00' and '2026-01-01 16:00+00' group by level", "log brin (at)", budget=1_000_000),
    # -- joins
    case("join by a foreign key", "select o.* from orders o join users u on u.id = o.user_id where u.email = 'U7@x.org'", "users btree (email) + orders btree (user_id)"),
    case("two joins", "select i.* from items i join orders o on o.id = i.order_id where o.user_id = 5", "items btree (order_id) + orders btree (user_id)", "items btree (order_id) + orders btree (user_id, id)"),
    case("three joins", "select i.* from items i join orders o on o.id = i.order_id join users u on u.id = o.user_id where u.email = 'U7@x.org'", "items btree (order_id) + orders btree (user_id) + users btree (email)", "items btree (order_id) + orders btree (user_id) include (id) + users btree (email)", "items btree (order_id) + orders btree (user_id, id) + users btree (email)"),
    case("exists", "select * from orders o where o.total = 77 and exists (select from items i where i.order_id = o.id)", "items btree (order_id) + orders btree (total)"),
    case("delete of a referenced row", "delete from users where id = 7", "orders btree (user_id)"),
    # -- several statements
    case("one for two", [("select * from orders where user_id = 5", 1), ("select * from orders where user_id = 5 and total = 9", 1)], "orders btree (user_id)", "orders btree (user_id, total)"),
    case("the heavier one, if one is all", [("select * from users where email = 'U5@x.org'", 1), ("select * from users where name = 'name_6'", 100)], "users btree (name)", most=1),
    case("writes outweigh", [("select * from orders where total = 5 and user_id = 5", 1), ("insert into orders (user_id) values ($1)", 1_000_000)], ""),
    # -- pages by key, and more of order
    case("keyset", "select * from orders where (at, id) < ('2025-12-31', 500) order by at desc, id desc limit 20", "orders btree (at, id)"),
    case("keyset after filter", "select * from orders where user_id = 5 and (at, id) < ('2025-12-31', 500) order by at desc, id desc limit 20", "orders btree (user_id, at, id)", "orders btree (user_id, at)", "orders btree (user_id)"),
    case("equality + in + order", "select * from orders where user_id = 5 and quantity in (1,2) order by at limit 5", "orders btree (user_id, at)", "orders btree (user_id)", "orders btree (user_id, quantity)", "orders btree (user_id, quantity, at)"),
    case("anti join", "select u.id from users u where u.team_id = 7 and not exists (select from orders o where o.user_id = u.id)", "orders btree (user_id) + users btree (team_id)", "users btree (team_id) + orders btree (user_id)", "orders btree (user_id) + users btree (team_id) include (id)", "users btree (team_id, id) + orders btree (user_id)"),
    case("update where", "update orders set note = 'x' where user_id = 77 and status = 'pending'", "orders btree (user_id)", "orders btree (user_id) where (status = 'pending'::text)", "orders btree (status, user_id)", "orders btree (user_id, status)"),
    case("delete where", "delete from items where sku = 'sku5'", "items btree (sku)"),
    # -- ranges, places, networks
    case("range contains", "select * from trips where span @> timestamptz '2026-01-05'", "trips gist (span)"),
    case("range overlaps", "select * from trips where span && tstzrange('2026-01-05','2026-01-05 01:00')", "trips gist (span)"),
    case("nearest", "select * from trips order by place <-> point(5,5) limit 5", "trips gist (place)"),
    case("box", "select * from trips where place <@ box '(1,1),(3,3)'", "trips gist (place)"),
    case("inet subnet", "select * from trips where ip << inet '10.5.0.0/24'", "trips gist (ip inet_ops)", "trips btree (ip)", "trips spgist (ip)"),
    # -- more expressions, and what cannot be indexed
    case("json number", "select * from trips where (meta->>'stop')::int = 77", "trips btree ((((meta ->> 'stop'::text))::integer))"),
    case("json path deep", "select * from trips where meta->'tags' @> '[\"a5\"]'", "trips gin ((meta -> 'tags'::text))", "trips gin ((meta -> 'tags'::text) jsonb_path_ops)"),
    case("date_trunc on timestamptz not immutable", "select * from trips where date_trunc('day', at) = '2026-01-01 00:00+00'"),
    case("cast to date not immutable", "select count(*) from trips where at::date = '2026-01-01'"),
    # -- names
    case("mixed case", "select * from \"Mixed Case\" where \"Owner\" = 7", "Mixed Case btree (Owner)"),
    case("other schema", "select * from other.things where owner = 7", "things btree (owner)", "things btree (owner) include (id)"),
    # -- more of all kinds
    case("starts_with", "select * from users where starts_with(name, 'name_3999')", "users btree (name text_pattern_ops)", ""),
    case("regex anchored", "select * from users where name ~ '^name_399'", "users btree (name text_pattern_ops)", "users gin (name gin_trgm_ops)"),
    case("group order limit", "select user_id, sum(total) from orders group by user_id order by 2 desc limit 5", "", "orders btree (user_id) include (total)", "orders btree (user_id, total)"),
    case("distinct few", "select distinct driver from trips where kind='bus' and driver < 10", "trips btree (driver)", "trips btree (driver, kind)", "trips btree (kind, driver)", "trips btree (driver) where (kind = 'bus'::text)", "trips btree (driver) include (kind)"),
    case("union", "select id from orders where user_id = 5 union all select id from orders where total = 7", "orders btree (user_id) + orders btree (total)"),
    case("lateral latest", "select t.id, o.at from teams t cross join lateral (select at from orders where user_id = t.id order by at desc limit 1) o where t.id < 50", "orders btree (user_id, at)"),
    case("window", "select * from (select o.*, row_number() over (partition by user_id order by at desc) rn from orders o where user_id = 5) x where rn = 1", "orders btree (user_id)", "orders btree (user_id, at desc)", "orders btree (user_id, at)"),
    case("insert on conflict", "insert into users (team_id, email, country) values (1,'a','x') on conflict (country) do nothing"),
    case("self join", "select c.* from trips p join trips c on c.parent = p.id where p.id = 77", "trips btree (parent)"),
    case("min and max", "select min(km), max(km) from trips", "trips btree (km)"),
    case("boolean common side", "select count(*) from orders where paid"),
    case("exists head of index", "select * from indexed where a = 5 and b = 7"),
    case("needs second column", "select * from indexed where b = 7", "indexed btree (b)"),
    case("array length", "select count(*) from users where cardinality(tags) > 3", "users btree ((cardinality(tags)))", ""),
    case("ne few", "select * from orders where status <> 'done' and total < 500", "orders btree (total)", "orders btree (total) where (status <> 'done'::text)", "orders btree (total) include (status)", "orders btree (total, status)"),
    # -- what came to mind last
    case("skip locked queue", "select id from orders where status = 'pending' and shipped is null order by at for update skip locked limit 5", "orders btree (at) where ((status = 'pending'::text) and (shipped is null))", "orders btree (shipped) where (status = 'pending'::text)", "orders btree (at) where (status = 'pending'::text)", "orders btree (at) where (shipped is null)"),
    case("between dates and equality of text", "select * from log where level = 'warn' and at between '2026-01-02' and '2026-01-02 00:10'", "log btree (at)", "log btree (level, at)"),
    case("not in few", "select * from orders where status not in ('done')", "orders btree (id) where (status <> 'done'::text)", "orders btree (status)", "orders btree (id) where (status <> ALL ('{done}'::text[]))",""),
    case("multi row in", "select * from orders where (user_id, total) in ((5, 9), (6, 10))", "orders btree (user_id, total)", "orders btree (total, user_id)", "orders btree (user_id)", "orders btree (total)","orders btree (user_id) + orders btree (total)"),
    case("two ranges", "select * from orders where total > 9990 and at > '2025-12-31 23:00'", "orders btree (total)", "orders btree (at)", "orders btree (total, at)", "orders btree (at, total)"),
    case("order by two after eq in both desc", "select * from orders where quantity = 3 order by total desc, at desc limit 5", "orders btree (quantity, total, at)", "orders btree (total, at)"),
    case("order by nulls first", "select * from orders order by shipped nulls first limit 5", "orders btree (shipped nulls first)", "orders btree (id) where (shipped is null)", "orders btree (shipped) where (shipped is null)"),
    case("offset page", "select * from orders order by total offset 50 limit 10", "orders btree (total)"),
    case("count distinct", "select count(distinct user_id) from orders", "", "orders btree (user_id)"),
    case("in subquery", "select * from items where order_id in (select id from orders where user_id = 7)", "items btree (order_id) + orders btree (user_id)", "items btree (order_id) + orders btree (user_id) include (id)", "items btree (order_id) + orders btree (user_id, id)"),
    case("scalar subquery", "select u.id, (select count(*) from orders o where o.user_id = u.id) from users u where u.team_id = 9", "orders btree (user_id) + users btree (team_id)", "orders btree (user_id) + users btree (team_id) include (id)", "orders btree (user_id) + users btree (team_id, id)"),
    case("left join where null", "select o.id from orders o left join items i on i.order_id = o.id where o.user_id = 7 and i.id is null", "items btree (order_id) + orders btree (user_id)", "items btree (order_id) + orders btree (user_id) include (id)", "items btree (order_id) + orders btree (user_id, id)", "items btree (order_id, id) + orders btree (user_id)", "items btree (order_id) include (id) + orders btree (user_id)", "items btree (order_id, id) + orders btree (user_id, id)","items btree (order_id) include (id) + orders btree (user_id) include (id)", "items btree (order_id) include (id) + orders btree (user_id, id)"),
    case("full join all", "select count(*) from orders o join items i on i.order_id = o.id", "", "items btree (order_id)"),
    case("upper", "select * from users where upper(name) = 'NAME_5'", "users btree ((upper(name)))"),
    case("concat", "select * from users where name || '-' || email = 'x'", "users btree (((name || '-'::text) || email))", "users btree ((((name || '-'::text) || email)))"),
    case("length", "select * from users where length(name) = 6", "users btree ((length(name)))", ""),
    case("substring prefix", "select * from items where left(sku, 4) = 'sku9' and price = 3", "items btree (price)", "items btree ((\"left\"(sku, 4)), price)", "items btree ((left(sku, 4)), price)", "items btree (price, (\"left\"(sku, 4)))", "items btree (price, (left(sku, 4)))"),
    case("md5", "select * from log where md5(message) = 'abc'", "log btree ((md5(message)))"),
    case("seconds of an instant not immutable", "select * from log where extract(epoch from at) = 1767225700"),
    case("case expr", "select * from orders where (case when paid then total else 0 end) = 4321", "orders btree ((CASE WHEN paid THEN total ELSE 0 END))", "orders btree ((\nCASE\n    WHEN paid THEN total\n    ELSE 0\nEND))"),
    case("bool eq true rare", "select id, total from orders where paid = false and user_id = 5", "orders btree (user_id)", "orders btree (user_id) where (not paid)"),
    case("json arrow eq text", "select * from trips where meta->>'stop' = '77'", "trips btree ((meta ->> 'stop'::text))"),
    case("json two fields", "select * from orders where payload->>'ref' = 'R5' and user_id = 3", "orders btree ((payload ->> 'ref'::text))", "orders btree (user_id, (payload ->> 'ref'::text))", "orders btree ((payload ->> 'ref'::text), user_id)", "orders btree (user_id)"),
    case("jsonpath", "select * from trips where meta @@ '$.stop == 77'", "trips gin (meta jsonb_path_ops)", "trips gin (meta)"),
    case("json exists any", "select * from orders where payload ?| array['rare', 'none']", "orders gin (payload)"),
    case("array contained", "select * from users where tags <@ array['t55']", "users gin (tags)", ""),
    case("array eq element", "select * from users where tags[1] = 't55'", "users btree ((tags[1]))"),
    case("tsvector expr", "select * from users where to_tsvector('english', name) @@ to_tsquery('english', 'name_5')", "users gin ((to_tsvector('english'::regconfig, name)))"),
    case("not like", "select * from users where name not like 'name%'", "", "users btree (id) where (name !~~ 'name%'::text)"),
    case("range of ints", "select * from trips where pair @> 5", "trips gist (pair)", ""),
    case("inet eq", "select * from trips where ip = '10.5.0.7'", "trips btree (ip)"),
    case("nearest with filter", "select * from trips where driver = 5 order by place <-> point(5,5) limit 5", "trips btree (driver)"),
    case("update by join", "update orders o set note = 'y' from users u where u.id = o.user_id and u.email = 'U8@x.org'", "users btree (email) + orders btree (user_id)"),
    case("delete in subquery", "delete from items where order_id in (select id from orders where user_id = 7)", "items btree (order_id) + orders btree (user_id)", "items btree (order_id) + orders btree (user_id, id)", "items btree (order_id) + orders btree (user_id) include (id)"),
    case("delete parent chain", "delete from teams where id = 5", "users btree (team_id)"),
    case("partition other key", "select * from metrics where value = 777", "metrics btree (value)"),
    case("partition pruned latest", "select * from metrics where host = 7 order by at desc limit 1", "metrics btree (host, at)"),
    case("read and write mix", [("select * from orders where user_id = $1", 1000), ("update orders set total = $1 where id = $2", 1000)], "orders btree (user_id)"),
    case("update of indexed col heavy", [("select * from orders where total = 55 ", 1), ("update orders set total = total + 1 where id = $1", 500000)], ""),
    case("two queries order differ", [("select * from orders where user_id = 5 order by at desc limit 3", 10), ("select * from orders where user_id = 5 and at > '2025-12-31'", 10)], "orders btree (user_id, at)"),
    case("three subsets", [("select * from trips where driver = 5", 5), ("select * from trips where driver = 5 and km = 3", 5), ("select * from trips where driver = 5 and km = 3 and parent = 7", 5)], "trips btree (driver)", "trips btree (driver, km)", "trips btree (driver, km, parent)"),
    case("shared leading", [("select * from trips where km = 3 and driver = 5", 5), ("select * from trips where km = 8", 5)], "trips btree (km, driver)", "trips btree (km)", "trips btree (driver) + trips btree (km)"),
    case("budget forces small", "select sum(total) from orders where user_id between 100 and 200", "orders btree (user_id)", budget=900_000),
    case("max two", [("select * from orders where user_id = 5", 10), ("select * from users where email = 'U5@x.org'", 10), ("select * from items where sku = 'sku5'", 1)], "orders btree (user_id) + users btree (email)", most=2),
    case("in many values", "select * from orders where user_id = any(array[1,2,3,4,5])", "orders btree (user_id)"),
    case("cte update", "with d as (delete from items where sku = 'sku7' returning order_id) select count(*) from d", "items btree (sku)"),
    case("values join", "select o.* from (values (1),(2)) v(x) join orders o on o.user_id = v.x", "orders btree (user_id)"),
    case("is distinct", "select * from users where gone is distinct from null and team_id = 9", "users btree (team_id)", "users btree (team_id) where (gone is not null)"),
    case("false constant", "select * from orders where false"),
    case("limit without order", "select * from orders limit 10"),
    case("random order", "select * from orders order by random() limit 10"),
    case("least col agg filter", "select min(at) from orders where status = 'pending'", "orders btree (at) where (status = 'pending'::text)", "orders btree (status, at)"),
    case("covering exists", "select exists (select from items where sku = 'sku77')", "items btree (sku)", ""),
    case("string range", "select * from users where email >= 'U3999' and email < 'U39999'", "users btree (email)"),
    case("mixed case 2 cols", "select \"Note\" from \"Mixed Case\" where \"Owner\" = 7 and \"Note\" = 'n7'", "Mixed Case btree (Note)", "Mixed Case btree (Owner)", "Mixed Case btree (Note, Owner)", "Mixed Case btree (Owner, Note)"),
    # -- conditions that name what is left out, or several constants
    case("all but one state, in order", "select * from jobs where state <> 'done' order by run_at limit 50", "jobs btree (run_at) where (state <> 'done'::job_state)"),
    case("two states, in order", "select * from jobs where state in ('ready', 'failed') order by run_at limit 50", "jobs btree (run_at) where (state = ANY ('{ready,failed}'::job_state[]))"),
    case("no state of two", "select * from jobs where state not in ('done', 'failed') and queue = 'q3'", "jobs btree (queue) where (state <> ALL ('{done,failed}'::job_state[]))"),
    case("a queue in the order of its primary key", "select * from jobs where state = 'running' order by id limit 10", "jobs btree (id) where (state = 'running'::job_state)"),
    # -- arms of an OR
    case("rows in a list", "select * from docs where (tenant, author) in ((3, 40), (7, 90), (9, 400))", "docs btree (author, tenant)", "docs btree (tenant, author)"),
    case("one filter, and either of two", "select * from docs where tenant = $1 and (author = $2 or slug = $3)", "docs btree (tenant, author) + docs btree (tenant, slug)"),
    case("one filter, and a column or a flag", "select * from docs where tenant = $1 and (author = $2 or pinned)", "docs btree (tenant, author) + docs btree (tenant, pinned)"),
    case("a filter and a flag in one arm", "select * from docs where author = $1 or tenant = $2 and pinned", "docs btree (author) + docs btree (tenant, pinned)"),
    # -- an order that the primary key gives already
    case("the newest of a filter, by primary key", "select * from docs where tenant = $1 order by id desc limit 20", "docs btree (tenant, id)"),
    case("greatest primary key of a filter", "select max(id) from docs where author = $1", "docs btree (author, id)"),
    case("primary key alone, the last rows", "select * from docs order by id desc limit 10"),
    # -- keysets
    case("keyset of a tenant", "select * from docs where tenant = $1 and (at, id) < ($2, $3) order by at desc, id desc limit 20", "docs btree (tenant, at, id)", "docs btree (tenant, at)"),
    case("rows after a row, uncounted order", "select * from docs where (at, id) > ('2025-12-31 12:00+00', 500)", "docs btree (at)", "docs btree (at, id)"),
    # -- filters that tell little
    case("what is not deleted, by two columns", "select * from docs where deleted is null and tenant = $1 and slug = $2", "docs btree (slug, tenant)", "docs btree (tenant, slug)"),
    case("a flag of a third beside a filter, in order", "select * from docs where tenant = $1 and open order by at desc limit 20", "docs btree (tenant, open, at)"),
    # -- casts, collations, and what is not immutable
    case("a number as text", "select * from docs where id::text = $1", "docs btree (((id)::text))"),
    case("a uuid that begins with", "select * from docs where ref::text like 'ab12%'", "docs btree (((ref)::text) text_pattern_ops)"),
    case("lower case that begins with", "select tenant from docs where lower(title) like 'title 399%'", "docs btree ((lower(title)) text_pattern_ops)"),
    case("order in another collation", "select * from docs order by title collate ucs_basic limit 20", "docs btree ((title COLLATE ucs_basic))"),
    case("words in the configuration of the session", "select * from docs where to_tsvector(title) @@ to_tsquery('399')"),
    # -- other methods, beside other conditions
    case("document by a path", "select * from docs where meta @? '$.color ? (@ == \"c17\")'", "docs gin (meta jsonb_path_ops)"),
    case("document contained", "select * from docs where meta <@ '{\"color\": \"c17\"}'"),
    case("a filter beside what a range overlaps", "select * from trips where driver = 77 and span && tstzrange('2026-01-05', '2026-01-20')", "trips btree (driver)"),
    case("a filter beside a network", "select * from trips where driver = 77 and ip <<= '10.5.0.0/16'", "trips btree (driver, ip)"),
    case("an address in a network, in words", "select * from trips where ip <<= '10.5.7.0/24'", "trips gist (ip inet_ops)"),
    # -- none
    case("a small table", "select * from tiny where code = 'c5'"),
    case("most rows match", "select * from orders where status = 'done'"),
    case("all rows counted", "select count(*) from users"),
    case("the primary key", "select * from prices where asset = 5 and day = '2020-05-05'"),
    case("the head of an index", "select * from indexed where a = 5"),
]  # fmt: skip
