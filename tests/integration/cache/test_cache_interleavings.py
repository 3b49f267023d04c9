"""What two calls do to each other that the fuzzer of schedules found: each is one interleaving, held by events."""

from __future__ import annotations

# ruff: noqa: ASYNC110 - what is waited for is a count, which nobody signals
import anyio
import pytest

from backstay.cache import MISSING, Cache, MemoryCache

pytestmark = pytest.mark.asyncio

KEYS = ["ns:id:1", "ns:id:2"]


class Gated(MemoryCache):
    """Answers the question for the lease of the second key only when told to."""

    def __init__(self):
        super().__init__()
        self.asked = anyio.Event()
        self.go = anyio.Event()

    async def acquire(self, key, token, /, **options):
        if key == KEYS[1]:
            self.asked.set()
            await self.go.wait()
        return await super().acquire(key, token, **options)


class Interrupted(MemoryCache):
    """Does something between a read and what follows from it."""

    then = None

    async def read(self, keys, /, *, since):
        found = await super().read(keys, since=since)
        if keys and self.then is not None:
            then, self.then = self.then, None
            await then()
        return found


async def test_touch_revives_nothing_that_is_invalidated_while_it_looks():
    backend = Interrupted()
    async with Cache(backend) as cache, Cache(backend) as other:
        await cache.set(KEYS[0], "old")
        backend.then = lambda: other.invalidate(KEYS[0])
        assert not await cache.touch(KEYS[0], 60)
        assert await other.get(KEYS[0]) is MISSING
        assert await other.get_or_compute(KEYS[0], lambda: "new") == "new"  # and it left no lease behind


async def test_touch_keeps_what_is_set_while_it_looks():
    backend = Interrupted()
    async with Cache(backend) as cache, Cache(backend) as other:
        await cache.set(KEYS[0], "old")
        backend.then = lambda: other.set(KEYS[0], "new")
        assert not await cache.touch(KEYS[0], 60)
        assert await other.get(KEYS[0]) == "new"


async def test_a_batch_that_is_cancelled_while_it_asks_serves_who_waits_for_one_of_its_keys():
    backend, results, asked = Gated(), [], []

    async def many(keys):
        asked.append(list(keys))
        return dict.fromkeys(keys, "from the batch")

    async def single(cache):
        results.append(await cache.get_or_compute(KEYS[0], lambda: "alone"))

    async with Cache(backend) as cache, anyio.create_task_group() as group:
        batch = anyio.CancelScope()

        async def call():
            with batch:
                await cache.get_many_or_compute(KEYS, many)

        group.start_soon(call)
        await backend.asked.wait()  # the first key has been granted, the second has not been answered
        group.start_soon(single, cache)
        while not cache.stats().total.coalesced:
            await anyio.sleep(0.001)
        batch.cancel()
        with anyio.fail_after(5):
            while not results:
                await anyio.sleep(0.001)
        backend.go.set()
    assert results == ["from the batch"]
    assert asked == [[KEYS[0]]]


async def test_a_batch_that_is_cancelled_while_it_computes_serves_who_waits_for_its_second_key():
    begun, go, results, asked = anyio.Event(), anyio.Event(), [], []

    async def many(keys):
        asked.append(sorted(keys))
        begun.set()
        await go.wait()
        return dict.fromkeys(keys, "from the batch")

    async def single(cache):
        results.append(await cache.get_or_compute(KEYS[1], lambda: "alone"))

    async with Cache(MemoryCache()) as cache, anyio.create_task_group() as group:
        batch = anyio.CancelScope()

        async def call():
            with batch:
                await cache.get_many_or_compute(KEYS, many)

        group.start_soon(call)
        await begun.wait()
        group.start_soon(single, cache)
        while not cache.stats().total.coalesced:
            await anyio.sleep(0.001)
        batch.cancel()
        await anyio.wait_all_tasks_blocked()
        go.set()
        with anyio.fail_after(5):
            while not results:
                await anyio.sleep(0.001)
    assert results == ["from the batch"]
    assert asked[0] == KEYS


async def test_a_cache_that_is_closed_while_a_caller_asks_for_the_lease_serves_that_caller():
    backend = Gated()
    async with Cache(backend) as other:
        cache, served = Cache(backend), []

        async def call():
            served.append(await cache.get_or_compute(KEYS[1], lambda: "computed"))

        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await backend.asked.wait()
            await cache.aclose()
            backend.go.set()
        assert served == ["computed"]
        assert await other.get(KEYS[1]) is MISSING
        assert await other.get_or_compute(KEYS[1], lambda: "stored") == "stored"  # and no lease was left behind
