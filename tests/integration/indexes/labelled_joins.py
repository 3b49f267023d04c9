"""65 statements, or small sets of them, with the indexes that serve them best: joins, partitions, rare conditions.

A case may accept several answers, where they are as good as each other. Alternatives for one place of an answer are
made by `rare` (few rows meet the predicate, so any key will do, and all columns may be covered) and `cover` (a key, and
what may follow it or be included with it).
"""

# ruff: noqa: E501 - a statement reads best on one line

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations, permutations, product
from typing import Any

from .labelled import Case

SCHEMA = """
create extension if not exists hypopg;
create function h(i bigint, salt int, m int) returns int language sql immutable parallel safe as 'select (abs(hashint8extended(i, salt)) % m)::int';
create table countries (code char(2) primary key, name text not null, region text not null);
insert into countries select chr(65 + i / 26) || chr(65 + i % 26), 'Country ' || i, 'region ' || i % 6 from generate_series(0, 199) i;
create table customers (id int primary key, email text not null, country char(2) not null references countries, city text not null, vip boolean not null,
  blocked_at timestamptz, referrer_id int references customers, profile jsonb not null, created timestamptz not null, about text not null);
insert into customers select i, 'User.' || h(i, 1, 1000000) || '.' || i || '@Shop.org', chr(65 + c / 26) || chr(65 + c % 26), 'city ' || h(i, 3, 3000), h(i, 4, 1000) < 5,
  case when h(i, 5, 1000) < 3 then timestamptz '2026-01-01' - h(i, 6, 9000000) * interval '1 second' end, case when i > 10 and h(i, 7, 10) < 3 then 1 + h(i, 8, i - 1) end,
  jsonb_build_object('plan', (array['free', 'basic', 'pro'])[1 + h(i, 9, 3)], 'crm', 'C' || h(i, 10, 100000)), timestamptz '2026-01-01' - h(i, 11, 90000000) * interval '1 second', repeat(md5(i::text), 3)
from (select i, (power(h(i, 2, 10000) / 10000.0, 3) * 200)::int % 200 as c from generate_series(1, 60000) i) x;
create table orders (id int primary key, customer_id int not null references customers, billed_to int not null references customers, status text not null, total int not null,
  placed timestamptz not null, due date not null, shipped date, refunded_at timestamptz, gift boolean not null, channel text not null, meta jsonb not null, note text not null);
insert into orders select i, 1 + (power(h(i, 21, 1000000) / 1000000.0, 1.3) * 59999)::int, 1 + h(i, 22, 60000),
  case when s < 930 then 'done' when s < 985 then 'open' when s < 993 then 'held' when s < 999 then 'failed' else 'fraud' end, 100 + (power(h(i, 24, 1000000) / 1000000.0, 4) * 90000)::int,
  timestamptz '2026-01-01' - (200000 - i) * interval '150 seconds' - h(i, 25, 90000) * interval '1 second', d, case when h(i, 27, 100) > 0 then d + case when h(i, 28, 100) < 3 then 1 + h(i, 29, 9) else -h(i, 30, 6) end end,
  case when h(i, 31, 1000) < 5 then timestamptz '2026-01-01' - h(i, 32, 9000000) * interval '1 second' end, h(i, 33, 1000) < 7, (array['web', 'web', 'web', 'app', 'app', 'phone'])[1 + h(i, 34, 6)],
  jsonb_build_object('ref', 'R' || h(i, 35, 900000), 'coupon', 'X' || h(i, 36, 4000)), repeat(md5(i::text), 3)
from (select i, h(i, 23, 1000) as s, date '2026-01-01' - ((200000 - i) / 600) + h(i, 26, 20) as d from generate_series(1, 200000) i) x;
create table products (id int primary key, sku text not null, name text not null, category int not null, discontinued boolean not null, attrs jsonb not null, about text not null);
insert into products select i, 'SKU-' || h(i, 41, 1000000) || '-' || i, 'Product ' || h(i, 42, 20000), 1 + h(i, 43, 150), h(i, 44, 100) < 1,
  jsonb_build_object('ean', 'E' || h(i, 45, 1000000), 'colour', h(i, 46, 20)), repeat(md5(i::text), 6) from generate_series(1, 20000) i;
create table lines (order_id int not null references orders, line int not null, product_id int not null references products, quantity int not null, price int not null, returned boolean not null, text text not null, primary key (order_id, line));
insert into lines select i, n, 1 + (power(h(i * 4 + n, 51, 1000000) / 1000000.0, 2) * 19999)::int, 1 + h(i * 4 + n, 52, 9), 1 + h(i * 4 + n, 53, 9999), h(i * 4 + n, 54, 1000) < 4, repeat(md5(i::text), 2)
from generate_series(1, 200000) i, generate_series(1, 3) n where n <= 1 + h(i, 55, 3) limit 390000;
create index lines_product on lines (product_id);
create table members (tenant_id int not null, id int not null, email text not null, name text not null, suspended_at timestamptz, primary key (tenant_id, id));
insert into members select 1 + i % 400, 1 + i / 400, 'M' || h(i, 61, 1000000) || '@T' || i % 400 || '.org', 'Name ' || h(i, 62, 9000), case when h(i, 63, 1000) < 4 then timestamptz '2026-01-01' - h(i, 64, 9000000) * interval '1 second' end
from generate_series(0, 39999) i;
create table tickets (tenant_id int not null, id int not null, assignee_id int, reporter_id int not null, parent_id int, state text not null, priority int not null, opened timestamptz not null, closed_at timestamptz,
  escalated boolean not null, title text not null, body text not null, primary key (tenant_id, id));
insert into tickets select t, (row_number() over (partition by t order by i))::int, case when h(i, 71, 10) > 0 then 1 + h(i, 72, 100) end, 1 + h(i, 73, 100), case when h(i, 74, 10) = 0 then 1 + h(i, 75, 150) end,
  case when h(i, 76, 100) < 90 then 'closed' when h(i, 76, 100) < 98 then 'open' else 'waiting' end, h(i, 77, 5), timestamptz '2026-01-01' - (150000 - i) * interval '200 seconds',
  case when h(i, 76, 100) < 90 then timestamptz '2026-01-01' - (150000 - i) * interval '200 seconds' + h(i, 78, 900000) * interval '1 second' end, h(i, 79, 1000) < 5, 'Ticket ' || md5(i::text), repeat(md5(i::text), 4)
from (select i, 1 + (power(h(i, 70, 1000000) / 1000000.0, 2) * 399)::int as t from generate_series(1, 150000) i) x;
create index tickets_assignee on tickets (tenant_id, assignee_id);
create table comments (tenant_id int not null, id int not null, ticket_id int not null, author_id int not null, at timestamptz not null, deleted_at timestamptz, flagged boolean not null, body text not null, primary key (tenant_id, id));
insert into comments select t, (row_number() over (partition by t order by i))::int, 1 + h(i, 81, 370), 1 + h(i, 82, 100), timestamptz '2026-01-01' - (300000 - i) * interval '100 seconds',
  case when h(i, 83, 1000) < 5 then timestamptz '2026-01-01' - h(i, 84, 9000) * interval '1 second' end, h(i, 85, 1000) < 4, repeat(md5(i::text), 4)
from (select i, 1 + (power(h(i, 80, 1000000) / 1000000.0, 2) * 399)::int as t from generate_series(1, 300000) i) x;
create table devices (id int primary key, serial text not null, site int not null, retired_at date, config jsonb not null);
insert into devices select i, 'Dev-' || h(i, 91, 1000000) || '-' || i, 1 + h(i, 92, 500), case when h(i, 93, 1000) < 6 then date '2026-01-01' - h(i, 94, 300) end, jsonb_build_object('fw', '1.' || h(i, 95, 60), 'pad', repeat(md5(i::text), 4)) from generate_series(1, 20000) i;
create table events (id bigint not null, at timestamptz not null, device_id int not null, kind text not null, error text, received timestamptz not null, sent timestamptz not null, acked boolean not null, payload jsonb not null) partition by range (at);
create table events_q1 partition of events for values from ('2025-01-01') to ('2025-04-01');
create table events_q2 partition of events for values from ('2025-04-01') to ('2025-07-01');
create table events_q3 partition of events for values from ('2025-07-01') to ('2025-10-01');
create table events_q4 partition of events for values from ('2025-10-01') to ('2026-01-01');
insert into events select i, a, 1 + h(i, 102, 20000), 'k' || (power(h(i, 103, 1000) / 1000.0, 3) * 30)::int, case when h(i, 104, 1000) < 4 then 'E' || h(i, 105, 40) end, a + h(i, 106, 60) * interval '1 second',
  a + case when h(i, 107, 100) < 2 then h(i, 108, 600) + 61 else -1 end * interval '1 second', h(i, 109, 1000) > 4, jsonb_build_object('trace', 'T' || h(i, 110, 1000000), 'v', h(i, 111, 999), 'pad', md5(i::text))
from (select i, timestamptz '2025-01-01 12:00+00' + i * interval '125 seconds' as a from generate_series(1, 250000) i) x;
create table sessions (user_id int not null, sid int not null, started timestamptz not null, ended timestamptz, suspicious boolean not null, token text not null, agent text not null, primary key (user_id, sid)) partition by hash (user_id);
create table sessions_0 partition of sessions for values with (modulus 3, remainder 0);
create table sessions_1 partition of sessions for values with (modulus 3, remainder 1);
create table sessions_2 partition of sessions for values with (modulus 3, remainder 2);
insert into sessions select 1 + i % 60000, 1 + i / 60000, timestamptz '2026-01-01' - h(i, 121, 9000000) * interval '1 second', case when h(i, 122, 1000) >= 8 then timestamptz '2026-01-01' - h(i, 121, 9000000) * interval '1 second' + interval '1 hour' end,
  h(i, 123, 1000) < 4, 'Tok' || md5(i::text), repeat('agent ' || h(i, 124, 50) || ' ', 6) from generate_series(0, 159999) i;
create table wallets (id int primary key, owner text not null, currency text not null, frozen boolean not null, closed_on date, notes text not null);
insert into wallets select i, 'Owner ' || h(i, 131, 45000), (array['eur', 'eur', 'eur', 'usd', 'usd', 'gbp'])[1 + h(i, 132, 6)], h(i, 133, 1000) < 4, case when h(i, 134, 1000) < 5 then date '2025-12-01' end, repeat(md5(i::text), 3) from generate_series(1, 50000) i;
create table transfers (id int primary key, source_id int not null references wallets, target_id int not null references wallets, approver_id int, amount int not null, fee int not null, booked date not null, valued date not null, failed boolean not null, reversal_of int, memo text not null);
insert into transfers select i, 1 + h(i, 141, 50000), 1 + (power(h(i, 142, 1000000) / 1000000.0, 1.5) * 49999)::int, case when h(i, 143, 1000) < 6 then 1 + h(i, 144, 50) end, 1 + (power(h(i, 145, 1000000) / 1000000.0, 3) * 50000)::int, h(i, 146, 40),
  date '2025-01-01' + i / 600, date '2025-01-01' + i / 600 + case when h(i, 147, 100) < 2 then -1 - h(i, 148, 3) else h(i, 148, 4) end, h(i, 149, 1000) < 4, case when h(i, 150, 1000) < 5 then 1 + h(i, 151, 200000) end, repeat(md5(i::text), 3)
from generate_series(1, 200000) i;
create view returns as select l.* from lines l where l.returned;
create view escalations as select t.tenant_id, t.id, t.title, t.opened, m.name from tickets t join members m on m.tenant_id = t.tenant_id and m.id = t.reporter_id where t.escalated and t.state <> 'closed';
"""


