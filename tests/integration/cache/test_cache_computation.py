"""What a computation says about its value, and what it is told of the old one. On memory and on a real Redis."""

# ruff: noqa: ASYNC110 - what is waited for is a fill that nobody is told of

import secrets
from contextlib import asynccontextmanager

import anyio
import pytest

from backstay.cache import MISSING, Cache, Defaults, MemoryCache, computation
from backstay.cache.redis import RedisCache
from backstay.clock import ManualClock
from backstay.errors import ComputeTimeout, InvalidKey, NotConfiguredError

pytestmark = pytest.mark.asyncio

KEY = "rates:id:1"


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def opened(request):
    clock = ManualClock()

    @asynccontextmanager
    async def open_cache():
        defaults = Defaults(jitter=0.0, beta=0.0)
        if request.param == "memory":
            async with Cache(MemoryCache(clock=clock), clock=clock, defaults=defaults, local=None) as cache:
                yield cache, clock
        else:
            url, prefix = request.getfixturevalue("redis_url"), f"computing-{secrets.token_hex(6)}:"
            async with (
                RedisCache.open(url, prefix=prefix, budget=10.0) as backend,
                Cache(backend, clock=clock, defaults=defaults, local=None) as cache,
            ):
                yield cache, clock

    return open_cache


async def test_a_computation_names_its_ttl_and_its_tags(opened):
    async with opened() as (cache, clock):

        async def compute():
            computation().ttl = 5
            computation().add_tags("daily")
            return "value"

        assert await cache.get_or_compute(KEY, compute, 3600, tags=("given",)) == "value"
        entry = await cache.get_entry(KEY)
        assert entry.tags == ("given", "daily")
        clock.advance(6.0)
        assert await cache.get(KEY) is MISSING
        await cache.get_or_compute(KEY, compute, 3600, tags=("given",))
        await cache.invalidate_tags("daily")
        assert await cache.get(KEY) is MISSING


async def test_a_ttl_of_nothing_stores_nothing(opened):
    async with opened() as (cache, _):

        async def compute():
            computation().ttl = 0
            return "value"

        assert await cache.get_or_compute(KEY, compute) == "value"
        assert await cache.get(KEY) is MISSING


async def test_not_modified_gives_the_old_value_another_ttl_and_keeps_its_etag(opened):
    async with opened() as (cache, clock):
        seen = []

        async def compute():
            this = computation()
            seen.append((this.stale, this.stale_etag))
            if this.stale_etag == "v1":
                return this.not_modified()
            this.etag = "v1"
            return "value"

        for _ in range(3):
            assert await cache.get_or_compute(KEY, compute, 10, grace=100) == "value"
            clock.advance(11.0)
        assert seen == [(MISSING, None), ("value", "v1"), ("value", "v1")]
        assert (await cache.get_entry(KEY)).tags == ()


async def test_what_was_invalidated_is_not_shown_to_the_next_computation(opened):
    async with opened() as (cache, _):
        seen = []

        async def compute():
            seen.append(computation().stale)
            return "value"

        for _ in range(2):
            await cache.get_or_compute(KEY, compute, 10, grace=100, tags=("t",))
            await cache.invalidate_tags("t")
        assert seen == [MISSING, MISSING]


async def test_a_caller_is_not_served_what_a_tag_that_only_the_computation_names_has_killed(opened):
    async with opened() as (cache, _):
        go, begun, calls = anyio.Event(), anyio.Event(), []

        async def compute():
            calls.append(1)
            number = len(calls)
            computation().add_tags("late")
            if number == 1:
                begun.set()
                await go.wait()
            return number

        results = []

        async def call():
            results.append(await cache.get_or_compute(KEY, compute))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await begun.wait()
            await cache.invalidate_tags("late")
            await cache.exists(KEY)  # this process hears of the invalidation
            group.start_soon(call)  # joins the flight, since nobody knows its tags yet
            with anyio.fail_after(10):
                while cache.stats().total.coalesced < 1:
                    await anyio.sleep(0.001)
            go.set()
        assert sorted(results) == [1, 2]


async def test_outside_a_computation_there_is_none():
    with pytest.raises(NotConfiguredError):
        computation()


async def test_there_is_nothing_that_could_be_not_modified(opened):
    async with opened() as (cache, _):
        with pytest.raises(NotConfiguredError, match="no old value"):
            await cache.get_or_compute(KEY, lambda: computation().not_modified())


async def test_a_tag_cannot_pass_for_the_caches_own(opened):
    async with opened() as (cache, _):
        with pytest.raises(InvalidKey, match="NUL"):
            await cache.get_or_compute(KEY, lambda: 1, tags=("\0etag:x",))


async def test_a_soft_timeout_serves_the_old_value_and_the_computation_goes_on(opened):
    async with opened() as (cache, clock):
        await cache.get_or_compute(KEY, lambda: "old", 10, grace=100)
        clock.advance(11.0)
        go = anyio.Event()

        async def slow():
            await go.wait()
            return "new"

        assert await cache.get_or_compute(KEY, slow, 10, grace=100, soft_timeout=0.01) == "old"
        go.set()
        with anyio.fail_after(10):
            while await cache.get(KEY) != "new":
                await anyio.sleep(0.001)


async def test_a_hard_timeout_is_an_error_and_the_computation_goes_on(opened):
    async with opened() as (cache, _):
        go = anyio.Event()

        async def slow():
            await go.wait()
            return "new"

        with pytest.raises(ComputeTimeout):
            await cache.get_or_compute(KEY, slow, 10, hard_timeout=0.01)
        go.set()
        with anyio.fail_after(10):
            while await cache.get(KEY) != "new":
                await anyio.sleep(0.001)
