"""Our three token stores under the suite that anybody can run."""

from __future__ import annotations

from contextlib import asynccontextmanager

import anyio
import asyncpg
import pytest

from backstay.clock import ManualClock
from backstay.testing.tokens import TokenStoreSuite
from backstay.tokens.memory import MemoryTokenStore
from backstay.tokens.postgres import open_postgres_store
from backstay.tokens.redis import open_redis_store


class TestMemory(TokenStoreSuite):
    @pytest.fixture(autouse=True)
    def _clock(self):
        self.clock = ManualClock()

    @asynccontextmanager
    async def open(self):
        yield MemoryTokenStore(clock=self.clock)

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def now(self) -> float:
        return self.clock.now().timestamp()


@pytest.mark.redis
class TestRedis(TokenStoreSuite):
    @pytest.fixture(autouse=True)
    def _url(self, redis_url):
        self.url = redis_url

    @asynccontextmanager
    async def open(self):
        async with open_redis_store(self.url, prefix="backstay-test:tokens") as store:
            try:
                yield store
            finally:
                keys = [key async for key in store._client.scan_iter(match=f"{store.prefix}*")]
                if keys:
                    await store._client.delete(*keys)


@pytest.fixture(scope="module")
def database(postgres_url):
    """A database of our own, dropped afterwards."""
    name = "backstay_tokens_conformance"

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    anyio.run(run, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    anyio.run(run, f"CREATE DATABASE {name}")
    yield postgres_url.rsplit("/", 1)[0] + f"/{name}"
    anyio.run(run, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.postgres
class TestPostgres(TokenStoreSuite):
    @pytest.fixture(autouse=True)
    def _url(self, database):
        self.url = database

    @asynccontextmanager
    async def open(self):
        async with open_postgres_store(self.url, max_size=5) as store:
            yield store
