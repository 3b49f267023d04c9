# ruff: noqa: E501 - tables of SQL, one case a line
"""Backfills against a real PostgreSQL: keys with gaps, resumption, two workers."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest
import pytest_asyncio

from backstay.errors import InvalidMigration, MigrationFailed
from backstay.migrations import Backfill, run_backfill
from backstay.migrations.backfill import next_batch

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

FILL = Backfill(
    name="fill",
    table="t",
    sql="UPDATE t SET v = v + 1 WHERE ($1::int IS NULL OR id > $1) AND id <= $2",
    batch=100,
    pause=0,
)


@pytest_asyncio.fixture
async def url(postgres_url):
    name = f"migrations_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"CREATE DATABASE {name}")
    url = f"{postgres_url.rpartition('/')[0]}/{name}"
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v int DEFAULT 0); INSERT INTO t SELECT g * 7 - 500 FROM generate_series(1, 1000) g"
    )
    await connection.close()
    yield url
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def values(url):
    connection = await asyncpg.connect(url)
    try:
        return dict(await connection.fetch("SELECT v, count(*) FROM t GROUP BY v"))
    finally:
        await connection.close()


async def test_every_row_once_also_with_two_workers_and_again(url):
    await asyncio.gather(run_backfill(url, FILL), run_backfill(url, FILL))
    assert await values(url) == {1: 1000}
    assert (await run_backfill(url, FILL)).rows == 1000
    assert await values(url) == {1: 1000}


async def test_goes_on_where_a_failure_stopped_it(url):
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER TABLE t ADD CONSTRAINT c CHECK (id < 2000 OR v = 0)")
    with pytest.raises(MigrationFailed, match="violates check"):
        await run_backfill(url, FILL)
    halfway = await values(url)
    assert 0 < halfway[1] < 1000
    await connection.execute("ALTER TABLE t DROP CONSTRAINT c")
    await run_backfill(url, FILL)
    assert await values(url) == {1: 1000}
    await connection.close()


async def test_a_wrong_key_is_refused(url):
    with pytest.raises(InvalidMigration, match="no column nope"):
        await run_backfill(url, Backfill(name="x", table="t", key="nope", sql="SELECT 1"))


@pytest.mark.parametrize(("seconds", "size"), [(0.2, 100), (0.4, 50), (9.0, 50), (0.1, 200), (0.0, 200)])
async def test_the_next_batch_follows_the_budget(seconds, size):
    assert next_batch(FILL, size=100, seconds=seconds) == size
