"""The application that the advisor is measured on: seven tables, 4.7 million rows, 32 weighted statements.

Every generator is a formula of the row's number, so that each run asks the same of the same rows.
"""

# ruff: noqa: E501 - a statement reads best on one line

from __future__ import annotations

from backstay.indexes import Query, Workload

SCHEMA = """
create table users (id int primary key, email text not null, username text not null, status text not null,
  created_at timestamptz not null, deleted_at timestamptz, avatar text);
create table sessions (id int primary key, user_id int not null references users, token_hash text not null,
  expires_at timestamptz not null, revoked boolean not null, user_agent text not null);
create table assets (id int primary key, symbol text not null, kind text not null, rank int not null);
create table prices (id int primary key, asset_id int not null references assets, day date not null,
  close numeric(10, 2) not null);
create table orders (id int primary key, user_id int not null references users, asset_id int not null references assets,
  status text not null, total numeric(10, 2) not null, created_at timestamptz not null, paid boolean not null,
  note text not null);
create table events (id int primary key, order_id int not null references orders, user_id int not null, type text not null,
  at timestamptz not null, payload jsonb not null);
create table notifications (id int primary key, user_id int not null references users, created_at timestamptz not null,
  is_read boolean not null, message text not null);
insert into users select i, 'User' || i || '@example.org', 'user_' || i, case when i % 40 = 0 then 'banned' else 'active' end,
  timestamptz '2026-01-01' - i * interval '3 minutes', case when i % 50 = 0 then timestamptz '2026-01-01' end,
  'https://static.example.org/avatars/' || md5(i::text) from generate_series(1, {users}) i;
insert into sessions select i, 1 + (i::bigint * 7919 % {users})::int, md5(i::text), timestamptz '2026-01-01' + (i::bigint * 31 % 40000) * interval '1 minute',
  i % 10 <> 0, 'Mozilla/5.0 (X11; Linux x86_64; rv:' || i % 90 || '.0) Gecko/20100101 Firefox/' || i % 90 from generate_series(1, {users}) i;
insert into assets select i, 'SYM' || i, (array['stock', 'bond', 'fund', 'coin'])[1 + i % 4], (i::bigint * 97 % 5000)::int
  from generate_series(1, 5000) i;
insert into prices select i + 1, 1 + i % 5000, date '2025-01-01' + i / 5000, 10 + (i::bigint * 131 % 99991) / 100.0
  from generate_series(0, {prices} - 1) i;
insert into orders select i, 1 + (i::bigint * 7919 % {users})::int, 1 + (i::bigint * 104729 % 5000)::int,
  case when i % 100 = 0 then 'pending' when i % 7 = 0 then 'failed' else 'done' end, (i::bigint * 7907 % 500000) / 100.0,
  timestamptz '2026-01-01' - i * interval '20 seconds', i % 30 <> 0, 'placed by the customer in the web shop, order ' || i from generate_series(1, {orders}) i;
insert into events select i, 1 + (i::bigint * 15485863 % {orders})::int, 1 + (i::bigint * 104729 % {users})::int, 'type_' || i % 12,
  timestamptz '2026-01-01' - i * interval '10 seconds', jsonb_build_object('k', i % 20000, 'source', 'web', 'page', i % 50) from generate_series(1, {events}) i;
insert into notifications select i, 1 + (i::bigint * 6700417 % {users})::int, timestamptz '2026-01-01' - i * interval '30 seconds',
  i % 12 <> 0, 'The price of an asset that you follow has moved by ' || i % 100 || ' percent' from generate_series(1, {notifications}) i;
"""
ROWS = {"users": 200_000, "prices": 1_500_000, "orders": 900_000, "events": 1_100_000, "notifications": 700_000}
INSERT = """insert into orders select 100000000 + i, 1 + i % 1000, 1 + i % 1000, 'done', i % 5000, now(), true, 'note'
from generate_series(1, 5000) i"""


def _users(n: int) -> int:
    return 1 + n * 7919 % 200_000


def _day(n: int) -> str:
    return f"2025-{1 + n % 10:02d}-{1 + n * 7 % 28:02d}"