def case(
    name: str, sql: str | list[tuple[str, float]], *accepted: str | list[str], samples: Any = (), **limits: float
) -> Case:
    """A case; the indexes of one answer are parted by `` + ``, none is the empty text. Samples are of the first statement."""
    asked = ((sql, 1.0),) if isinstance(sql, str) else tuple(sql)
    texts = [text for answer in accepted or ("",) for text in ([answer] if isinstance(answer, str) else answer)]
    answers = tuple(dict.fromkeys(frozenset(part for part in text.split(" + ") if part) for text in texts))
    most = limits.get("most")
    return Case(
        name=name,
        sql=asked,
        accepted=answers,
        samples=(tuple(samples),) + ((),) * (len(asked) - 1),
        budget=limits.get("budget"),
        most=None if most is None else int(most),
    )


def index(table: str, keys: tuple[str, ...], include: tuple[str, ...] = (), where: str = "") -> str:
    """The text of one index."""
    tail = f" include ({', '.join(sorted(include))})" if include else ""
    return f"{table} btree ({', '.join(keys)}){tail}" + (f" where ({where})" if where else "")


def cover(table: str, keys: str, *rest: str, where: str = "") -> list[str]:
    """`keys`, and any of the rest after them or included."""
    first = tuple(keys.split(", "))
    found = []
    for count in range(min(len(rest), 3) + 1):
        for more in permutations(rest, count):
            left = [name for name in rest if name not in more]
            for few in range(len(left) + 1):
                found += [index(table, first + more, some, where) for some in combinations(left, few)]
    return found


