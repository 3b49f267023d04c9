"""A key that is asked for all the time never makes anybody wait, and an invalidation spares no old copy of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from backstay.cache import MISSING, Cache
from backstay.cache.redis import RedisCache

pytestmark = [pytest.mark.asyncio, pytest.mark.redis]

KEY = "hot:id:1"
TTL = 1.0
COST = 0.03
TTLS = 20
READERS = 2


@asynccontextmanager
async def nodes(count, url, **options):
    prefix = f"hot-{secrets.token_hex(4)}:"
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Cache(await stack.enter_async_context(RedisCache.open(url, prefix=prefix, budget=5.0)), **options)
            )
            for _ in range(count)
        ]


WAYS = {
    "renewed early": {},
    "served stale meanwhile": {"swr": TTL, "early": 0.0},
    "both": {"swr": TTL},
}


async def keep_hot(url, way, tier):
    """Ask for the key all the time, on three nodes. What each node counted, and how often was computed."""
    computed = 0

    async def compute():
        nonlocal computed
        computed += 1
        await asyncio.sleep(COST)
        return "value"

    async def read(cache, until):
        while time.monotonic() < until:
            await cache.get_or_compute(KEY, compute, TTL, **WAYS[way])
            await asyncio.sleep(0.008)

    async with nodes(3, url, **tier) as caches:
        for cache in caches:
            await cache.get_or_compute(KEY, compute, TTL, **WAYS[way])
        warm, computed = [cache.stats().total for cache in caches], 0
        until = time.monotonic() + TTLS * TTL
        await asyncio.gather(*(read(cache, until) for cache in caches for _ in range(READERS)))
        counts = [cache.stats().total for cache in caches]
    served = sum(now.hits + now.stale - then.hits - then.stale for now, then in zip(counts, warm, strict=True))
    waited = sum(now.misses - then.misses for now, then in zip(counts, warm, strict=True))
    return served, waited, computed


async def stalls(longer_than):
    """How often this event loop was late, until it is cancelled."""
    count = 0
    try:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            count += time.monotonic() - began - 0.005 > longer_than
    except asyncio.CancelledError:
        return count


@pytest.mark.slow
async def test_no_request_waits_on_a_computation_after_the_first(redis_url, tier):
    """Over 20 lifetimes and three nodes, with at most 1.2 computations per lifetime for all of them."""
    late = asyncio.create_task(stalls(COST))
    ways = await asyncio.gather(*(keep_hot(redis_url, way, tier[0]) for way in WAYS))
    late.cancel()
    for way, (served, waited, computed) in zip(WAYS, ways, strict=True):
        assert served > TTLS * 100, way
        # Renewing early is a bet on the computation's cost: a loop that stood still for longer has lost it.
        excused = await late * 3 * READERS if way == "renewed early" else 0
        assert waited <= excused, way
        assert TTLS * 0.5 <= computed <= TTLS * 1.2, way


INVALIDATIONS = {
    "key": lambda cache: cache.invalidate(KEY),
    "pattern": lambda cache: cache.invalidate_pattern("h?t:*"),
    "namespace": lambda cache: cache.invalidate_namespace("hot"),
    "tag": lambda cache: cache.invalidate_tags("warm"),
}
COPIES = {
    "fresh": (60.0, {}, 0.0),
    "within grace": (0.02, {"grace": 60.0}, 0.05),
    "stale while it is renewed": (0.02, {"swr": 60.0}, 0.05),
    "for a soft timeout": (0.02, {"grace": 60.0, "soft_timeout": 0.01}, 0.05),
}


def fails():
    raise LookupError("the source is away")


@pytest.mark.parametrize("by", [0, 1], ids=["by the same node", "by another node"])
@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("kind", INVALIDATIONS)
async def test_an_invalidation_kills_every_copy(redis_url, kind, copy, by):
    ttl, options, age = COPIES[copy]
    options = {"tags": ("warm",), "early": 0.0, "jitter": 0.0, "local": False} | options
    async with nodes(2, redis_url) as caches:
        assert await caches[0].get_or_compute(KEY, lambda: "old", ttl, **options) == "old"
        await asyncio.sleep(age)  # the ttl of a real server
        await INVALIDATIONS[kind](caches[by])
        for cache in caches:
            with pytest.raises(LookupError):  # nothing is left that could stand in for the source
                await cache.get_or_compute(KEY, fails, ttl, **options)
            assert await cache.get(KEY) is MISSING
        assert await caches[0].get_or_compute(KEY, lambda: "new", ttl, **options) == "new"
        assert await caches[1].get_or_compute(KEY, lambda: "newer", 60.0, **options) == "new"


@pytest.mark.parametrize("copy", ["within grace", "for a soft timeout"])
async def test_the_copy_serves_while_nobody_invalidates_it(redis_url, copy):
    """The control: what the test above kills was alive."""
    ttl, options, age = COPIES[copy]
    async with nodes(1, redis_url) as (cache,):
        await cache.get_or_compute(KEY, lambda: "old", ttl, jitter=0.0, **options)
        await asyncio.sleep(age)
        assert await cache.get_or_compute(KEY, fails, ttl, **options) == "old"