# Weight (calls), statement, and the parameters of the n-th call.
QUERIES = [
    (300, "select * from users where email = $1", lambda n: (f"User{_users(n)}@example.org",)),
    (40, "select id, status from users where lower(email) = $1", lambda n: (f"user{_users(n)}@example.org",)),
    (150, "select * from users where username = $1", lambda n: (f"user_{_users(n)}",)),
    (5, "select * from users where status = 'banned' order by created_at desc limit 20", None),
    (2, "select count(*) from users where deleted_at is not null", None),
    (2, "select count(*) from users where created_at >= $1::timestamptz and created_at < $1::timestamptz + interval '1 day'", lambda n: (_day(n),)),
    (900, "select user_id, expires_at from sessions where token_hash = md5($1)", lambda n: (str(_users(n)),)),
    (60, "select id from sessions where user_id = $1 and not revoked", lambda n: (_users(n),)),
    (3, "select count(*) from sessions where expires_at < $1", lambda n: (f"2026-01-01 {n % 12:02d}:10:00+00",)),
    (400, "select id, kind from assets where symbol = $1", lambda n: (f"SYM{1 + n * 37 % 5000}",)),
    (50, "select symbol from assets where kind = $1 order by rank limit 20", lambda n: (("stock", "bond", "fund", "coin")[n % 4],)),
    (800, "select close from prices where asset_id = $1 and day = $2", lambda n: (1 + n * 41 % 5000, _day(n))),
    (300, "select day, close from prices where asset_id = $1 order by day desc limit 30", lambda n: (1 + n * 43 % 5000,)),
    (100, "select avg(close) from prices where asset_id = $1 and day between $2::date and $2::date + 60", lambda n: (1 + n * 47 % 5000, _day(n))),
    (10, "select max(close) from prices where day = $1", lambda n: (_day(n),)),
    (10, "select a.symbol, p.close from assets a join prices p on p.asset_id = a.id where a.symbol = $1 and p.day > $2", lambda n: (f"SYM{1 + n * 53 % 5000}", _day(n))),
    (400, "select id, status, total, created_at from orders where user_id = $1 order by created_at desc limit 10", lambda n: (_users(n),)),
    (30, "select * from orders where status = 'pending' and created_at > $1", lambda n: (f"2025-12-{20 + n % 10} 00:00+00",)),
    (10, "select sum(total) from orders where not paid and created_at > $1", lambda n: (f"2025-12-{10 + n % 10} 00:00+00",)),
    (40, "select a.symbol, sum(o.total) from orders o join assets a on a.id = o.asset_id where o.user_id = $1 group by a.symbol", lambda n: (_users(n),)),
    (60, "select id, total from orders where asset_id = $1 order by created_at desc limit 20", lambda n: (1 + n * 59 % 5000,)),
    (3, "select status, count(*) from orders where created_at > $1 group by status", lambda n: (f"2025-12-{25 + n % 5} 00:00+00",)),
    (5, "select id, total from orders order by total desc limit 10", None),
    (300, "select * from orders where id = $1", lambda n: (_users(n),)),
    (120, "select type, at from events where order_id = $1 order by at", lambda n: (_users(n),)),
    (60, "select e.type, e.at from events e join orders o on o.id = e.order_id where o.user_id = $1", lambda n: (_users(n),)),
    (40, "select count(*) from events where user_id = $1 and type = $2", lambda n: (_users(n), f"type_{n % 12}")),
    (5, "select * from events order by at desc limit 50", None),
    (2, "select type, count(*) from events where at > $1 group by type", lambda n: (f"2025-12-{28 + n % 3} 00:00+00",)),
    (10, "select id, order_id from events where payload @> $1", lambda n: (f'{{"k": {n * 61 % 20000}}}',)),
    (500, "select count(*) from notifications where user_id = $1 and not is_read", lambda n: (_users(n),)),
    (200, "select id, created_at from notifications where user_id = $1 order by created_at desc limit 20", lambda n: (_users(n),)),
]  # fmt: skip


def workload(first: int = 1) -> Workload:
    """The statements with five parameter sets each; another `first` gives other values."""
    return Workload(
        queries=tuple(
            Query(
                sql=sql,
                calls=calls,
                samples=() if values is None else tuple(values(n) for n in range(first, first + 5)),
            )
            for calls, sql, values in QUERIES
        )
    )