def rare(table: str, where: str | list[str], *columns: str) -> list[str]:
    """Any of the columns first."""
    return [
        text
        for predicate in ([where] if isinstance(where, str) else where)
        for first in columns
        for text in cover(table, first, *(name for name in columns if name != first), where=predicate)
    ]


def ways(*parts: list[str] | str) -> list[str]:
    """Each way to take one of every part."""
    return [
        " + ".join(p for p in parts_ if p)
        for parts_ in product(*([part] if isinstance(part, str) else part for part in parts))
    ]


DECEMBER = datetime(2025, 12, 1, tzinfo=UTC)
LATE = "due < shipped"


CASES = [
    # -- an expression of the second or third relation
    # The server has no statistics of an expression: half a per cent, 300 customers, whose orders are looked up.
    case("lower email of the second", "select o.id, o.total from orders o join customers c on c.id = o.customer_id where lower(c.email) = 'user.5.77@shop.org'", ways(["customers btree ((lower(email)))", "customers btree ((lower(email))) include (email, id)"], cover("orders", "customer_id", "id", "total"))),
    # Down a chain: customers by the field, their orders, the lines by their primary key.
    case("field of the third", "select l.product_id, l.quantity from lines l join orders o on o.id = l.order_id join customers c on c.id = o.customer_id where c.profile ->> 'crm' = 'C777'", ways("customers btree ((profile ->> 'crm'::text))", cover("orders", "customer_id", "id"))),
    case("lower email by a composite key", "select count(*) from comments m join members p on p.tenant_id = m.tenant_id and p.id = m.author_id where lower(p.email) = 'm5@t7.org'", ways(["members btree ((lower(email)))", "members btree ((lower(email))) include (email, id, tenant_id)"], ["comments btree (tenant_id, author_id)", "comments btree (author_id, tenant_id)"])),
    # The customers are found by their primary key, or hashed.
    case("field of the second", "select c.city, o.id from customers c join orders o on o.customer_id = c.id where o.meta ->> 'ref' = 'R4711'", ways("orders btree ((meta ->> 'ref'::text))", ["", "customers btree (id) include (city)"])),
    # There is an index on lines (product_id); that of the returned ones alone has one row in 250.
    case("field of the second, flag of the first", "select p.name, l.order_id, l.quantity from lines l join products p on p.id = l.product_id where p.attrs ->> 'ean' = 'E5' and l.returned", ways("products btree ((attrs ->> 'ean'::text))", cover("lines", "product_id", "order_id", "quantity", where="returned"))),
    case("hash of the second, composite", "select m.name, t.id from members m join tickets t on t.tenant_id = m.tenant_id and t.reporter_id = m.id where md5(t.title) = '900150983cd24fb0d6963f7d28e17f72'", "tickets btree ((md5(title)))", "tickets btree ((md5(title))) include (id, reporter_id, tenant_id, title)", "tickets btree ((md5(title)), tenant_id, reporter_id) include (id, title)"),
    # 1,400 gifts, of which an index holds all that is asked for; or looked up for each customer of the city.
    case("lower of the first, flag of the second", "select o.id from customers c join orders o on o.billed_to = c.id where lower(c.city) = 'city 77' and o.gift", ways(["customers btree ((lower(city)))", "customers btree ((lower(city))) include (city, id)", "customers btree ((lower(city)), id) include (city)"], rare("orders", "gift", "billed_to", "id"))),
    # The category saves the reading of 20,000 products at most.
    case("field of the second, column of the third", "select o.id from lines l join orders o on o.id = l.order_id join products p on p.id = l.product_id where o.meta ->> 'coupon' = 'X77' and p.category = 5", ways("orders btree ((meta ->> 'coupon'::text))", ["", *cover("products", "category", "id")]), ways("lines btree (product_id) include (order_id)", cover("products", "category", "id"))),
    # -- a rare condition of the second relation
    case("not null in the second", "select c.email, o.id, o.total from customers c join orders o on o.customer_id = c.id where o.refunded_at is not null", ways([*rare("orders", "refunded_at is not null", "customer_id", "id", "total", "refunded_at"), *cover("orders", "refunded_at", "customer_id", "id", "total")], ["", "customers btree (id) include (email)"])),
    case("in what is flagged", "select p.id, p.name from products p where p.id in (select l.product_id from lines l where l.returned and l.quantity = 9)", ways(rare("lines", "returned", "quantity", "product_id"), ["", "products btree (id) include (name)"])),
    case("left join of a rare constant", "select c.id, c.email, o.id from customers c left join orders o on o.customer_id = c.id and o.status = 'fraud' where c.blocked_at is not null", ways(rare("customers", "blocked_at is not null", "id", "email", "blocked_at"), [*rare("orders", "status = 'fraud'::text", "customer_id", "id"), *cover("orders", "status", "customer_id", "id")])),
    # Each lateral look-up meets no more than a row, in order or not; without the predicate three, which are fetched.
    case("lateral over what is not null", "select c.email, x.id, x.placed from customers c cross join lateral (select o.id, o.placed from orders o where o.customer_id = c.id and o.refunded_at is not null order by o.placed desc limit 1) x where c.vip", ways(rare("customers", "vip", "id", "email"), cover("orders", "customer_id", "placed", "id", where="refunded_at is not null"))),
    case("flag and constant in a cte", "with bad as (select t.tenant_id, t.reporter_id from tickets t where t.escalated and t.state = 'open') select m.email, count(*) from members m join bad on bad.tenant_id = m.tenant_id and bad.reporter_id = m.id group by m.email", ways(rare("tickets", ["escalated", "escalated and (state = 'open'::text)", "(state = 'open'::text) and escalated"], "tenant_id", "reporter_id", "state", "id"), ["", "members btree (tenant_id, id) include (email)"])),
    # A third of the rows of orders by channel is much to fetch, and little to read from an index that covers.
    case("flag of a view", "select r.order_id, o.customer_id from returns r join orders o on o.id = r.order_id where o.channel = 'phone'", ways(rare("lines", "returned", "order_id"), ["", *cover("orders", "channel", "id", "customer_id"), *cover("orders", "id", "channel", "customer_id")])),
    case("rare constant, union not null of another", "select id, customer_id from orders where status = 'fraud' union select o.id, c.id from customers c join orders o on o.billed_to = c.id where c.blocked_at is not null", ways([*rare("orders", "status = 'fraud'::text", "id", "customer_id"), *cover("orders", "status", "id", "customer_id")], cover("orders", "billed_to", "id"), rare("customers", "blocked_at is not null", "id", "blocked_at"))),
    case("null and a range in the second", "select c.email, o.id from customers c join orders o on o.customer_id = c.id where o.shipped is null and o.due < '2025-03-01'", ways([*cover("orders", "due", "customer_id", "id", "shipped", where="shipped is null"), *cover("orders", "shipped, due", "customer_id", "id")], ["", "customers btree (id) include (email)"])),
    # -- partitions
    case("range partitions, not null in the second", "select e.id, e.at, d.serial from devices d join events e on e.device_id = d.id where e.error is not null and d.site = 77", ways(rare("events", "error is not null", "device_id", "at", "id"), cover("devices", "site", "id", "serial"))),
    case("range partitions, flag and the key", "select count(*) from events where not acked and at >= '2025-11-01'", rare("events", "not acked", "at")),
    # Any key: five rows.
    case("hash partitions, flag and null", "select s.user_id, s.token from sessions s where s.suspicious and s.ended is null", rare("sessions", ["suspicious and (ended is null)", "(ended is null) and suspicious", "suspicious", "ended is null"], "user_id", "ended", "token", "sid"), "sessions btree (suspicious) where (ended is null)"),
    case("hash partitions, flag in the second", "select c.email, s.started from customers c join sessions s on s.user_id = c.id where c.blocked_at is not null and s.suspicious", ways(rare("customers", "blocked_at is not null", "id", "email", "blocked_at"), rare("sessions", "suspicious", "user_id", "started"))),
    case("range partitions, field of the second", "select d.serial, e.at from devices d join events e on e.device_id = d.id where e.payload ->> 'trace' = 'T4242'", "events btree ((payload ->> 'trace'::text))"),
    # One row in fifty; the server guesses a third.
    case("range partitions, columns compared", "select e.id from events e where e.sent > e.received", rare("events", "received < sent", "id", "received", "sent")),
    case("in the open ones of hash partitions", "select c.id from customers c where c.vip and c.id in (select s.user_id from sessions s where s.ended is null)", ways(rare("customers", "vip", "id"), [*rare("sessions", "ended is null", "user_id", "ended"), "sessions btree (ended, user_id)"])),
    case("range partitions, lower of the first, newest", "select e.id, e.at, e.error from devices d join events e on e.device_id = d.id where lower(d.serial) = 'dev-5-77' order by e.at desc limit 10", ways("devices btree ((lower(serial)))", cover("events", "device_id", "at", "error", "id")), "events btree (at)"),
    # -- composite keys, self-joins, twice the same table
    # 160 members; a partial index on them saves 700 of some 3,000.
    case("composite key to the suspended", "select t.id, t.title, m.name from tickets t join members m on m.tenant_id = t.tenant_id and m.id = t.reporter_id where m.suspended_at is not null", ways(["", *rare("members", "suspended_at is not null", "tenant_id", "id", "name", "suspended_at")], [*cover("tickets", "tenant_id, reporter_id", "id", "title"), *cover("tickets", "reporter_id, tenant_id", "id", "title")])),
    case("children of the escalated of a tenant", "select p.id, p.title, c.id from tickets p join tickets c on c.tenant_id = p.tenant_id and c.parent_id = p.id where p.escalated and p.tenant_id = 12", ways([*rare("tickets", "escalated", "tenant_id", "id", "title"), "tickets btree (tenant_id, escalated)", "tickets btree (escalated, tenant_id)"], [*cover("tickets", "tenant_id, parent_id", "id"), *cover("tickets", "parent_id, tenant_id", "id")])),
    case("both wallets of what failed", "select a.owner, b.owner, t.amount from transfers t join wallets a on a.id = t.source_id join wallets b on b.id = t.target_id where t.failed", ways(rare("transfers", "failed", "source_id", "target_id", "amount", "id"), ["", "wallets btree (id) include (owner)"])),
    # One owner, four transfers to it, and their sources by the primary key: frozen ones need no index.
    case("to an owner, from the frozen", "select t.id, t.amount from transfers t join wallets a on a.id = t.source_id join wallets b on b.id = t.target_id where a.frozen and b.owner = 'Owner 77'", ways(cover("wallets", "owner", "id"), cover("transfers", "target_id", "source_id", "amount", "id"))),
    # Hashed subplans: the transfers are all read, the frozen wallets need not be sought twice.
    case("either wallet frozen", "select count(*) from transfers t where t.source_id in (select id from wallets where frozen) or t.target_id in (select id from wallets where frozen)", ways(rare("wallets", "frozen", "id"), ["", "transfers btree (source_id, target_id)", "transfers btree (target_id, source_id)"])),
    case("flagged comments of escalated tickets", "select c.body from comments c join tickets t on t.tenant_id = c.tenant_id and t.id = c.ticket_id where t.escalated and c.flagged", ways(rare("tickets", "escalated", "tenant_id", "id"), rare("comments", "flagged", "tenant_id", "ticket_id", "body"))),
    case("whom very important customers brought", "select r.email, c.email from customers c join customers r on r.id = c.referrer_id where r.vip", ways(rare("customers", "vip", "id", "email"), ["", *cover("customers", "referrer_id", "email")])),
    # 100 members of a tenant by the primary key cost 200; by name one row. Open tickets are one in ten.
    case("open tickets of a name in a tenant", "select t.id, t.opened, m.email from tickets t join members m on (m.tenant_id, m.id) = (t.tenant_id, t.reporter_id) where t.tenant_id = 3 and t.closed_at is null and m.name = 'Name 55' order by t.opened desc", ways([*cover("tickets", "tenant_id, reporter_id", "opened", "id", "closed_at"), *cover("tickets", "reporter_id, tenant_id", "opened", "id", "closed_at"), *cover("tickets", "tenant_id, reporter_id", "opened", "id", where="closed_at is null"), *cover("tickets", "reporter_id, tenant_id", "opened", "id", where="closed_at is null"), *cover("tickets", "reporter_id", "tenant_id", "opened", "id", where="closed_at is null")], [*cover("members", "name", "tenant_id", "id", "email"), *cover("members", "tenant_id, name", "id", "email")])),
    # -- columns of one row compared
    case("late ones", "select id, customer_id from orders where shipped > due", rare("orders", LATE, "id", "customer_id", "due", "shipped")),
    case("late ones of a channel", "select count(*) from orders where shipped > due and channel = 'phone'", rare("orders", LATE, "channel")),
    case("late ones of the second", "select c.email, o.id from customers c join orders o on o.customer_id = c.id where o.shipped > o.due and c.vip", ways(rare("customers", "vip", "id", "email"), rare("orders", LATE, "customer_id", "id"))),
    case("valued before booked, and failed", "select t.id, t.amount from transfers t where t.valued < t.booked and t.failed", rare("transfers", ["failed", "failed and (valued < booked)", "(valued < booked) and failed", "valued < booked"], "id", "amount", "failed")),
    # Nearly all rows.
    case("not valued before booked", "select id, memo from transfers where valued >= booked"),
    # A comparison of two relations is no predicate of either; 1,200 failed orders, their lines by the primary key.
    case("dearer than its order", "select o.id from orders o join lines l on l.order_id = o.id where l.price > o.total and o.status = 'failed'", ways([*rare("orders", "status = 'failed'::text", "id", "total"), *cover("orders", "status", "id", "total")], ["", "lines btree (order_id, price)", "lines btree (order_id) include (price)"])),
    case("to oneself", "select id, source_id from transfers where source_id = target_id", rare("transfers", "source_id = target_id", "id", "source_id", "target_id")),
    case("update of the late that are open", "update orders set note = 'late' where shipped > due and status = 'open'", rare("orders", [LATE, "(due < shipped) and (status = 'open'::text)", "(status = 'open'::text) and (due < shipped)"], "status"), rare("orders", ["(due < shipped) and (status = 'open'::text)", "(status = 'open'::text) and (due < shipped)"], "id", "due", "shipped")),
    # -- parameters
    case("lower parameter, second relation", "select o.id, o.total from orders o join customers c on c.id = o.customer_id where lower(c.email) = lower($1)", ways(["customers btree ((lower(email)))", "customers btree ((lower(email))) include (email, id)"], cover("orders", "customer_id", "id", "total"))),
    # The samples are rare states; the next one may be 'done'.
    case("sampled states", "select c.email, o.id from customers c join orders o on o.customer_id = c.id where o.status = $1 and o.total > $2", ways([*cover("orders", "status, total", "customer_id", "id"), *cover("orders", "total, status", "customer_id", "id"), *cover("orders", "status", "total", "customer_id", "id")], ["", "customers btree (id) include (email)"]), samples=(("fraud", 50000), ("failed", 80000))),
    case("sampled flag", "select count(*) from lines l join orders o on o.id = l.order_id where l.returned = $1 and o.channel = 'app'", ways(["lines btree (returned) include (order_id)", "lines btree (returned, order_id)", "lines btree (returned)", "lines btree (order_id, returned)"], ["", *cover("orders", "channel", "id"), *cover("orders", "id", "channel")]), samples=((True,),)),
    # The index on (tenant_id, assignee_id) leaves three tickets to fetch.
    case("email parameter, escalated of the first", "select t.id, t.title from tickets t join members m on m.tenant_id = t.tenant_id and m.id = t.assignee_id where t.escalated and t.closed_at is null and m.email = $1", ways(cover("members", "email", "id", "tenant_id"), ["", *rare("tickets", ["escalated", "escalated and (closed_at is null)", "(closed_at is null) and escalated"], "tenant_id", "assignee_id", "id", "closed_at")])),
    case("serial and instant, sampled", "select e.id, e.error from events e join devices d on d.id = e.device_id where d.serial = $1 and e.at >= $2", ways(cover("devices", "serial", "id"), cover("events", "device_id", "at", "error", "id")), samples=(("Dev-5-77", DECEMBER),)),
    case("exists gifts above a parameter", "select c.id from customers c where exists (select from orders o where o.customer_id = c.id and o.gift and o.total > $1) and c.country = $2", ways(rare("orders", "gift", "total", "customer_id"), cover("customers", "country", "id"))),
    # What is not deleted is nearly everything.
    case("comments of a ticket", "select c.id, c.body from comments c where c.tenant_id = $1 and c.ticket_id = $2 and c.deleted_at is null order by c.at desc limit 20", cover("comments", "tenant_id, ticket_id", "at", "deleted_at"), cover("comments", "ticket_id, tenant_id", "at", "deleted_at"), samples=((7, 30),)),
    case("in a field's products, sampled", "select l.order_id, l.quantity from lines l where l.product_id in (select p.id from products p where p.attrs ->> 'ean' = $1)", ways("products btree ((attrs ->> 'ean'::text))", ["", "lines btree (product_id) include (order_id, quantity)"]), samples=(("E77",),)),
    # -- none
    case("most of a join", "select o.id, o.note, c.about from customers c join orders o on o.customer_id = c.id where lower(c.country) <> 'ab' and o.status = 'done'"),
    case("a sixth of a small table", "select n.name, c.* from customers c join countries n on n.code = c.country where n.region = 'region 3'"),
    case("a primary key's first column", "select o.*, c.email from lines l join orders o on o.id = l.order_id join customers c on c.id = o.customer_id where l.order_id = 777 and l.returned"),
    case("an index serves", "select t.* from members m join tickets t on t.tenant_id = m.tenant_id and t.assignee_id = m.id where m.tenant_id = 5 and m.id = 9"),
    case("the common side of a flag, partitioned", "select e.id, e.payload, d.config from devices d join events e on e.device_id = d.id where e.acked and d.retired_at is null"),
    case("the common sides, hash partitions", "select s.agent, s.token, c.about from sessions s join customers c on c.id = s.user_id where s.ended is not null and not s.suspicious"),
    case("composite primary keys", "select m.*, t.id, t.title from tickets t join members m on m.tenant_id = t.tenant_id and m.id = t.reporter_id where t.tenant_id = 390 and t.id = 7 and lower(m.name) like 'n%'"),
    case("anti join of all", "select o.* from orders o left join customers c on c.id = o.customer_id where c.id is null"),
    case("a memo once, a million transfers", [("select * from transfers where memo = $1", 1), ("insert into transfers (id, source_id, target_id, amount, fee, booked, valued, failed, memo) values ($1, $2, $3, $4, 0, current_date, current_date, false, $5)", 1_000_000)]),
    # -- several statements
    case("one for three", [("select c.email, o.id from customers c join orders o on o.customer_id = c.id where c.vip", 5), ("select * from orders where customer_id = $1", 100), ("select count(*) from orders where customer_id = $1 and refunded_at is null", 20)], cover("orders", "customer_id", "id", "refunded_at"), most=1),
    case("gifts by total, joined and in order", [("select o.id, c.email from customers c join orders o on o.customer_id = c.id where o.gift and o.total > 60000", 10), ("select o.id, o.total from orders o where o.gift order by o.total desc limit 20", 50)], cover("orders", "total", "customer_id", "id", where="gift")),
    case("the two that are asked for", [("select a.owner, t.amount from transfers t join wallets a on a.id = t.source_id where t.failed", 1), ("select * from wallets where owner = $1", 1000), ("select w.owner, t.amount from wallets w join transfers t on t.target_id = w.id where w.id = $1", 500)], ways(cover("wallets", "owner"), cover("transfers", "target_id", "amount")), most=2),
    case("comments by ticket, three times", [("select * from comments where tenant_id = $1 and ticket_id = $2", 100), ("select count(*) from comments c join tickets t on t.tenant_id = c.tenant_id and t.id = c.ticket_id where t.tenant_id = $1 and t.escalated", 10), ("select * from comments where tenant_id = $1 and ticket_id = $2 order by at desc limit 5", 100)], cover("comments", "tenant_id, ticket_id", "at"), cover("comments", "ticket_id, tenant_id", "at"), most=1),
    # 1,000 errors in four small indexes; all devices would be some megabytes.
    case("little space in partitions", [("select e.id from events e where e.error is not null and e.device_id = $1", 100), ("select count(*) from events where device_id = $1 and at > $2", 1)], cover("events", "device_id", "id", "at", where="error is not null"), budget=400_000),
    case("an expression for three", [("select o.* from orders o join customers c on c.id = o.customer_id where lower(c.email) = $1", 10), ("select id, city from customers where lower(email) = $1", 100), ("update customers set about = $1 where lower(email) = $2", 10)], "customers btree ((lower(email)))", "customers btree ((lower(email))) include (city, email, id)", most=1),
    case("late ones, counted and joined", [("select count(*) from orders where shipped > due and placed > '2025-12-01'", 20), ("select o.id from orders o join customers c on c.id = o.customer_id where o.shipped > o.due and c.country = 'DH'", 5)], rare("orders", LATE, "placed", "customer_id", "id"), most=1),
    case("a token often, a flag seldom", [("select * from sessions where token = $1", 1000), ("select count(*) from sessions where suspicious and started > '2025-12-25'", 1)], ways("sessions btree (token)", rare("sessions", "suspicious", "started"))),
]  # fmt: skip
