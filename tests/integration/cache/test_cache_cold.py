"""A cache that finds nothing asks for leases without looking first: commands counted by the server itself."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager

import pytest

from backstay.cache import Cache
from backstay.cache.redis import RedisCache
from backstay.testing.faults import Blackhole

pytestmark = [pytest.mark.redis, pytest.mark.asyncio]

ENOUGH = 8
"""Looks that found nothing, after which a cache takes itself for cold."""


class Nodes:
    """Caches that share a prefix, and what the server counts."""

    def __init__(self, here: Cache, there: Cache, client) -> None:
        self.here = here
        self.there = there
        self._client = client

    async def counted(self) -> tuple[int, int]:
        """Looks and scripts so far."""
        stats = await self._client.info("commandstats")
        return tuple(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("mget", "evalsha"))

    async def spent(self, call) -> tuple[int, int]:
        """Looks and scripts that a call takes."""
        before = await self.counted()
        await call
        return tuple(after - then for then, after in zip(before, await self.counted(), strict=True))

    async def cool(self, cache: Cache, looks: int = ENOUGH) -> None:
        for _ in range(looks):
            await cache.get_or_compute(f"cold:{secrets.token_hex(4)}", computes("nobody knew"))


def computes(value):
    async def compute():
        return value

    return compute


async def unwanted():
    raise AssertionError("it is there")


@asynccontextmanager
async def nodes(redis_server):
    from redis.asyncio import Redis

    prefix = f"test-{secrets.token_hex(6)}:"
    async with (
        Redis.from_url(redis_server.url) as client,
        RedisCache.open(redis_server.url, prefix=prefix, budget=5.0) as near,
        RedisCache.open(redis_server.url, prefix=prefix, budget=5.0) as far,
        Cache(near) as here,
        Cache(far) as there,
    ):
        yield Nodes(here, there, client)


async def test_after_some_looks_that_found_nothing_there_is_none(redis_server):
    async with nodes(redis_server) as found:
        assert (await found.spent(found.cool(found.here)))[0] == ENOUGH
        assert await found.spent(found.cool(found.here, 20)) == (0, 40)
        assert found.here.stats().total.misses == ENOUGH + 20
        assert found.here.stats().total.computed == ENOUGH + 20


async def test_what_is_there_after_all_is_served_and_the_next_is_looked_for(redis_server):
    async with nodes(redis_server) as found:
        await found.there.set_many({"a:1": "one", "a:2": "two"})
        await found.cool(found.here)
        assert await found.spent(found.here.get_or_compute("a:1", unwanted)) == (1, 1)
        assert await found.spent(found.here.get_or_compute("a:2", unwanted)) == (1, 0)
        counts = found.here.stats().namespaces["a"]
        assert (counts.hits, counts.misses) == (2, 0)


async def test_who_computes_elsewhere_is_waited_for(redis_server):
    async with nodes(redis_server) as found:
        started, go = asyncio.Event(), asyncio.Event()

        async def slowly():
            started.set()
            await go.wait()
            return "theirs"

        await found.cool(found.here)
        theirs = asyncio.create_task(found.there.get_or_compute("a:1", slowly))
        await started.wait()
        ours = asyncio.create_task(found.here.get_or_compute("a:1", unwanted))
        async with asyncio.timeout(10):
            while (await found.counted())[0] <= ENOUGH + 1:  # noqa: ASYNC110 - nobody tells that ours looks as well
                await asyncio.sleep(0.01)
        go.set()
        assert await theirs == await ours == "theirs"


async def test_one_computation_however_many_ask_a_cold_cache(redis_server):
    async with nodes(redis_server) as found:
        calls = []

        async def counted():
            calls.append(1)
            await asyncio.sleep(0.02)
            return "once"

        await found.cool(found.here)
        asked = [found.here.get_or_compute("a:1", counted) for _ in range(100)]
        assert set(await asyncio.gather(*asked)) == {"once"}
        assert len(calls) == 1


async def test_who_is_in_a_hurry_or_wants_it_anew_looks_first(redis_server):
    async with nodes(redis_server) as found:
        for options in ({"hard_timeout": 5}, {"soft_timeout": 5}, {"refresh": True}):
            await found.cool(found.here)
            call = found.here.get_or_compute(f"a:{options}", computes("x"), **options)
            assert await found.spent(call) == (1, 2)


async def test_over_a_client_that_hears_nothing_every_key_is_looked_for(redis_server):
    from redis.asyncio import Redis

    async with nodes(redis_server) as found, Redis.from_url(redis_server.url) as client:
        backend = RedisCache(client, prefix=f"test-{secrets.token_hex(6)}:", budget=5.0)
        async with Cache(backend) as cache:
            await found.cool(cache)
            assert (await found.spent(found.cool(cache, 20)))[0] == 20
        await backend.aclose()


async def test_on_a_link_that_went_silent_it_is_computed_once(redis_server, fault_proxy):
    """The lease is asked for in vain; what is computed without it is what the caller gets."""
    proxy, calls = fault_proxy(redis_server.port), []

    async def counted():
        calls.append(1)
        return "alone"

    async with RedisCache.open(f"redis://127.0.0.1:{proxy.port}/0", budget=0.2) as backend, Cache(backend) as cache:
        for number in range(ENOUGH):
            await cache.get_or_compute(f"a:{number}", computes("x"))
        proxy.fault = Blackhole()
        assert await cache.get_or_compute("a:silent", counted, local=False) == "alone"
        assert calls == [1]
        proxy.fault = None
