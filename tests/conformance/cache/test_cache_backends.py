"""The backends of the house keep what the Protocol promises."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager

import pytest

pytest.register_assert_rewrite("backstay.testing.cache", "backstay.testing.locks")

from backstay.cache import MemoryCache  # noqa: E402
from backstay.cache.redis import RedisCache  # noqa: E402
from backstay.clock import ManualClock  # noqa: E402
from backstay.testing.cache import CacheBackendSuite  # noqa: E402
from backstay.testing.locks import LockBackendSuite  # noqa: E402


class OnMemory:
    backends = ("asyncio", "trio")

    @asynccontextmanager
    async def open(self):
        self.clock = ManualClock()
        yield MemoryCache(clock=self.clock)

    async def wait(self, seconds):
        self.clock.advance(seconds)


class OnRedis:
    @pytest.fixture(autouse=True)
    def _url(self, redis_url):
        self.url = redis_url

    @asynccontextmanager
    async def open(self):
        async with RedisCache.open(self.url, prefix=f"test-{secrets.token_hex(6)}:", budget=5.0) as backend:
            yield backend


class TestMemoryCache(OnMemory, CacheBackendSuite):
    pass


class TestMemoryLocks(OnMemory, LockBackendSuite):
    pass


class TestRedisCache(OnRedis, CacheBackendSuite):
    pass


class TestRedisLocks(OnRedis, LockBackendSuite):
    pass
