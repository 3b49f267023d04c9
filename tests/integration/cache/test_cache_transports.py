"""The cache over every kind of transport: of asyncio's and of uvloop's, plain and with TLS."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from backstay.cache import Cache, Invalidation
from backstay.cache.redis import RedisCache

pytestmark = pytest.mark.redis


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on a loop of that kind."""
    if request.param == "asyncio":
        return asyncio.run
    return pytest.importorskip("uvloop").run


async def _a_day_of_a_cache(url: str) -> None:
    computed = []

    async def compute() -> str:
        computed.append("once")
        await asyncio.sleep(0)
        return "value"

    async with (
        RedisCache.open(url, prefix=f"test-{secrets.token_hex(6)}:", budget=5.0) as backend,
        Cache(backend, locks=backend) as cache,
    ):
        assert await asyncio.gather(*[cache.get_or_compute("key", compute) for _ in range(50)]) == ["value"] * 50
        assert computed == ["once"]
        assert await cache.get_many(["key", "other"], local=False) == {"key": "value"}
        assert await cache.invalidate("key") is Invalidation.APPLIED
        assert await cache.set("other", 1) is Invalidation.APPLIED
        assert await cache.get_or_compute("key", compute) == "value"
        assert await cache.get("other") == 1
        assert await cache.invalidate_pattern("oth*") is Invalidation.APPLIED
        assert await cache.get("other", None) is None
        async with cache.lock("name") as lease:
            assert lease.fence > 0
    assert computed == ["once", "once"]


def test_plain(run, redis_url):
    run(_a_day_of_a_cache(redis_url))


def test_with_tls(run, redis_tls_server):
    run(_a_day_of_a_cache(f"{redis_tls_server.url}?ssl_ca_certs={redis_tls_server.tls.certificate}"))


def test_a_cluster_with_tls_and_a_password(run, redis_tls_cluster):
    cluster, tls = redis_tls_cluster, redis_tls_cluster.masters[0].tls
    address = cluster.url.replace("rediss://", "rediss+cluster://")
    run(_a_day_of_a_cache(f"{address}?ssl_ca_certs={tls.certificate}"))

    async def unknown() -> None:
        async with RedisCache.open(address) as backend, Cache(backend) as cache:
            assert await cache.get_or_compute("key", lambda: "computed") == "computed"
            assert not cache.stats().available

    run(unknown())


def test_a_certificate_that_nobody_vouches_for_is_no_redis(run, redis_tls_server):
    """Nothing is sent there, least of all a password; the cache computes."""

    async def main() -> None:
        async with RedisCache.open(redis_tls_server.url) as backend, Cache(backend) as cache:
            assert await cache.get_or_compute("key", lambda: "computed") == "computed"
            assert not cache.stats().available

    run(main())
