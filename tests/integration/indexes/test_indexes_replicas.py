"""Standbys: their scans count as use, and their lag keeps a gate shut."""

# ruff: noqa: ASYNC110 - what is waited for happens in other processes, which only asking shows

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import anyio
import asyncpg
import pytest

from backstay.errors import IndexServerUnavailable
from backstay.indexes import Action, EnsureOptions, Gate, Index, PostgresIndexPlanner, Trouble
from backstay.testing.postgres_server import PostgresServer, start_postgres, start_replica

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

SCHEMA = """
create table if not exists report (id int primary key, month int, region int);
truncate report;
insert into report select i, i % 120, i % 500 from generate_series(1, 50000) i;
create index if not exists report_month on report (month);
create index if not exists report_region on report (region);
analyze report;
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    with start_postgres() as primary, start_replica(primary) as standby:
        yield primary, standby


async def _prepared(pair: tuple[PostgresServer, PostgresServer]) -> asyncpg.Connection:
    """A session of the standby, once it has all that the primary has."""
    primary, standby = pair
    writer = await asyncpg.connect(primary.url)
    await writer.execute(SCHEMA)
    # Inserted, not written: these servers commit asynchronously.
    written = await writer.fetchval("select pg_current_wal_insert_lsn()::text")
    await writer.close()
    reader = await asyncpg.connect(standby.url)
    with anyio.fail_after(30):
        while not await reader.fetchval("select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
            await anyio.sleep(0.05)
    return reader


async def test_an_index_that_only_a_standby_uses_is_used(pair: tuple[PostgresServer, PostgresServer]) -> None:
    primary, standby = pair
    reader = await _prepared(pair)
    await reader.execute("set enable_seqscan = off")
    await reader.fetch("select * from report where month = 7")
    with anyio.fail_after(30):
        scans = "select idx_scan from pg_stat_user_indexes where indexrelname = 'report_month'"
        while not await reader.fetchval(scans):
            await reader.execute("select pg_stat_clear_snapshot()")
            await anyio.sleep(0.05)
    await reader.close()
    planner = PostgresIndexPlanner.from_dsn(primary.url)
    alone = await planner.health(min_stats_age=timedelta(0))
    both = await planner.health(min_stats_age=timedelta(0), replicas=[standby.url])
    assert {finding.index for finding in alone.of(Trouble.UNUSED)} == {"report_month", "report_region"}
    assert {finding.index for finding in both.of(Trouble.UNUSED)} == {"report_region"}
    (finding,) = both.of(Trouble.UNUSED)
    assert finding.droppable


async def test_a_standby_that_does_not_answer_is_not_passed_over(
    pair: tuple[PostgresServer, PostgresServer],
) -> None:
    primary, _ = pair
    with pytest.raises(IndexServerUnavailable):
        await PostgresIndexPlanner.from_dsn(primary.url).health(replicas=["postgresql://postgres@127.0.0.1:1/x"])


async def test_lag_keeps_a_gate_shut(pair: tuple[PostgresServer, PostgresServer]) -> None:
    primary, standby = pair
    await (await _prepared(pair)).close()
    planner = PostgresIndexPlanner.from_dsn(primary.url)
    wanted = Index("report", ["region", "month"])
    options = EnsureOptions(gate=Gate(max_replica_lag=0.5), strict=False)
    writer = await asyncpg.connect(primary.url)
    standby.pause()
    try:
        with anyio.fail_after(30):
            while not (report := await planner.ensure([wanted], options=options)).of(Action.DEFERRED):
                await planner.drop([wanted.effective_name])
                await writer.execute("update report set region = region where id < 100")
    finally:
        standby.resume()
        await writer.close()
    (deferred,) = report.of(Action.DEFERRED)
    assert "replica lags" in deferred.reason
