"""What ends at the wrong moment: callers, computations, connections and the cache itself. Nobody waits for ever."""

from __future__ import annotations

import asyncio
import secrets

import anyio
import pytest

from backstay.cache import Cache, MemoryCache
from backstay.cache.redis import RedisCache
from backstay.errors import ComputeCancelled, ComputeTimeout
from backstay.testing.interposed import CallsBack

from .gated import Gated, turns

KEY, OTHER = "ns:id:1", "ns:id:2"
SOON = 5.0


@pytest.fixture
def memory():
    return MemoryCache()


@pytest.fixture
def backend(memory):
    return Gated(memory)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, SOON)


def start(coroutine):
    return asyncio.ensure_future(coroutine)


async def fails():
    raise ValueError


async def forever():
    await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_a_caller_cancelled_while_a_failure_gives_its_lease_back(backend, memory):
    backend.shut("end")
    async with Cache(backend) as cache, Cache(memory) as other:
        caller = start(cache.get_or_compute(KEY, fails))
        await backend.until("end")
        caller.cancel()
        await turns()
        backend.let_pass("end")
        await turns()
        assert not cache._filler._crew._keeper.leased
        assert await soon(cache.get_or_compute(KEY, lambda: 1)) == 1
        assert await soon(other.get_or_compute(KEY, lambda: 2)) == 1


@pytest.mark.asyncio
async def test_closing_while_a_failure_gives_its_lease_back(backend, memory):
    backend.shut("end")
    cache = Cache(backend)
    caller = start(cache.get_or_compute(KEY, fails))
    await backend.until("end")
    closing = start(cache.aclose())
    await turns()
    backend.let_pass("end")
    await soon(closing)
    with pytest.raises(ValueError):  # noqa: PT011 - the computation's own
        await soon(caller)
    assert not memory._leases


@pytest.mark.asyncio
async def test_closing_wakes_who_waits_for_another_process(backend, memory):
    async with Cache(memory) as other:
        cache, go = Cache(backend), asyncio.Event()
        first = start(other.get_or_compute(KEY, go.wait))
        await turns()
        caller = start(cache.get_or_compute(KEY, lambda: "alone"))
        await backend.until("acquire")
        await turns()
        await soon(cache.aclose())
        assert await soon(caller) == "alone"
        go.set()
        await first


@pytest.mark.parametrize("later", range(6))
@pytest.mark.asyncio
async def test_closing_in_any_turn_of_a_miss(memory, later):
    cache = Cache(memory)
    caller = start(cache.get_or_compute(KEY, lambda: 1))
    await turns(later)
    await soon(cache.aclose())
    assert await soon(caller) == 1
    assert not memory._leases


@pytest.mark.asyncio
async def test_a_closed_cache_computes_many_as_well(memory):
    cache = Cache(memory)
    await cache.aclose()

    async def many(keys):
        return dict.fromkeys(keys, 1)

    assert await soon(cache.get_many_or_compute([KEY, OTHER], many)) == {KEY: 1, OTHER: 1}


@pytest.mark.asyncio
async def test_closing_while_the_lease_is_asked_for_leaves_none(backend, memory):
    backend.shut("acquire")
    cache = Cache(backend)
    caller = start(cache.get_or_compute(KEY, lambda: 1))
    await backend.until("acquire")
    await soon(cache.aclose())
    assert await soon(caller) == 1
    assert not memory._leases


@pytest.mark.parametrize("later", range(8))
@pytest.mark.asyncio
async def test_who_is_cancelled_among_those_who_are_woken_leaves_nothing_behind(backend, memory, later):
    async with Cache(memory) as other, Cache(backend) as cache:
        go = asyncio.Event()

        async def slow():
            await go.wait()
            raise KeyError

        first = start(other.get_or_compute(KEY, slow))
        await turns()
        second = start(cache.get_or_compute(KEY, lambda: "theirs", hard_timeout=60, cache_if=lambda _: False))
        await backend.until("acquire")
        await turns()
        go.set()
        await turns(later)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await turns(20)
        assert await soon(cache.get_or_compute(KEY, lambda: "mine")) == "mine"


@pytest.mark.asyncio
async def test_callers_that_never_stop_coming_do_not_pile_up_what_is_over(memory):
    most = 0
    async with Cache(memory) as cache:

        async def compute():
            nonlocal most
            most = max(most, *[len(crowd.flights) for crowd in cache._filler._crowds.values()])
            await turns(3)

        async def caller(later):
            await turns(later)
            for _ in range(100):
                await cache.get_or_compute(KEY, compute, cache_if=lambda _: False)

        await asyncio.gather(*[caller(number) for number in range(3)])
    assert most < 5


@pytest.mark.asyncio
async def test_a_computation_that_something_cancels_from_within_is_an_error_and_not_repeated(memory):
    computed = []

    async def compute():
        computed.append(1)
        other = asyncio.ensure_future(forever())
        other.cancel()
        await other

    async with Cache(memory) as cache:
        with pytest.raises(ComputeCancelled):
            await soon(cache.get_or_compute(KEY, compute))
    assert computed == [1]


