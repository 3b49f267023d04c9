"""What ends at the wrong moment: callers, computations, connections and the cache itself. Nobody waits for ever."""

from __future__ import annotations

import asyncio
import secrets

import anyio
import pytest

from backstay.cache import Cache, MemoryCache
from backstay.cache.redis import RedisCache
from backstay.errors import CacheUnavailable, ComputeCancelled, ComputeTimeout
from backstay.testing.interposed import CallsBack, Interposed

KEY, OTHER = "ns:id:1", "ns:id:2"
SOON = 5.0


class Late(Interposed):
    """Some operations take a moment, before or after they are done."""

    def __init__(self, inner, *late):
        super().__init__(inner)
        self._late = late

    async def acquire(self, key, token, /, **options):
        answer = await super().acquire(key, token, **options)
        if "acquire" in self._late:
            await asyncio.sleep(0.05)
        return answer

    async def hold(self, key, token, /, *, lease):
        if not lease and "end" in self._late:
            await asyncio.sleep(0.05)
        return await super().hold(key, token, lease=lease)


@pytest.fixture
def memory():
    return MemoryCache()


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, SOON)


def start(coroutine):
    return asyncio.ensure_future(coroutine)


async def fails():
    await asyncio.sleep(0.01)
    raise ValueError


async def forever():
    await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_a_caller_cancelled_while_a_failure_gives_its_lease_back(memory):
    async with Cache(Late(memory, "end")) as cache, Cache(memory) as other:
        caller = start(cache.get_or_compute(KEY, fails))
        await asyncio.sleep(0.03)
        caller.cancel()
        assert await soon(other.get_or_compute(KEY, lambda: 1)) == 1  # told of the end of the lease
        assert not cache._filler._crew._keeper.leased


@pytest.mark.asyncio
async def test_closing_while_a_failure_gives_its_lease_back(memory):
    cache = Cache(Late(memory, "end"))
    caller = start(cache.get_or_compute(KEY, fails))
    await asyncio.sleep(0.03)
    await soon(cache.aclose())
    with pytest.raises(ValueError):  # noqa: PT011 - the computation's own
        await soon(caller)
    assert not memory._leases


@pytest.mark.asyncio
async def test_closing_wakes_who_waits_for_another_process(memory):
    async with Cache(memory) as other:
        cache, go = Cache(memory), asyncio.Event()
        first = start(other.get_or_compute(KEY, go.wait))
        await asyncio.sleep(0.02)
        caller = start(cache.get_or_compute(KEY, lambda: "alone"))
        await asyncio.sleep(0.02)
        await soon(cache.aclose())
        assert await soon(caller) == "alone"
        go.set()
        await first


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.asyncio
async def test_closing_in_any_turn_of_a_miss(memory, turns):
    cache = Cache(memory)
    caller = start(cache.get_or_compute(KEY, lambda: 1))
    for _ in range(turns):
        await asyncio.sleep(0)
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
async def test_closing_while_the_lease_is_asked_for_leaves_none(memory):
    cache = Cache(Late(memory, "acquire"))
    caller = start(cache.get_or_compute(KEY, lambda: 1))
    await asyncio.sleep(0.02)
    await soon(cache.aclose())
    assert await soon(caller) == 1
    assert not memory._leases


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.asyncio
async def test_who_is_cancelled_among_those_who_are_woken_leaves_nothing_behind(memory, turns):
    async with Cache(memory) as other, Cache(memory) as cache:
        go = asyncio.Event()

        async def slow():
            await go.wait()
            raise KeyError

        first = start(other.get_or_compute(KEY, slow))
        await asyncio.sleep(0.02)
        second = start(cache.get_or_compute(KEY, lambda: "theirs", hard_timeout=60, cache_if=lambda _: False))
        await asyncio.sleep(0.02)
        go.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert await soon(cache.get_or_compute(KEY, lambda: "mine")) == "mine"


@pytest.mark.asyncio
async def test_callers_that_never_stop_coming_do_not_pile_up_what_is_over(memory):
    async with Cache(memory) as cache:

        async def caller(delay):
            await asyncio.sleep(delay)
            for _ in range(100):
                await cache.get_or_compute(KEY, lambda: asyncio.sleep(0.001), cache_if=lambda _: False)

        callers = [start(caller(number * 0.0004)) for number in range(3)]
        await asyncio.sleep(0.1)
        assert all(len(crowd.flights) < 5 for crowd in cache._filler._crowds.values())
        await asyncio.gather(*callers)


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
async def test_two_who_close_at_once_need_no_longer_than_one(memory):
    cache = Cache(Late(memory, "end"))
    caller = start(cache.get_or_compute(KEY, forever))
    await asyncio.sleep(0.02)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await soon(asyncio.gather(cache.aclose(), cache.aclose()))
    assert loop.time() - began < 0.9  # it was a second: the one took from the other what would have woken it
    caller.cancel()


@pytest.mark.asyncio
async def test_who_wants_it_anew_is_not_given_what_was_seen_already(memory):
    class Gated(CallsBack):
        gate = None

        async def acquire(self, key, token, /, **options):
            gate, self.gate = self.gate, None
            answer = await super().acquire(key, token, **options)
            if gate is not None:
                await gate.wait()
            return answer

    backend = Gated(memory)
    backend.gate = gate = asyncio.Event()
    async with Cache(backend) as cache, Cache(memory) as other:
        first = start(cache.get_or_compute(KEY, lambda: "first"))
        await asyncio.sleep(0.01)
        second = start(cache.get_or_compute(KEY, lambda: "second"))
        await asyncio.sleep(0.01)
        await other.set(KEY, "seen", 60)
        third = start(cache.get_or_compute(KEY, lambda: "anew", refresh=True))
        await asyncio.sleep(0.01)
        gate.set()
        assert await soon(third) == "anew"
        await asyncio.gather(first, second)


@pytest.mark.asyncio
async def test_a_computation_that_somebody_joins_under_a_timeout_goes_on(memory):
    async with Cache(memory) as cache:
        go, ended = asyncio.Event(), asyncio.Event()

        async def compute():
            await go.wait()
            ended.set()

        first = start(cache.get_or_compute(KEY, compute))
        await asyncio.sleep(0.01)
        second = start(cache.get_or_compute(KEY, compute, hard_timeout=0.05))
        await asyncio.sleep(0.01)
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
async def test_a_caller_that_is_cancelled_has_missed_all_the_same(memory):
    async with Cache(memory) as cache:
        for number in range(12):
            await cache.get_or_compute(f"cold:id:{number}", lambda: 1)
        caller = start(cache.get_or_compute(KEY, forever))
        await asyncio.sleep(0.02)
        caller.cancel()
        await asyncio.sleep(0.02)
        assert cache.stats().namespaces["ns"].misses == 1


@pytest.mark.asyncio
async def test_a_store_whose_answer_was_lost_is_not_counted_as_refused(memory):
    class Loses(CallsBack):
        lost = False

        async def fill(self, key, token, value, /, *, ttl):
            stored = await super().fill(key, token, value, ttl=ttl)
            if not self.lost:
                self.lost = True
                raise CacheUnavailable("lost")
            return stored

    async with Cache(Loses(memory)) as cache:
        await cache.get_or_compute(KEY, lambda: 1)
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
                await asyncio.sleep(0.01)
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
