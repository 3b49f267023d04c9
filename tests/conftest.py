"""What every test may ask for: real servers, found or started, shared or its own, and faults before them.

Missing things are counted skips on a developer's machine. Where ``CI`` is set a missing server is an error,
and so is a skip for want of what ``BACKSTAY_REQUIRE`` names (``chromium,hypopg,pg_stat_statements,redis-tls``):
a suite must not turn green by skipping.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import asyncpg
import pytest
from hypothesis import settings

from backstay.testing.faults import FaultProxy
from backstay.testing.postgres_server import PostgresServer, find_postgres, start_postgres
from backstay.testing.redis_server import RedisServer, redis_binaries, start_redis
from backstay.testing.redis_topologies import (
    RedisCluster,
    RedisSentinels,
    start_redis_cluster,
    start_redis_sentinel,
)
from backstay.testing.servers import MissingServer

IN_CI = bool(os.environ.get("CI"))
REQUIRED = frozenset(filter(None, os.environ.get("BACKSTAY_REQUIRE", "").split(",")))

# A shared machine stalls now and then: how long one example took says nothing about the code.
settings.register_profile("backstay", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=100_000)
settings.load_profile("nightly" if os.environ.get("BACKSTAY_NIGHTLY") else "backstay")


@contextmanager
def present(what: str) -> Iterator[None]:
    """A `MissingServer` in the block skips the test, or fails it where `what` must be there."""
    try:
        yield
    except MissingServer as missing:
        unavailable(what, str(missing))


def unavailable(what: str, reason: str) -> None:
    """Skip the test for want of `what`, or fail it where `what` must be there."""
    if what in REQUIRED or (IN_CI and what in {"redis", "postgres"}):
        pytest.fail(f"{what} is required here: {reason}", pytrace=False)
    pytest.skip(f"{what}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips by itself and says for want of what it does is held to the same rule."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if named := sorted(word for word in REQUIRED if word in reason):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} skipped for want of {', '.join(named)}, required here: {reason}"
    return report


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis, shared by all tests: write below a prefix of your own, and neither flush nor stop it."""
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    with present("redis"), start_redis() as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL, shared by all tests: create and drop databases of your own, and do not stop it."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    with present("postgres"), start_postgres() as server:
        yield server.url


@pytest.fixture
def database_url(postgres_url) -> Iterator[str]:
    """A new and empty database in the shared PostgreSQL, dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    asyncio.run(_administer(postgres_url, f'create database "{name}"'))
    yield f"{postgres_url.rpartition('/')[0]}/{name}"
    asyncio.run(_administer(postgres_url, f'drop database "{name}" with (force)'))


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test's own, which it may stop, kill, freeze and restart."""
    with present("redis"), start_redis() as server:
        yield server


@pytest.fixture
def redis_acl_server() -> Iterator[RedisServer]:
    """A Redis of the test's own in which only the user ``app``, with a password, may do anything."""
    with present("redis"), start_redis(username="app", password="only-for-tests") as server:
        yield server


@pytest.fixture
def redis_tls_server() -> Iterator[RedisServer]:
    """A Redis of the test's own that speaks TLS, by itself or through a front; `server.tls` trusts it.

    Where ``redis-tls`` is required, a front will not do.
    """
    native = next((binary for binary in redis_binaries() if binary.native_tls), None)
    if native is None and "redis-tls" in REQUIRED:
        unavailable("redis-tls", f"none of {[str(found) for found in redis_binaries()]} was built with TLS")
    with present("redis"), start_redis(native, tls=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A Redis Cluster of three masters, shared by all tests: do not stop its nodes."""
    with present("redis"), start_redis_cluster() as cluster:
        yield cluster


@pytest.fixture
def redis_tls_cluster() -> Iterator[RedisCluster]:
    """A Redis Cluster that speaks TLS only and asks for a password."""
    native = next((binary for binary in redis_binaries() if binary.native_tls), None)
    if native is None:
        unavailable("redis-tls", f"none of {[str(found) for found in redis_binaries()]} was built with TLS")
    with present("redis"), start_redis_cluster(native, tls=True, password="only-for-tests") as cluster:
        yield cluster


@pytest.fixture
def redis_cluster_with_replicas() -> Iterator[RedisCluster]:
    """A Redis Cluster of three masters and three replicas, of the test's own: kill what you like."""
    with present("redis"), start_redis_cluster(replicas=1) as cluster:
        yield cluster


@pytest.fixture
def redis_sentinel() -> Iterator[RedisSentinels]:
    """A master, a replica and three sentinels, of the test's own: kill what you like."""
    with present("redis"), start_redis_sentinel() as sentinels:
        yield sentinels


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, which it may stop, kill, freeze and restart."""
    with present("postgres"), start_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def hypopg_url() -> Iterator[str]:
    """A PostgreSQL whose machine has the extension hypopg, shared like `postgres_url`."""
    with present("hypopg"), start_postgres(find_postgres(extension="hypopg")) as server:
        yield server.url


@pytest.fixture(scope="session")
def pg_stat_statements_url() -> Iterator[str]:
    """A PostgreSQL with pg_stat_statements loaded, shared like `postgres_url`."""
    with (
        present("pg_stat_statements"),
        start_postgres(find_postgres(extension="pg_stat_statements")) as server,
    ):
        yield server.url


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[int], FaultProxy]]:
    """``fault_proxy(port)`` is a running proxy before that port; it ends with the test."""
    started: list[FaultProxy] = []

    def before(port: int) -> FaultProxy:
        started.append(FaultProxy(port).__enter__())
        return started[-1]

    yield before
    for proxy in started:
        proxy.__exit__(None, None, None)
