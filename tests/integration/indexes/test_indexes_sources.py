"""Where a workload comes from, on a real PostgreSQL: its statistics, its logs, and the driver's query logger."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import asyncpg
import pytest

from backstay.errors import WorkloadError
from backstay.indexes import PostgresIndexAdvisor, Query, Workload, WorkloadRecorder, workload_from_log
from backstay.testing.postgres_server import PostgresServer, start_postgres

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

TABLE = """
create table visit (id int primary key, person int not null, day date not null, note text);
insert into visit select i, i % 5000, date '2026-01-01' + i % 300, 'note ' || i from generate_series(1, 60000) i;
analyze visit;
"""


@asynccontextmanager
async def _database(server: str) -> AsyncIterator[str]:
    name = f"sources_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"create database {name}")
    url = f"{server.rpartition('/')[0]}/{name}"
    try:
        connection = await asyncpg.connect(url)
        await connection.execute(TABLE)
        await connection.close()
        yield url
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


async def _ask(url: str) -> None:
    connection = await asyncpg.connect(url)
    for person in range(3):
        await connection.fetch("select * from visit where person = $1 and day > $2", person, dt.date(2026, 3, 1))
    await connection.close()


async def test_the_statistics_give_statements_with_their_calls(pg_stat_statements_url: str) -> None:
    async with _database(pg_stat_statements_url) as url:
        advisor = PostgresIndexAdvisor.from_dsn(url)
        with pytest.raises(WorkloadError, match="pg_stat_statements"):
            await advisor.workload()
        connection = await asyncpg.connect(url)
        await connection.execute("create extension pg_stat_statements")
        await connection.close()
        await _ask(url)
        found = {query.sql: query for query in (await advisor.workload()).queries}
        query = found["select * from visit where person = $1 and day > $2"]
        assert query.calls == 3
        assert query.seconds > 0
        # Its text has parameters and no values: a generic plan tells what it needs.
        plan = await advisor.recommend(Workload(queries=(query,)))
        assert [index.keys[0].column for index in plan.indexes] == ["person"]


async def test_the_drivers_query_logger_feeds_the_recorder(postgres_url: str) -> None:
    async with _database(postgres_url) as url:
        recorder = WorkloadRecorder()
        connection = await asyncpg.connect(url)
        connection.add_query_logger(recorder.log_query)
        for person in range(20):
            await connection.fetch("select * from visit where person = $1", person)
        with pytest.raises(asyncpg.PostgresError):
            await connection.fetch("select * from nowhere")
        await connection.close()
        (query,) = recorder.workload().queries
        assert query.calls == 20
        assert len(query.samples) == 5
        assert {type(sample[0]) for sample in query.samples} == {int}
        assert query.seconds > 0


async def test_generic_and_custom_plans_of_one_statement_differ(postgres_url: str) -> None:
    """The custom plan knows that the value is rare; the open one must serve any value."""
    async with _database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("create index on visit (day); analyze visit")
        await connection.close()
        advisor = PostgresIndexAdvisor.from_dsn(url)
        sql = "select * from visit where day > $1"
        open_plan = await advisor.baseline(Workload(queries=(Query(sql=sql),)))
        closed = await advisor.baseline(Workload(queries=(Query(sql=sql, samples=(("2026-10-26",),)),)))
        ((_, generic),), ((_, custom),) = open_plan.costs, closed.costs
        assert custom < generic / 2
        ((_, used),) = closed.plans
        assert used


@pytest.fixture(scope="module")
def logging_server() -> Iterator[PostgresServer]:
    settings = {
        "logging_collector": "on",
        "log_destination": "stderr,csvlog",
        "log_directory": "log",
        "log_filename": "server.log",
        "log_file_mode": "0644",
        "log_min_duration_statement": "0",
    }
    with start_postgres(settings=settings) as server:
        yield server


async def _log_of(server: PostgresServer, ending: str) -> Path:
    connection = await asyncpg.connect(server.url)
    directory = await connection.fetchval("show data_directory")
    await connection.close()
    return Path(directory) / "log" / f"server{ending}"


async def _written(log: Path, *, until: str) -> list[str]:
    """The log once its writer, a process of its own, has come to a certain line."""
    with anyio.fail_after(20):
        while until not in (text := await anyio.Path(log).read_text(encoding="utf-8")):  # noqa: ASYNC110
            await anyio.sleep(0.02)
    return text.splitlines(keepends=True)


@pytest.mark.parametrize(("ending", "form"), [(".log", "stderr"), (".csv", "csv")])
async def test_a_log_gives_statements_with_their_values(logging_server: PostgresServer, ending: str, form) -> None:
    async with _database(logging_server.url) as url:
        await _ask(url)
        connection = await asyncpg.connect(url)
        await connection.fetch("select 'the last of them'")
        await connection.close()
        log = await _log_of(logging_server, ending)
        text = await _written(log, until="'the last of them'")
        found = {query.sql: query for query in workload_from_log(text, form=form).queries}
        query = found["select * from visit where person = $1 and day > $2"]
        assert query.calls >= 3
        assert ("2", "2026-03-01") in query.samples
        plan = await PostgresIndexAdvisor.from_dsn(url).recommend(Workload(queries=(query,)))
        assert [index.keys[0].column for index in plan.indexes] == ["person"]


async def test_auto_explain_gives_the_statements_of_its_plans(logging_server: PostgresServer) -> None:
    async with _database(logging_server.url) as url:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("load 'auto_explain'")
        except asyncpg.UndefinedFileError:
            pytest.skip("this server does not have auto_explain")
        logged: list[str] = []
        connection.add_log_listener(lambda _, message: logged.append(f"{message.severity_en}:  {message.message}"))
        await connection.execute("set client_min_messages = log; set auto_explain.log_min_duration = 0")
        await connection.fetch("select note from visit\nwhere person = 7")
        await connection.execute("set auto_explain.log_format = json")
        await connection.fetch("select note from visit where person = 8")
        await connection.close()
        lines = [line for message in logged for line in message.replace("\n", "\n\t").splitlines(keepends=True)]
        found = [query for query in workload_from_log(lines).queries if "visit" in query.sql]
        assert {query.sql for query in found} <= {
            "select note from visit\nwhere person = 7",
            "select note from visit where person = 8",
        }
        assert sum(query.calls for query in found) >= 2
