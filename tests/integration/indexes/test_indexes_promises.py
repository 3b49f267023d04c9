"""What advice promises is what the server's own estimate says once the advised indexes are built."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import pytest

from backstay.indexes import PostgresIndexAdvisor, PostgresIndexPlanner, Workload
from backstay.indexes.postgres import connect_dsn

from .test_indexes_advice import bodies, database

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

SHOP = """
create table customers (id int primary key, email text not null, region int not null)
    with (autovacuum_enabled = off);
insert into customers select i, 'User' || i || '@x.org', i % 400 from generate_series(1, 30000) i;
create table orders (id int primary key, customer_id int not null, disputed date, due date not null,
    shipped date not null, total int not null, note text not null) with (autovacuum_enabled = off);
insert into orders select i, 1 + abs(hashint4(i)) % 30000, case when i % 200 = 0 then date '2026-01-01' end,
    date '2025-01-01' + i % 365, date '2025-01-01' + i % 365 + case when i % 30 = 0 then 3 else -2 end,
    i * 31 % 9973, repeat('x', 80) from generate_series(1, 200000) i;
create table lines (order_id int not null, line int not null, quantity int not null, note text not null,
    primary key (order_id, line)) with (autovacuum_enabled = off);
insert into lines select 1 + i / 2, i % 2, i % 9, repeat('x', 200) from generate_series(0, 399999) i;
create table events (at date not null, failed date, level int not null, note text not null)
    partition by range (at);
create table events_1 partition of events for values from ('2025-01-01') to ('2025-07-01')
    with (autovacuum_enabled = off);
create table events_2 partition of events for values from ('2025-07-01') to ('2026-01-02')
    with (autovacuum_enabled = off);
insert into events select date '2025-01-01' + i % 360, case when i % 200 = 0 then date '2026-01-01' end,
    i % 5000, repeat('x', 60) from generate_series(1, 200000) i;
set default_statistics_target = 1000;
"""
# What holds of rows in their order on disk is only known once the server has looked, and not from within SHOP.
SETTLED = ("vacuum analyze customers", "vacuum analyze orders", "vacuum analyze lines", "vacuum analyze events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A statement, and what must be among the advice for it."""

    name: str
    sql: str
    advised: str


PROMISES = [
    Promise(
        name="looked up again and again",
        sql="select o.note from customers c join orders o on o.customer_id = c.id where c.region = 7",
        advised="orders btree (customer_id)",
    ),
    Promise(
        name="a whole index read in order",
        sql="select order_id, sum(quantity) from lines group by order_id having sum(quantity) > 14",
        advised="lines btree (order_id) include (quantity)",
    ),
    Promise(
        name="a range of a covering index",
        sql="select due, sum(total) from orders where due between '2025-03-01' and '2025-06-01' group by due",
        advised="orders btree (due) include (total)",
    ),
    Promise(
        name="an expression of the second relation",
        sql="select o.note from orders o join customers c on c.id = o.customer_id"
        " where lower(c.email) = 'user7@x.org'",
        advised="customers btree ((lower(email))",
    ),
    Promise(
        name="an expression of the second relation, compared with a parameter",
        sql="select o.note from orders o join customers c on c.id = o.customer_id"
        " where o.total > $1 and lower(c.email) = $2",
        advised="customers btree ((lower(email))",
    ),
    Promise(
        name="a predicate on the second relation",
        sql="select c.email, o.note from customers c join orders o on o.customer_id = c.id"
        " where o.disputed is not null and o.total > 9900",
        advised="orders btree (total) where (disputed is not null)",
    ),
    Promise(
        name="a predicate on the relation of a subquery",
        sql="select c.id from customers c where exists (select 1 from orders o"
        " where o.customer_id = c.id and o.disputed is not null and o.total > 9900 and o.note like '%x')",
        advised="orders btree (total) where (disputed is not null)",
    ),
    Promise(
        name="a predicate on a partitioned table",
        sql="select note from events where failed is not null and level > 4900",
        advised="events btree (level) where (failed is not null)",
    ),
]


async def shop(url: str) -> None:
    connection = await asyncpg.connect(url)
    for sql in (f"drop table users, orders, prices cascade; {SHOP}", *SETTLED):
        await connection.execute(sql)
    await connection.close()


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
async def test_the_promise_is_kept_once_the_index_is_built(postgres_url: str, promise: Promise) -> None:
    async with database(postgres_url, "hypopg") as url:
        await shop(url)
        advisor, load = PostgresIndexAdvisor(connect_dsn(url)), Workload.of([promise.sql])
        plan = await advisor.recommend(load)
        assert [body for body in bodies(plan) if body.startswith(promise.advised)]
        await PostgresIndexPlanner.from_dsn(url).ensure(plan.indexes)
        ((_, cost),) = (await advisor.baseline(load)).costs
    assert plan.cost_after == pytest.approx(cost, rel=0.1, abs=10)


async def test_columns_of_a_row_that_are_compared_with_each_other_make_a_predicate(postgres_url: str) -> None:
    """A row meets it or not, whatever is asked for. The server guesses that every third does; here every 30th."""
    async with database(postgres_url, "hypopg") as url:
        await shop(url)
        advisor = PostgresIndexAdvisor(connect_dsn(url))
        tables = "customers c join orders o on o.customer_id = c.id"
        load = Workload.of([f"select c.email, o.note from {tables} where o.shipped > o.due"])
        plan = await advisor.recommend(load)
        (index,) = [index for index in plan.indexes if index.table == "orders"]
        (choice,) = [choice for choice in plan.chosen if choice.candidate.index == index]
        assert index.where == '"due" < "shipped"'
        await PostgresIndexPlanner.from_dsn(url).ensure(plan.indexes)
        ((_, cost),) = (await advisor.baseline(load)).costs
        (built,) = [i for i in await PostgresIndexPlanner.from_dsn(url).indexes() if i.name == index.effective_name]
    assert cost <= plan.cost_after
    assert choice.candidate.size_bytes == pytest.approx(built.size_bytes, rel=0.25)


async def test_a_plan_that_the_server_cannot_print_ends_no_advice(postgres_url: str) -> None:
    """An expression is shown to it as one of the subquery that comes first, which has no such column."""
    async with database(postgres_url, "hypopg") as url:
        await shop(url)
        due = (
            "select extract(year from o.due) as year, o.total from customers c, orders o where o.customer_id = c.id"
        )
        narrow = "c.region = 7 and o.due between '2025-03-01' and '2025-06-01'"
        load = Workload.of([f"select year, sum(total) from ({due} and {narrow}) as s group by year order by year"])
        plan = await PostgresIndexAdvisor(connect_dsn(url)).recommend(load)
    assert plan.cost_after < plan.cost_before / 10


async def test_a_parameter_prunes_no_partition(postgres_url: str) -> None:
    """An open plan is executed with NULLs, for which the server finds that no partition has a row."""
    async with database(postgres_url, "hypopg") as url:
        await shop(url)
        load = Workload.of(["select note from events where level = $1 and at >= $2"])
        plan = await PostgresIndexAdvisor(connect_dsn(url)).recommend(load)
    assert bodies(plan) & {"events btree (level, at)", "events btree (level)"}
