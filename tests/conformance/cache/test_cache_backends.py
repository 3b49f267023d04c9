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
from backstay.testing.redis_server import redis_binaries, start_redis  # noqa: E402
from backstay.testing.redis_topologies import start_redis_sentinel  # noqa: E402


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


class OnCluster(OnRedis):
    @pytest.fixture(autouse=True)
    def _url(self, redis_cluster):
        self.url = f"redis+cluster://127.0.0.1:{redis_cluster.masters[0].port}"


@pytest.fixture(scope="module")
def sentinel_url():
    with start_redis_sentinel() as sentinels:
        hosts = ",".join(f"{host}:{port}" for host, port in sentinels.addresses)
        yield f"redis+sentinel://{hosts}/{sentinels.service}"


class OnSentinel(OnRedis):
    @pytest.fixture(autouse=True)
    def _url(self, sentinel_url):
        self.url = sentinel_url


@pytest.fixture(scope="module", params=redis_binaries(), ids=lambda binary: f"{binary.name} {binary.version[0]}")
def each_redis_url(request):
    """A server of each kind and version that this machine has: scripts and pushes are not the same on all."""
    with start_redis(request.param) as server:
        yield server.url


class OnEachRedis(OnRedis):
    @pytest.fixture(autouse=True)
    def _url(self, each_redis_url):
        self.url = each_redis_url


class TestMemoryCache(OnMemory, CacheBackendSuite):
    pass


class TestMemoryLocks(OnMemory, LockBackendSuite):
    pass


class TestRedisCache(OnRedis, CacheBackendSuite):
    pass


class TestRedisLocks(OnRedis, LockBackendSuite):
    pass


class TestRedisCacheOnEachServer(OnEachRedis, CacheBackendSuite):
    pass


class TestRedisLocksOnEachServer(OnEachRedis, LockBackendSuite):
    pass


class TestRedisCacheBehindSentinels(OnSentinel, CacheBackendSuite):
    pass


class TestRedisLocksBehindSentinels(OnSentinel, LockBackendSuite):
    pass


class TestRedisCacheOnCluster(OnCluster, CacheBackendSuite):
    pass


class TestRedisLocksOnCluster(OnCluster, LockBackendSuite):
    pass
