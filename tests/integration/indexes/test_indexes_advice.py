"""The advisor on a real PostgreSQL with HypoPG: its advice, what it leaves behind, what it takes back."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backstay.errors import WorkloadError
from backstay.indexes import (
    AdviceLimits,
    Index,
    IndexPlan,
    PostgresIndexAdvisor,
    PostgresIndexPlanner,
    Query,
    Refutation,
    Workload,
    WorkloadRecorder,
    record_engine,
    settle,
)
from backstay.indexes.postgres import connect_dsn, connect_pool

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

SCHEMA = """
create table users (id serial primary key, email text not null, name text, status text, at timestamptz,
                    gone timestamptz);
insert into users (email, name, status, at, gone)
select 'U' || i || '@x.org', 'name_' || i, case when i % 50 = 0 then 'banned' else 'active' end,
       timestamptz '2026-01-01' - i * interval '1 minute', case when i % 50 = 1 then now() end
from generate_series(1, 40000) i;
create table orders (id serial primary key, user_id int references users (id), status text, total numeric,
                     at timestamptz, payload jsonb, paid boolean);
insert into orders (user_id, status, total, at, payload, paid)
select 1 + (i::bigint * 7919 % 2000)::int, case when i % 100 = 0 then 'pending' else 'done' end, i % 1000,
       timestamptz '2026-01-01' - i * interval '10 second', jsonb_build_object('k', i % 1000), i % 30 <> 0
