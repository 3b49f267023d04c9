"""How good, how frugal and how truthful the advice is, on an application's schema of 1.6 million rows.

    python benchmarks/indexes/app_workload.py postgresql://postgres@127.0.0.1:5432/postgres [scale]

Prints one JSON object: estimated cost with the advice *really built* over the cost without, the same for other
parameter values, measured time, sizes modelled and built, plans asked for, seconds, and the cost of inserts.
"""

# ruff: noqa: E501 - a statement reads best on one line

from __future__ import annotations

import asyncio
import json
import sys
import time

import asyncpg

from backstay.indexes import AdviceLimits, PostgresIndexAdvisor, PostgresIndexPlanner, Query, Workload
from backstay.indexes.postgres import connect_dsn

NAME = "indexes_bench"
SCHEMA = """
create table users (id int primary key, email text, username text, status text, created_at timestamptz, deleted_at timestamptz);
create table assets (id int primary key, symbol text, kind text);
create table prices (id int primary key, asset_id int references assets, day date, close numeric);
create table orders (id int primary key, user_id int references users, asset_id int references assets, status text,
  total numeric, created_at timestamptz, paid boolean);
create table events (id int primary key, user_id int, order_id int references orders, type text, at timestamptz, payload jsonb);
insert into users select i, 'User' || i || '@example.org', 'user_' || i, case when i % 40 = 0 then 'banned' else 'active' end,
  timestamptz '2026-01-01' - i * interval '3 minutes', case when i % 50 = 0 then now() end from generate_series(1, {s} * 1000) i;
insert into assets select i, 'S' || i, (array['stock', 'bond', 'fund'])[1 + i % 3] from generate_series(1, 1000) i;
insert into prices select i, 1 + i % 1000, date '2020-01-01' + i / 1000, (i % 977) / 7.0 from generate_series(0, {s} * 6000 - 1) i;
insert into orders select i, 1 + (i::bigint * 7919 % ({s} * 1000))::int, 1 + i % 1000,
  case when i % 100 = 0 then 'pending' else 'done' end, i % 5000, timestamptz '2026-01-01' - i * interval '20 seconds', i % 30 <> 0
  from generate_series(1, {s} * 4000) i;
insert into events select i, 1 + (i::bigint * 104729 % ({s} * 1000))::int, 1 + i % ({s} * 4000),
  'type_' || i % 12, timestamptz '2026-01-01' - i * interval '10 seconds', jsonb_build_object('k', i % 2000)
  from generate_series(1, {s} * 5000) i;
"""
# weight, statement, one value, another value
QUERIES = [
    (500, "select * from users where email = $1", "User77@example.org", "User78@example.org"),
    (300, "select id from users where lower(email) = $1", "user99@example.org", "user98@example.org"),
    (200, "select * from users where username = $1", "user_123", "user_321"),
    (20, "select * from users where status = 'banned' order by created_at desc limit 20", None, None),
    (10, "select count(*) from users where deleted_at is not null", None, None),
    (900, "select close from prices where asset_id = $1 and day = $2", (5, "2020-03-01"), (6, "2020-02-01")),
    (400, "select day, close from prices where asset_id = $1 order by day desc limit 30", 7, 8),
    (40, "select avg(close) from prices where day = $1", "2020-02-02", "2020-03-03"),
    (300, "select * from assets where symbol = $1", "S5", "S6"),
    (500, "select * from orders where user_id = $1 order by created_at desc limit 10", 11, 12),
    (60, "select * from orders where status = 'pending' and created_at > $1", "2025-12-30", "2025-12-31"),
    (30, "select sum(total) from orders where not paid and created_at > $1", "2025-12-30", "2025-12-31"),
    (50, "select a.symbol, sum(o.total) from orders o join assets a on a.id = o.asset_id where o.user_id = $1 group by 1", 5, 6),
    (120, "select e.* from events e join orders o on o.id = e.order_id where o.user_id = $1", 42, 43),
    (100, "select * from events where order_id = $1 order by at", 17, 18),
    (80, "select count(*) from events where user_id = $1 and type = $2", (9, "type_3"), (8, "type_4")),
    (20, "select * from events where payload @> $1", '{"k": 9}', '{"k": 8}'),
    (10, "select * from events order by at desc limit 50", None, None),
    (5, "select type, count(*) from events where at > $1 group by type", "2025-12-31", "2025-12-30"),
    (400, "select * from orders where id = $1", 5, 6),
]  # fmt: skip
INSERT = """insert into orders select 100000000 + i, 1 + i % 1000, 1 + i % 1000, 'done', i % 5000, now(), true
from generate_series(1, 5000) i"""


