"""What goes wrong while an index is built on a live PostgreSQL, and what `ensure` makes of it."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backstay.errors import IndexBuildFailed, IndexBuildTimeout, IndexServerUnavailable
from backstay.events import Emitter, Event
from backstay.indexes import (
    Action,
    EnsureOptions,
    Gate,
    Index,
    PostgresIndexPlanner,
    Status,
    create_all_indexes,
    planner_for,
)
from backstay.indexes.events import IndexBuildStarted, IndexBuildWaiting

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

BY_A = Index("t", "a", name="t_a")
QUICK = EnsureOptions(lock_timeout=0.3, retries=1)


@dataclass
class Place:
    url: str
    connection: asyncpg.Connection
    events: list[Event] = field(default_factory=list)

    @property
    def planner(self) -> PostgresIndexPlanner:
        return PostgresIndexPlanner.from_dsn(self.url, emitter=Emitter([self.events.append]))

    async def status(self, index: Index = BY_A) -> Status:
        return (await self.planner.diff([index])).comparisons[0].status

    async def other(self, **settings: str) -> asyncpg.Connection:
        return await asyncpg.connect(self.url, server_settings=settings)

    async def until(self, condition: str) -> None:
        """Wait until an SQL condition holds."""
        async with asyncio.timeout(20):
            while not await self.connection.fetchval(f"select {condition}"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _database(server: str) -> AsyncIterator[str]:
    name = f"indexes_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"create database {name}")
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


@asynccontextmanager
async def _place(server: str, rows: int = 1000) -> AsyncIterator[Place]:
    async with _database(server) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("create table t (id int primary key, a int, b text)")
        await connection.execute(f"insert into t select i, i % 100, 'x' || i from generate_series(1, {rows}) i")
        try:
            yield Place(url, connection)
        finally:
            await connection.close()


async def _leave_invalid(place: Place) -> None:
    """An invalid t_a, made the way the world makes them: a unique build that failed is renamed to a plain
    one.
    """
    with pytest.raises(asyncpg.UniqueViolationError):
        await place.connection.execute("create unique index concurrently t_a on t (a)")


async def test_an_invalid_leftover_is_rebuilt(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        await _leave_invalid(place)
        assert await place.status() is Status.INVALID
        report = await place.planner.ensure([BY_A])
        assert [outcome.action for outcome in report.outcomes] == [Action.REBUILT]
        assert await place.status() is Status.PRESENT


async def test_an_invalid_leftover_of_the_same_definition_under_another_name_is_rebuilt(
    postgres_url: str,
) -> None:
    async with _place(postgres_url) as place:
        with pytest.raises(asyncpg.UniqueViolationError):
            await place.connection.execute("create unique index concurrently other on t (a)")
        await place.connection.execute("update t set a = id")
        unique = Index("t", "a", unique=True, name="t_a_unique")
        report = await place.planner.ensure([unique])
        assert [outcome.action for outcome in report.outcomes] == [Action.REBUILT]
        assert [index.name for index in await place.planner.indexes()] == ["t_a_unique", "t_pkey"]


async def test_a_session_in_the_way_is_named_and_recognised_as_our_own(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        other = await place.other()
        await other.execute("begin; update t set b = 'y' where id = 1")
        with pytest.raises(
            IndexBuildFailed, match=f"pid {other.get_server_pid()} .*idle in transaction.*of this app"
        ):
            await place.planner.ensure([BY_A], options=QUICK)
        assert [event.ours for event in place.events if isinstance(event, IndexBuildWaiting)][:1] == [True]
        assert len([event for event in place.events if isinstance(event, IndexBuildStarted)]) == 2
        await other.execute("rollback")
        await other.close()
        assert (await place.planner.ensure([BY_A])).ok
        assert await place.status() is Status.PRESENT


async def test_a_session_of_another_application_is_not_ours(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        other = await place.other(application_name="reports")
        await other.execute("begin; update t set b = 'y' where id = 1")
        report = await place.planner.ensure(
            [BY_A], options=EnsureOptions(lock_timeout=0.3, retries=0, strict=False)
        )
        (outcome,) = report.of(Action.FAILED)
        assert [(blocker.application, blocker.ours) for blocker in outcome.blockers] == [("reports", False)]
        await other.close()


async def test_a_blocker_that_goes_away_is_outlasted(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        other = await place.other()
        await other.execute("begin; update t set b = 'y' where id = 1")
        task = asyncio.create_task(place.planner.ensure([BY_A], options=EnsureOptions(lock_timeout=0.3, retries=5)))
        await place.until("count(*) > 0 from pg_locks where not granted")
        await asyncio.sleep(0.5)  # let at least one attempt run into its timeout: that is what is tested
        await other.execute("commit")
        report = await task
        assert report.outcomes[0].action is Action.CREATED
        assert report.outcomes[0].attempts > 1
        await other.close()


async def test_the_deadline_ends_a_build_and_leaves_nothing(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        other = await place.other()
        await other.execute("begin; select * from t limit 1")
        holder = await place.other()
        await holder.execute("begin; update t set b = 'y' where id = 2")
        began = time.monotonic()
        release = asyncio.get_running_loop().call_later(
            3.0, lambda: asyncio.ensure_future(holder.execute("rollback"))
        )
        with pytest.raises(IndexBuildTimeout, match=f"pid {holder.get_server_pid()}"):
            await place.planner.ensure([BY_A], options=EnsureOptions(deadline=1.0, lock_timeout=60))
        release.cancel()
        assert time.monotonic() - began < 10
        await other.close()
        await holder.close()
        assert (await place.planner.ensure([BY_A])).ok
        assert await place.status() is Status.PRESENT


async def test_cancellation_leaves_nothing_behind(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        other = await place.other()
        await other.execute("begin isolation level repeatable read; select 1 from pg_class limit 1")
        task = asyncio.create_task(place.planner.ensure([BY_A], options=EnsureOptions(lock_timeout=60)))
        await place.until("count(*) > 0 from pg_locks where not granted")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [index.name for index in await place.planner.indexes()] == ["t_pkey"]
        assert not await place.connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'")
        await other.close()


async def _killed(place: Place, directory: Path, when: str) -> None:
    """Run an ensure in a process of its own, and kill it once an SQL condition holds."""
    script = directory / "build.py"
    script.write_text(
        "import asyncio\nfrom backstay.indexes import *\n"
        f"planner = PostgresIndexPlanner.from_dsn({place.url!r})\n"
        "options = EnsureOptions(lock_timeout=60, replace=True)\n"
        "asyncio.run(planner.ensure([Index('t', 'a', name='t_a')], options=options))\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(script))
    await place.until(when)
    process.send_signal(signal.SIGKILL)
    await process.wait()


# Phases of a replacement, each with what holds it up and how it is known to have begun.
BUILDING = (
    "begin isolation level repeatable read; select 1 from pg_class limit 1",
    "count(*) > 0 from pg_stat_progress_create_index where index_relid <> 0",
)
DROPPING = (
    "begin; select from t limit 1",
    "count(*) > 0 from pg_stat_activity where query like 'drop index concurrently%' and wait_event_type = 'Lock'",
)


@pytest.mark.parametrize(("held_up_by", "begun"), [BUILDING, DROPPING], ids=["building", "dropping"])
async def test_a_replacement_that_is_killed_is_mended_by_the_next_run(
    postgres_url: str, tmp_path: Path, held_up_by: str, begun: str
) -> None:
    async with _place(postgres_url) as place:
        await place.connection.execute("create index t_a on t (b)")
        other = await place.other()
        await other.execute(held_up_by)
        await _killed(place, tmp_path, begun)
        task = asyncio.create_task(place.planner.ensure([BY_A], options=EnsureOptions(replace=True)))
        await other.execute("rollback")
        assert (await task).ok
        assert {index.name: index.valid for index in await place.planner.indexes()} == {"t_pkey": True, "t_a": True}
        assert await place.status() is Status.PRESENT
        assert not (await place.planner.ensure([BY_A], options=EnsureOptions(replace=True))).changed
        await other.close()


async def test_a_killed_process_leaves_what_the_next_run_mends(postgres_url: str, tmp_path: Path) -> None:
    async with _place(postgres_url) as place:
        other = await place.other()
        await other.execute("begin isolation level repeatable read; select 1 from pg_class limit 1")
        await _killed(place, tmp_path, "count(*) > 0 from pg_stat_progress_create_index where index_relid <> 0")
        task = asyncio.create_task(place.planner.ensure([BY_A]))
        assert await place.status() is Status.IN_PROGRESS
        await other.execute("rollback")
        assert (await task).ok
        assert await place.status() is Status.PRESENT
        await other.close()


async def test_a_killed_backend_leaves_what_the_next_run_mends(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        other = await place.other()
        await other.execute("begin isolation level repeatable read; select 1 from pg_class limit 1")
        task = asyncio.create_task(place.planner.ensure([BY_A], options=EnsureOptions(lock_timeout=60)))
        await place.until("count(*) > 0 from pg_stat_progress_create_index where index_relid <> 0")
        await place.connection.execute("select pg_terminate_backend(pid) from pg_stat_progress_create_index")
        with pytest.raises((IndexBuildFailed, IndexServerUnavailable)):
            await task
        await other.close()
        assert await place.status() is Status.INVALID
        assert (await place.planner.ensure([BY_A])).outcomes[0].action is Action.REBUILT
        assert await place.status() is Status.PRESENT


async def test_a_build_in_progress_elsewhere_is_awaited(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        other, builder = await place.other(), await place.other()
        await other.execute("begin isolation level repeatable read; select 1 from pg_class limit 1")
        build = asyncio.create_task(builder.execute("create index concurrently t_a on t (a)"))
        await place.until("count(*) > 0 from pg_stat_progress_create_index where index_relid <> 0")
        assert await place.status() is Status.IN_PROGRESS
        (progress,) = await anext(place.planner.progress())
        assert (progress.table, progress.index) == ("t", "t_a")
        assert [blocker.pid for blocker in progress.blockers] == [other.get_server_pid()]
        task = asyncio.create_task(place.planner.ensure([BY_A]))
        await place.until("count(*) > 0 from pg_locks where locktype = 'advisory'")
        await other.execute("rollback")
        await build
        assert (await task).outcomes[0].action is Action.AWAITED
        assert [seen async for seen in place.planner.progress()] == []
        await other.close()
        await builder.close()


async def test_writers_go_on_during_a_build(postgres_url: str) -> None:
    async with _place(postgres_url, rows=200_000) as place:
        waits: list[float] = []
        done = asyncio.Event()

        async def write() -> None:
            writer, number = await place.other(), 0
            while not done.is_set():
                number += 1
                began = time.monotonic()
                await writer.execute("update t set b = 'w' where id = $1", number % 1000 + 1)
                waits.append(time.monotonic() - began)
            await writer.close()

        writer = asyncio.create_task(write())
        report = await place.planner.ensure([BY_A, Index("t", ["b", "a"]), Index("t", "lower(b)")])
        done.set()
        await writer
        assert len(report.of(Action.CREATED)) == 3
        assert len(waits) > 10
        assert max(waits) < 1.0


async def test_partitions_are_built_attached_and_mended(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        await place.connection.execute(
            "create table p (id int, day int) partition by range (day);"
            "create table p1 partition of p for values from (0) to (10);"
            "create table p2 partition of p for values from (10) to (20) partition by list (id);"
            "create table p2d partition of p2 default"
        )
        wanted = Index("p", ["id", "day"], name="p_id_day")
        # Half done, as a run that was killed leaves it: the parent alone, invalid for want of its parts.
        await place.connection.execute("create index p_id_day on only p (id, day)")
        assert await place.status(wanted) is Status.INVALID
        report = await place.planner.ensure([wanted])
        assert report.ok
        assert await place.status(wanted) is Status.PRESENT
        assert not (await place.planner.ensure([wanted])).changed
        assert sum(index.parent is not None for index in await place.planner.indexes()) == 3


async def test_a_closed_gate_defers(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        report = await place.planner.ensure([BY_A], options=EnsureOptions(gate=Gate(max_active_sessions=-1)))
        (outcome,) = report.of(Action.DEFERRED)
        assert "active sessions" in outcome.reason
        assert await place.status() is Status.MISSING


async def test_no_server_is_said_so() -> None:
    planner = PostgresIndexPlanner.from_dsn("postgresql://nobody:hunter2@127.0.0.1:1/none")
    with pytest.raises(IndexServerUnavailable) as caught:
        await planner.diff([BY_A])
    assert "hunter2" not in str(caught.value)


async def test_an_engine_whose_only_connection_is_taken_still_builds(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        engine = create_async_engine(
            place.url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=1, max_overflow=0
        )
        async with engine.connect() as taken:
            await taken.execute(text("select 1"))
            await taken.rollback()
            report = await create_all_indexes(engine, [BY_A])
        assert report.outcomes[0].action is Action.CREATED
        assert (await planner_for(engine).diff([BY_A])).clean
        await engine.dispose()


async def test_a_call_with_nothing_to_do_takes_three_round_trips(postgres_url: str) -> None:
    async with _place(postgres_url) as place:
        await place.planner.ensure([BY_A])
        counted: list[str] = []
        from backstay.indexes.postgres import connect_dsn

        inner = connect_dsn(place.url)

        @asynccontextmanager
        async def connect() -> AsyncIterator[asyncpg.Connection]:
            async with inner() as connection:
                connection.add_query_logger(lambda record: counted.append(record.query))
                yield connection

        report = await PostgresIndexPlanner(connect).ensure([BY_A])
        assert not report.changed
        assert len([query for query in counted if not query.startswith("reset")]) <= 3