from generate_series(1, 100000) i;
create table prices (asset int, day date, close numeric, primary key (asset, day));
insert into prices
select a, date '2020-01-01' + d, a * d from generate_series(1, 100) a, generate_series(1, 300) d;
-- A sample as large as the tables: the same estimates at every run.
set default_statistics_target = 1000;
analyze;
"""


def need(connection_rows: list[str], extension: str) -> None:
    """Skip where an extension cannot be had; fail where it must be there."""
    if extension in connection_rows:
        return
    if extension in os.environ.get("BACKSTAY_REQUIRE", ""):
        pytest.fail(f"BACKSTAY_REQUIRE names {extension}, and this server does not have it")
    pytest.skip(f"this server does not have {extension}")


@asynccontextmanager
async def database(server: str, *extensions: str) -> AsyncIterator[str]:
    admin = await asyncpg.connect(server)
    available = [row["name"] for row in await admin.fetch("select name from pg_available_extensions")]
    for extension in extensions:
        need(available, extension)
    name = f"indexes_{uuid.uuid4().hex[:12]}"
    await admin.execute(f"create database {name}")
    url = f"{server.rpartition('/')[0]}/{name}"
    try:
        connection = await asyncpg.connect(url)
        for extension in extensions:
            await connection.execute(f"create extension {extension}")
        await connection.execute(SCHEMA)
        await connection.close()
        yield url
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


def advisor(url: str) -> PostgresIndexAdvisor:
    return PostgresIndexAdvisor(connect_dsn(url))


def bodies(plan: IndexPlan) -> set[str]:
    return {f"{index.table} {index.body_sql()}".replace('"', "").replace("using ", "") for index in plan.indexes}


_SETTINGS = "select name, setting from pg_settings where name not like 'hypopg%' order by name"
CASES = [
    ("select * from users where email = 'U5@x.org'", {"users btree (email)"}),
    ("select * from users where lower(email) = 'u5@x.org'", {"users btree ((lower(email)))"}),
    ("select * from orders where user_id = 5 order by at desc limit 10", {"orders btree (user_id, at)"}),
    ("select * from orders order by at limit 5", {"orders btree (at)"}),
    ("select * from users order by at desc nulls last limit 5", {"users btree (at desc nulls last)"}),
    ("select max(at) from orders", {"orders btree (at)"}),
    ("select * from orders where not paid and total > 990", {"orders btree (total) where (not paid)"}),
    ("select * from orders where payload @> '{\"k\": 5}'", {"orders gin (payload jsonb_path_ops)"}),
    ("select * from users where name like '%e_39%9'", {"users gin (name gin_trgm_ops)"}),
    ("delete from users where id = 7", {"orders btree (user_id)"}),
    ("select * from orders where user_id = $1", {"orders btree (user_id)"}),
    ("select * from users where id = 5", set()),
    ("select count(*) from users", set()),
    ("select * from prices where asset = 5 and day = '2020-05-05'", set()),
    ("insert into prices values (1000, '2020-01-01', 5)", set()),
]


async def test_one_query_one_index_or_none(postgres_url: str) -> None:
    async with database(postgres_url, "hypopg", "pg_trgm") as url:
        wrong = []
        for sql, expected in CASES:
            plan = await advisor(url).recommend(Workload.of([sql]))
            assert plan.method == "hypopg"
            if bodies(plan) != expected:
                wrong.append((sql, bodies(plan)))
        assert not wrong


async def test_a_workload_within_a_budget(postgres_url: str) -> None:
    async with database(postgres_url, "hypopg", "pg_trgm") as url:
        workload = Workload.of([sql for sql, _ in CASES])
        free = await advisor(url).recommend(workload)
        assert free.cost_after < 0.2 * free.cost_before
        assert free.explains < 300
        tight = await advisor(url).recommend(workload, limits=AdviceLimits(budget_bytes=free.size_bytes / 2))
        assert tight.size_bytes <= free.size_bytes / 2
        assert free.cost_after <= tight.cost_after < tight.cost_before
        assert all(rejection.reason for rejection in tight.rejected)
        # Modelled against real: the set is built and measured.
        report = await PostgresIndexPlanner.from_dsn(url).ensure(free.indexes)
        assert report.ok
        built = {index.name: index.size_bytes for index in await PostgresIndexPlanner.from_dsn(url).indexes()}
        for choice in free.chosen:
            real = built[choice.candidate.index.effective_name]
            if choice.candidate.index.method == "btree" and real > 1 << 18:  # below that pages, not entries, decide
                assert choice.candidate.size_bytes / real == pytest.approx(1.0, abs=0.35), (
                    choice.candidate.definition
                )


async def test_heavy_writes_outweigh_rare_reads(postgres_url: str) -> None:
    async with database(postgres_url, "hypopg") as url:
        read = Query(sql="select * from orders where total = 5 and user_id = 5", calls=1)
        write = Query(sql="insert into orders (user_id) values ($1)", calls=1_000_000)
        assert (await advisor(url).recommend(Workload(queries=(read,)))).chosen
        assert not (await advisor(url).recommend(Workload(queries=(read, write)))).chosen


async def test_a_pooled_connection_is_given_back_as_it_was(postgres_url: str) -> None:
    async with (
        database(postgres_url, "hypopg") as url,
        asyncpg.create_pool(url, min_size=1, max_size=1) as pool,
    ):
        async with pool.acquire() as connection:
            await connection.execute("prepare mine as select 1")
            settings = await connection.fetch(_SETTINGS)
        await PostgresIndexAdvisor(connect_pool(pool)).recommend(
            Workload.of(["select * from orders where user_id = $1", "select 1 where broken"])
        )
        async with pool.acquire() as connection:
            assert await connection.fetchval("select count(*) from hypopg_list_indexes") == 0
            names = await connection.fetch(
                "select name from pg_prepared_statements where name not like '\\_\\_asyncpg%'"
            )
            assert [row["name"] for row in names] == ["mine"]
            assert await connection.fetch(_SETTINGS) == settings


async def test_a_sampled_value_never_becomes_a_predicate(postgres_url: str) -> None:
    async with database(postgres_url, "hypopg") as url:
        query = Query(sql="select * from orders where status = $1 and total > $2", samples=(("pending", 5),))
        plan = await advisor(url).recommend(Workload(queries=(query,)))
        assert plan.chosen
        assert all(index.where is None for index in plan.indexes)


async def test_without_hypopg_rules_take_its_place(postgres_url: str) -> None:
    async with database(postgres_url) as url:
        plan = await advisor(url).recommend(Workload.of(["select * from users where email = 'U5@x.org'"]))
        assert plan.method == "rules"
        assert bodies(plan) == {"users btree (email)"}


async def test_what_cannot_be_planned_is_said(postgres_url: str) -> None:
    async with database(postgres_url) as url:
        with pytest.raises(WorkloadError, match="no_such"):
            await advisor(url).recommend(Workload.of(["select * from no_such"]))
        plan = await advisor(url).recommend(Workload.of(["select * from no_such", "select 1"]))
        assert len(plan.skipped) == 1


async def test_a_bad_index_is_noticed_and_taken_back(postgres_url: str) -> None:
    """The classic: an order that an index serves lures the planner away from the filter it should use."""
    async with database(postgres_url, "hypopg") as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "create table skewed as select i as id, case when i > 395000 then 7 else i % 5 end as kind,"
            "  repeat('x', 100) as filler from generate_series(1, 400000) i;"
            "create index skewed_kind on skewed (kind); analyze skewed"
        )
        query = Query(sql="select * from skewed where kind = 7 order by id limit 20")
        workload = Workload(queries=(query,))
        before = await advisor(url).baseline(workload, run=True)
        bad = Index("skewed", "id")
        await PostgresIndexPlanner.from_dsn(url).ensure([bad])
        verification = await advisor(url).verify(workload, before, run=True)
        assert [timing.query for timing in verification.regressions] == [query.fingerprint]
        plan = IndexPlan.declared(workload, (bad,))
        (report,) = [look async for look in advisor(url).watch(plan, before, looks=1)]
        assert report.rolled_back == (bad.effective_name,)
        assert report.undo[0].startswith("CREATE INDEX")
        assert not (await advisor(url).verify(workload, before, run=True)).regressions
        await connection.close()


LURED = Query(sql="select * from skewed where kind = 7 order by id limit 20")


ONE = AdviceLimits(max_indexes=1)  # the one on users: with one of its own, the other query would not be lured


class Lured(PostgresIndexAdvisor):
    """Advises as the real one does, and on what lures the planner away, until that is refuted."""

    bad = Index("skewed", "id")

    async def recommend(self, workload: Workload, /, *, limits: AdviceLimits | None = None) -> IndexPlan:
        plan = await super().recommend(workload, limits=limits)
        refuted = limits.refuted if limits is not None else ()
        return plan if any(self.bad in each.indexes for each in refuted) else replace(plan, extra=(self.bad,))


@asynccontextmanager
async def lured(
    postgres_url: str, kind: type[Lured] = Lured
) -> AsyncIterator[tuple[Lured, PostgresIndexPlanner, Workload]]:
    async with database(postgres_url, "hypopg") as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "create table skewed as select i as id, case when i > 395000 then 7 else i % 5 end as kind,"
            "  repeat('x', 100) as filler from generate_series(1, 400000) i;"
            "create index skewed_kind on skewed (kind); analyze skewed"
        )
        await connection.close()
        user = Query(sql="select * from users where email = 'U5@x.org'", calls=100_000)
        yield kind(connect_dsn(url)), PostgresIndexPlanner.from_dsn(url), Workload(queries=(LURED, user))


async def test_what_execution_refutes_makes_room_for_other_advice(postgres_url: str) -> None:
    async with lured(postgres_url) as (advisor, planner, workload):
        settled = await settle(advisor, planner, workload, limits=ONE)
        assert [each.refused for each in settled.rounds] == [(Lured.bad,), ()]
        assert settled.standing is settled.rounds[1]
        assert settled.refused == (Lured.bad,)
        assert settled.rounds[0].proof.refuted == (Refutation(query=LURED.fingerprint, indexes=(Lured.bad,)),)
        names = {index.name for index in await planner.indexes()}
        assert "skewed_kind" in names  # which was there before
        assert {index.effective_name for index in settled.standing.kept.indexes} < names
        assert Lured.bad.effective_name not in names


class Stubborn(Lured):
    """Advises on what lures the planner away until that is refused altogether."""

    async def recommend(self, workload: Workload, /, *, limits: AdviceLimits | None = None) -> IndexPlan:
        plan = await PostgresIndexAdvisor.recommend(self, workload, limits=limits)
        refused = limits.refused if limits is not None else ()
        return plan if self.bad in refused else replace(plan, extra=(self.bad,))


async def test_what_was_taken_back_twice_is_refused_altogether(postgres_url: str) -> None:
    async with lured(postgres_url, Stubborn) as (advisor, planner, workload):
        settled = await settle(advisor, planner, workload, limits=ONE)
        assert [each.refused for each in settled.rounds] == [(Lured.bad,), (Lured.bad,), ()]


async def test_what_one_query_refutes_another_may_use(postgres_url: str) -> None:
    """Refuted for the one, an index is not advised where it would use it; for the other it still is."""
    async with database(postgres_url, "hypopg") as url:
        mail = Query(sql="select name from users where email = 'U5@x.org'", calls=1000)
        other = Query(sql="select count(*) from users where email = 'U6@x.org'", calls=1000)
        found = await advisor(url).recommend(Workload(queries=(mail,)))
        (index,) = found.indexes
        refuted = AdviceLimits(refuted=(Refutation(query=mail.fingerprint, indexes=(index,)),))
        again = await advisor(url).recommend(Workload(queries=(mail,)), limits=refuted)
        assert [each.include for each in again.indexes] == [("name",)]  # one that spares it the table
        (free,) = (await advisor(url).recommend(Workload(queries=(other,)), limits=refuted)).indexes
        assert free.keys == index.keys


async def test_when_the_rounds_are_over_the_best_of_them_stands(postgres_url: str) -> None:
    async with lured(postgres_url) as (advisor, planner, workload):
        settled = await settle(advisor, planner, workload, limits=ONE, rounds=1)
        assert [each.refused for each in settled.rounds] == [(Lured.bad,)]
        assert bodies(settled.standing.kept) == {"users btree (email)"}
        assert {index.effective_name for index in settled.standing.kept.indexes} < {
            index.name for index in await planner.indexes()
        }


async def test_the_engine_records_what_it_is_asked(postgres_url: str) -> None:
    async with database(postgres_url) as url:
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
        recorder = WorkloadRecorder()
        stop = record_engine(engine, recorder)
        async with engine.connect() as connection:
            await connection.execute(text("select * from users where email = :email"), {"email": "U5@x.org"})
        stop()
        (query,) = [q for q in recorder.workload().queries if "users" in q.sql]
        assert query.samples == (("U5@x.org",),)
        assert query.seconds > 0
        await engine.dispose()
        assert bodies(await advisor(url).recommend(recorder.workload())) == {"users btree (email)"}
