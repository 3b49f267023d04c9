# ruff: noqa: E501 - tables of SQL; what is polled for has no event
"""Both sides of a roll-out: a contract migration waits for as long as an older version reports itself."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, closing

import anyio
import asyncpg
import pytest

from backstay.clock import ManualClock
from backstay.migrations import Status, VersionNotReported, reporting_version, runner_for
from backstay.migrations.versions import is_older

FILES = {
    "0001_t.sql": "CREATE TABLE t (id integer, old integer);",
    "0002_new.sql": "-- backstay: phase expand\nALTER TABLE t ADD COLUMN new integer;",
    "0003_old.sql": "-- backstay: phase contract\n-- backstay: allow dropping-column: nobody reads it\nALTER TABLE t DROP COLUMN old;",
    "0004_more.sql": "CREATE TABLE more (id integer);",
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    return (
        request.getfixturevalue("database_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/app.db"
    )


@pytest.fixture
def files(tmp_path):
    directory = tmp_path / "files"
    directory.mkdir()
    for name, sql in FILES.items():
        (directory / name).write_text(sql)
    return directory


@pytest.mark.asyncio
async def test_what_comes_before_is_applied_and_the_contract_waits_for_the_older_version(url, files):
    new = runner_for(url, files, app_version="2.10")
    async with reporting_version(url, "2.9"), reporting_version(url, "2.10"), reporting_version(url, "3.0"):
        report = await new.run()
        assert dict(report) == {
            "0001_t": Status.APPLIED, "0002_new": Status.APPLIED,
            "0003_old": Status.HELD_BACK, "0004_more": Status.HELD_BACK,
        }  # fmt: skip
        assert "older version still runs: 2.9 on " in report.outcome("0003_old").error
        assert dict(await new.run()) == {"0003_old": Status.HELD_BACK, "0004_more": Status.HELD_BACK}
    assert dict(await new.run()) == {"0003_old": Status.APPLIED, "0004_more": Status.APPLIED}
    assert not await new.run()


@pytest.mark.asyncio
async def test_who_died_without_a_word_is_waited_for_no_longer_than_it_is_taken_to_live(url, files):
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(reporting_version(url, "1.0"))
        age = {
            "p": "UPDATE backstay_versions SET seen_at = seen_at - interval '61 s'",
            "s": "UPDATE backstay_versions SET seen_at = seen_at - 61.0 / 86400",
        }
        await execute(url, age[url[0]])
        assert Status.HELD_BACK not in (await runner_for(url, files, app_version="2.0").run()).values()


async def execute(url, sql):
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute(sql)
        return
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


@pytest.mark.asyncio
async def test_a_report_is_renewed_and_a_database_that_is_away_ends_nothing(tmp_path):
    told = []
    url, clock = f"sqlite:///{tmp_path}/app.db", ManualClock()
    async with reporting_version(url, "1", every=10, clock=clock, listeners=[told.append]):
        await execute(url, "DROP TABLE backstay_versions")
        await execute(url, "CREATE VIEW backstay_versions AS SELECT 1 AS instance")
        with anyio.fail_after(20):
            while not told:
                clock.advance(10)
                await anyio.sleep(0.01)
        await execute(url, "DROP VIEW backstay_versions")
        with anyio.fail_after(20):
            while not await reported(url):
                clock.advance(10)
                await anyio.sleep(0.01)
    assert isinstance(told[0], VersionNotReported)
    assert await reported(url) == 0


async def reported(url):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'backstay_versions'").fetchone():
            return 0
        return connection.execute("SELECT count(*) FROM backstay_versions").fetchone()[0]


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("1.9", "1.10", True), ("1.10", "1.9", False), ("v2", "2", False), ("2.0", "2.0", False), ("abc", "def", True),
     ("abc", "abc", False), ("1.0", "", True), ("", "", False), ("1.0", "abc", True)],
)  # fmt: skip
def test_which_version_is_waited_for(version, than, older):
    assert is_older(version, than=than) is older