@pytest.mark.asyncio
async def test_two_who_close_at_once_need_no_longer_than_one(backend):
    backend.shut("end")
    cache = Cache(backend)
    caller = start(cache.get_or_compute(KEY, forever))
    await backend.until("acquire")
    await turns()
    closing = [start(cache.aclose())]
    await backend.until("end")
    closing.append(start(cache.aclose()))
    await turns()
    backend.let_pass("end")
    await turns(20)
    assert all(
        each.done() for each in closing
    )  # not by a timer: the one took from the other what would have woken it
    await soon(caller_ended(caller))


async def caller_ended(caller):
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)


@pytest.mark.asyncio
async def test_who_wants_it_anew_is_not_given_what_was_seen_already(backend, memory):
    backend.shut("acquire")
    async with Cache(CallsBack(backend)) as cache, Cache(memory) as other:
        first = start(cache.get_or_compute(KEY, lambda: "first"))
        await backend.until("acquire")
        second = start(cache.get_or_compute(KEY, lambda: "second"))
        await turns()
        await other.set(KEY, "seen", 60)
        third = start(cache.get_or_compute(KEY, lambda: "anew", refresh=True))
        await turns()
        backend.let_pass("acquire")
        assert await soon(third) == "anew"
        await asyncio.gather(first, second)


@pytest.mark.asyncio
async def test_a_computation_that_somebody_joins_under_a_timeout_goes_on(backend):
    async with Cache(backend) as cache:
        go, ended = asyncio.Event(), asyncio.Event()

        async def compute():
            await go.wait()
            ended.set()

        first = start(cache.get_or_compute(KEY, compute))
        await backend.until("acquire")
        second = start(cache.get_or_compute(KEY, compute, hard_timeout=0.05))
        await backend.until("acquire", 2)
        await turns()
        first.cancel()
        with pytest.raises(ComputeTimeout):
            await second
        go.set()
        await soon(ended.wait())


@pytest.mark.asyncio
async def test_an_asking_that_raises_what_no_backend_should_holds_up_nobody(memory):
    class Raises(CallsBack):
        fresh = True

        def acquire_then(self, claim, then, /):
            if self.fresh:
                self.fresh = False
                raise LookupError(claim.key)
            super().acquire_then(claim, then)

    async with Cache(Raises(memory)) as cache:
        with pytest.raises(LookupError):
            await soon(cache.get_or_compute(KEY, lambda: 1))
        assert await soon(cache.get_or_compute(KEY, lambda: 1)) == 1


@pytest.mark.asyncio
async def test_a_caller_that_is_cancelled_has_missed_all_the_same(backend):
    async with Cache(backend) as cache:
        for number in range(12):
            await cache.get_or_compute(f"cold:id:{number}", lambda: 1)
        caller = start(cache.get_or_compute(KEY, forever))
        await backend.until("acquire", 13)
        await turns()
        await caller_ended(caller)
        assert cache.stats().namespaces["ns"].misses == 1


@pytest.mark.asyncio
async def test_a_store_whose_answer_was_lost_is_not_counted_as_refused(backend):
    backend.lost.add("fill")
    async with Cache(CallsBack(backend)) as cache:
        await cache.get_or_compute(KEY, lambda: 1)
    assert backend.asked.count("fill") == 2
    assert cache.stats().total.refused == 0


def test_closing_beside_a_miss_on_trio():
    async def main():
        cache = Cache(MemoryCache())
        async with anyio.create_task_group() as group:
            group.start_soon(cache.get_or_compute, KEY, lambda: 1)
            group.start_soon(cache.aclose)

    for _ in range(8):
        anyio.run(main, backend="trio")


@pytest.mark.redis
@pytest.mark.asyncio
async def test_a_connection_that_is_cut_as_a_computation_ends_leaves_no_lease(redis_url):
    async with (
        RedisCache.open(redis_url, prefix=f"test-{secrets.token_hex(6)}:") as backend,
        Cache(backend) as cache,
    ):

        async def compute():
            await cache.exists(KEY)  # there is a connection
            backend._link._wire.end(ConnectionError("cut"))
            return 1

        assert await cache.get_or_compute(KEY, compute) == 1
        async with asyncio.timeout(SOON):
            while not cache.stats().available:
                await cache.exists(OTHER)
                await asyncio.sleep(0)
        assert await soon(cache.get_or_compute(KEY, lambda: 2)) == 2  # the lease would have had ten seconds


@pytest.mark.redis
@pytest.mark.asyncio
async def test_bytes_in_a_lease_that_are_nobodys_hold_up_nobody_else(redis_url):
    from redis.asyncio import Redis

    prefix = f"test-{secrets.token_hex(6)}:"
    async with (
        Redis.from_url(redis_url) as client,
        RedisCache.open(redis_url, prefix=prefix) as backend,
        Cache(backend) as cache,
    ):
        await client.set(f"{prefix}{{:{KEY}}}l", b"\xff\xfe:9999999999999999", px=100)
        keys = [KEY, OTHER, "ns:id:3"]
        assert await soon(asyncio.gather(*[cache.get_or_compute(key, lambda: 1) for key in keys])) == [1] * 3


@pytest.mark.redis
@pytest.mark.asyncio
async def test_a_backend_that_was_closed_unused_is_one_that_is_away(redis_url):
    async with RedisCache.open(redis_url) as backend:
        pass
    async with Cache(backend) as cache:
        assert await soon(cache.get_or_compute(KEY, lambda: 1)) == 1