def workload(which: int) -> Workload:
    queries = []
    for weight, sql, *values in QUERIES:
        value = values[which]
        sample = () if value is None else value if isinstance(value, tuple) else (value,)
        queries.append(Query(sql=sql, calls=weight, samples=(sample,) if sample else ()))
    return Workload(queries=tuple(queries))


async def insert_seconds(connection: asyncpg.Connection) -> float:
    taken = []
    for _ in range(3):
        transaction = connection.transaction()
        await transaction.start()
        began = time.perf_counter()
        await connection.execute(INSERT)
        taken.append(time.perf_counter() - began)
        await transaction.rollback()
    return sorted(taken)[1]


def weighted(pairs: tuple[tuple[str, float], ...], load: Workload) -> float:
    weights = {query.fingerprint: query.calls for query in load.queries}
    return sum(weights[name] * value for name, value in pairs)


async def main(server: str, scale: int) -> dict[str, object]:
    admin = await asyncpg.connect(server)
    await admin.execute(f"drop database if exists {NAME} with (force)")
    await admin.execute(f"create database {NAME}")
    url = f"{server.rpartition('/')[0]}/{NAME}"
    connection = await asyncpg.connect(url)
    await connection.execute("create extension if not exists hypopg")
    await connection.execute(SCHEMA.format(s=scale))
    await connection.execute("vacuum analyze")
    advisor, planner = PostgresIndexAdvisor(connect_dsn(url)), PostgresIndexPlanner.from_dsn(url)
    size = await connection.fetchval("select pg_database_size(current_database())")
    seen, other = workload(0), workload(1)
    before, before_other = await advisor.baseline(seen), await advisor.baseline(other)
    timed = await advisor.baseline(other, run=True)
    inserted = await insert_seconds(connection)
    began = time.perf_counter()
    plan = await advisor.recommend(seen, limits=AdviceLimits(budget_bytes=size * 0.24))
    seconds = time.perf_counter() - began
    await planner.ensure(plan.indexes)
    await connection.execute("analyze")
    built = {index.name: index.size_bytes for index in await planner.indexes()}
    after, after_other = await advisor.baseline(seen), await advisor.baseline(other, run=True)
    slower = (await advisor.verify(other, timed, run=True)).regressions
    real = {c.candidate.index.effective_name: built[c.candidate.index.effective_name] for c in plan.chosen}
    result = {
        "database_mb": round(size / 2**20),
        "indexes": [choice.candidate.definition for choice in plan.chosen],
        "budget_mb": round(size * 0.24 / 2**20),
        "modelled_mb": round(plan.size_bytes / 2**20, 1),
        "built_mb": round(sum(real.values()) / 2**20, 1),
        "size_ratio_worst": [
            round(f(c.candidate.size_bytes / real[c.candidate.index.effective_name] for c in plan.chosen), 2)
            for f in (min, max)
        ],
        "estimated_cost_ratio": round(weighted(after.costs, seen) / weighted(before.costs, seen), 4),
        "other_values_cost_ratio": round(
            weighted(after_other.costs, other) / weighted(before_other.costs, other), 4
        ),
        "measured_time_ratio": round(weighted(after_other.seconds, other) / weighted(timed.seconds, other), 4),
        "slower_than_1.15": len(slower),
        "explains": plan.explains,
        "advise_seconds": round(seconds, 2),
        "insert_ratio": round(await insert_seconds(connection) / inserted, 2),
    }
    await connection.close()
    await admin.execute(f"drop database {NAME} with (force)")
    await admin.close()
    return result


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100)), indent=2))
