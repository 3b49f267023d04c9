"""A master that its sentinels replace: callers get values all the time, and the cache follows."""

import time

import anyio
import pytest

from backstay.cache import Cache, Invalidation
from backstay.cache.redis import RedisCache
from backstay.errors import ConfigError

pytestmark = [pytest.mark.asyncio, pytest.mark.redis, pytest.mark.slow]

KEY = "ns:id:1"


async def test_the_cache_follows_a_failover_and_what_was_invalidated_stays_so(redis_sentinel):
    hosts = ",".join(f"{host}:{port}" for host, port in redis_sentinel.addresses)
    async with (
        RedisCache.open(f"redis+sentinel://{hosts}/{redis_sentinel.service}") as backend,
        Cache(backend) as cache,
    ):
        assert await cache.get_or_compute(KEY, lambda: "old") == "old"
        assert await cache.invalidate_namespace("ns") is Invalidation.APPLIED
        redis_sentinel.master.kill()
        longest, back = 0.0, False
        with anyio.fail_after(30):
            while not back:
                began = time.monotonic()
                assert await cache.get_or_compute(KEY, lambda: "new") == "new"
                longest = max(longest, time.monotonic() - began)
                back = await cache.exists(KEY)  # stored, so by a server that takes writes
                await anyio.sleep(0.01)
        assert longest < 2.0
        (promoted,) = redis_sentinel.replicas
        with promoted.client() as client:
            assert client.call("EXISTS", "bs:{:" + KEY + "}") == 1


@pytest.mark.parametrize(
    "url", ["redis+sentinel://", "redis+sentinel://h:1", "redis+sentinel://:x/s", "redis+sentinel://h:p/s"]
)
async def test_a_sentinel_url_that_cannot_be_read_is_refused_and_not_shown(url):
    with pytest.raises(ConfigError, match="service") as refused:
        async with RedisCache.open(url.replace("//", "//user:hush@", 1)):
            pass
    assert "hush" not in str(refused.value)
