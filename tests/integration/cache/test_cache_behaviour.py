"""What callers of the cache can rely on, on the embedded backend and on a real Redis.

Time is a `ManualClock`'s, order is made by events; two nodes are two caches on one store.
"""

import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio
import anyio.lowlevel
import pytest
import pytest_asyncio

from backstay.cache import MISSING, Cache, Defaults, Invalidation, MemoryCache, WarmItem
from backstay.cache.events import ComputationFailed, NotStored
from backstay.cache.keys import stored_name
from backstay.cache.redis import RedisCache
from backstay.clock import ManualClock
from backstay.errors import LockLost, LockNotAcquired, SealingRequired

pytestmark = pytest.mark.asyncio

KEY = "ns:id:1"


class Store:
    """One store, and as many nodes on it as a test opens."""

    def __init__(self, open_backend, clock):
        self.open_backend = open_backend
        self.clock = clock
        self.events = []
        self.stack = AsyncExitStack()

    async def backend(self):
        return await self.stack.enter_async_context(self.open_backend())

    async def node(self):
        backend = await self.backend()
        cache = Cache(
            backend,
            locks=backend,
            clock=self.clock,
            listeners=[self.events.append],
            defaults=Defaults(jitter=0.0, beta=0.0),
            local=None,  # exact on every node; what the local tier adds has tests of its own
        )
        return await self.stack.enter_async_context(cache)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def opener(request):
    clock = ManualClock()
    if request.param == "memory":
        memory = MemoryCache(clock=clock)

        @asynccontextmanager
        async def opened():
            yield memory

        return opened, clock
    url, prefix = request.getfixturevalue("redis_url"), f"cachetests-{secrets.token_hex(6)}:"
    return partial(RedisCache.open, url, prefix=prefix, budget=10.0), clock


@pytest_asyncio.fixture
async def store(opener):
    store = Store(*opener)
    async with store.stack:
        yield store
    assert not [event for event in store.events if type(event).__name__.startswith("Backend")]


class Computing:
    """A computation that says when it runs and ends when it is told to."""

    def __init__(self, value="value"):
        self.value = value
        self.calls = 0
        self.cancelled = 0
        self.started = anyio.Event()
        self.go = anyio.Event()

    async def __call__(self):
        self.calls += 1
        self.started.set()
        try:
            await self.go.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


async def until(happened, clock=None):
    """Let others run until it has happened; with a clock, wake who sleeps."""
    with anyio.fail_after(10):
        while not happened():
            if clock is not None:
                clock.advance(0.05)
            await anyio.sleep(0.001)


def computes(value, calls=None):
    async def compute():
        if calls is not None:
            calls.append(value)
        if isinstance(value, Exception):
            raise value
        return value

    return compute


async def test_one_computation_for_five_hundred_callers(store):
    cache, compute, results = await store.node(), Computing(), []

    async def call():
        results.append(await cache.get_or_compute(KEY, compute))

    async with anyio.create_task_group() as group:
        for _ in range(500):
            group.start_soon(call)
        await compute.started.wait()
        await until(lambda: cache.stats().total.coalesced == 499)
        compute.go.set()
    assert (compute.calls, results) == (1, ["value"] * 500)
    assert await cache.get_or_compute(KEY, compute) == "value"
    total = cache.stats().total
    assert (total.computed, total.misses, total.hits) == (1, 500, 1)


async def test_one_computation_for_two_nodes(store):
    nodes, compute, results = [await store.node(), await store.node()], Computing(), []

    async def call(cache):
        results.append(await cache.get_or_compute(KEY, compute, lease=60))

    async with anyio.create_task_group() as group:
        for place in range(100):
            group.start_soon(call, nodes[place % 2])
        await compute.started.wait()
        await until(lambda: sum(node.stats().total.misses for node in nodes) == 100)
        compute.go.set()
        await until(lambda: len(results) == 100, store.clock)
    assert (compute.calls, results) == (1, ["value"] * 100)


@pytest.mark.parametrize("leaves", ["the first", "a waiter"])
async def test_a_caller_that_is_cancelled_leaves_alone(store, leaves):
    cache, compute, results = await store.node(), Computing(), []
    first, second = anyio.CancelScope(), anyio.CancelScope()

    async def call(scope):
        with scope:
            results.append(await cache.get_or_compute(KEY, compute))

    async with anyio.create_task_group() as group:
        group.start_soon(call, first)
        await compute.started.wait()
        group.start_soon(call, second)
        await until(lambda: cache.stats().total.coalesced == 1)
        (first if leaves == "the first" else second).cancel()
        await anyio.lowlevel.checkpoint()
        compute.go.set()
    assert (results, compute.calls, compute.cancelled) == (["value"], 1, 0)
    assert await cache.get(KEY) == "value"


async def test_when_all_callers_have_gone_the_computation_ends_and_nobody_waits_for_it(store):
    cache, other, compute = await store.node(), await store.node(), Computing()
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(cache.get_or_compute, KEY, compute)
        await compute.started.wait()
        await until(lambda: cache.stats().total.coalesced == 4)
        group.cancel_scope.cancel()
    await until(lambda: compute.cancelled == 1)
    with anyio.fail_after(10):  # the other node waits for a lease only if one was left behind
        found = []
        async with anyio.create_task_group() as group:

            async def call():
                found.append(await other.get_or_compute(KEY, computes("new")))

            group.start_soon(call)
            await until(lambda: found, None if store.clock.monotonic() else store.clock)
    assert found == ["new"]
    assert store.clock.monotonic() < 5


async def test_an_error_reaches_all_who_wait_once_and_is_not_cached(store):
    cache, compute, errors = await store.node(), Computing(ValueError("no")), []

    async def call():
        try:
            await cache.get_or_compute(KEY, compute)
        except ValueError as exc:
            errors.append(exc)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
        await compute.started.wait()
        await until(lambda: cache.stats().total.coalesced == 19)
        compute.go.set()
    assert (len(errors), compute.calls) == (20, 1)
    assert await cache.get(KEY) is MISSING
    assert await cache.get_or_compute(KEY, computes("good")) == "good"


async def test_none_is_a_value(store):
    cache, calls = await store.node(), []
    for _ in range(3):
        assert await cache.get_or_compute(KEY, computes(None, calls)) is None
    assert len(calls) == 1
    assert await cache.get(KEY) is None
    assert await cache.get("ns:other") is MISSING
    assert await cache.get("ns:other", 5) == 5


async def test_some_values_are_not_kept(store):
    cache, calls = await store.node(), []
    for _ in range(2):
        assert await cache.get_or_compute("ns:a", computes(None, calls), negative_ttl=0) is None
        assert await cache.get_or_compute("ns:b", computes(0, calls), cache_if=bool) == 0
    assert len(calls) == 4
    await cache.get_or_compute("ns:c", computes(None), 100, negative_ttl=10)
    store.clock.advance(11)
    assert await cache.get("ns:c") is MISSING


INVALIDATIONS = {
    "key": lambda cache: cache.invalidate(KEY),
    "pattern": lambda cache: cache.invalidate_pattern("ns:*:1"),
    "tag": lambda cache: cache.invalidate_tags("tag"),
    "namespace": lambda cache: cache.invalidate_namespace("ns"),
}


@pytest.mark.parametrize("kind", INVALIDATIONS)
@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_what_was_begun_before_an_invalidation_is_never_stored(store, kind, where):
    here, there = await store.node(), await store.node()
    old, new, results = Computing("old"), Computing("new"), []

    async def call(cache, compute):
        results.append(await cache.get_or_compute(KEY, compute, tags=["tag"]))

    async with anyio.create_task_group() as group:
        group.start_soon(call, here, old)
        await old.started.wait()
        assert await INVALIDATIONS[kind](here if where == "here" else there) is Invalidation.APPLIED
        # Whoever comes now, anywhere, neither waits for the old computation nor joins it.
        for cache in (there, here):
            group.start_soon(call, cache, new)
        await new.started.wait()
        old.go.set()
        await until(lambda: results == ["old"])
        assert await there.get(KEY) is MISSING
        new.go.set()
        await until(lambda: len(results) == 3, store.clock)
    assert results == ["old", "new", "new"]
    assert new.calls == 1
    assert [await cache.get(KEY) for cache in (here, there)] == ["new", "new"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_what_is_set_during_a_computation_stays(store, where):
    here, there = await store.node(), await store.node()
    old = Computing("old")
    async with anyio.create_task_group() as group:
        group.start_soon(here.get_or_compute, KEY, old)
        await old.started.wait()
        await (here if where == "here" else there).set(KEY, "set")
        assert [await cache.get(KEY) for cache in (here, there)] == ["set", "set"]
        old.go.set()
    assert [await cache.get(KEY) for cache in (here, there)] == ["set", "set"]
    assert here.stats().total.refused == 1


@pytest.mark.parametrize("kind", INVALIDATIONS)
async def test_what_was_stored_before_an_invalidation_is_gone_everywhere_and_nothing_else_is(store, kind):
    here, there = await store.node(), await store.node()
    await here.set_many({KEY: 1, "ns2:id:1": 2}, tags=["tag"])
    await here.set("ns2:id:1", 2, tags=["other"])
    assert await there.get(KEY) == 1
    assert await INVALIDATIONS[kind](here) is Invalidation.APPLIED
    for cache in (there, here):
        assert await cache.get(KEY) is MISSING
        assert await cache.get("ns2:id:1") == 2
    await there.set(KEY, 3, tags=["tag"])
    assert [await cache.get(KEY) for cache in (here, there)] == [3, 3]


async def test_a_stale_value_is_served_at_once_and_renewed_behind(store):
    cache, calls = await store.node(), []
    await cache.get_or_compute(KEY, computes("old", calls), 10, swr=20)
    store.clock.advance(15)
    assert await cache.get(KEY) is MISSING
    slow = Computing("new")
    assert await cache.get_or_compute(KEY, slow, 10, swr=20) == "old"
    await slow.started.wait()
    assert await cache.get_or_compute(KEY, slow, 10, swr=20) == "old"
    slow.go.set()
    await until(lambda: cache.stats().total.computed == 2)
    await until(lambda: not cache._filler._renewing)
    assert await cache.get_or_compute(KEY, slow, 10, swr=20) == "new"
    assert slow.calls == 1
    assert cache.stats().total.stale == 2


async def test_a_stale_value_helps_when_computing_fails(store):
    cache, broken = await store.node(), computes(ValueError("no"))
    await cache.get_or_compute(KEY, computes("old"), 10, grace=20)
    store.clock.advance(15)
    assert await cache.get_or_compute(KEY, broken, 10, grace=20) == "old"
    assert [event.served_stale for event in store.events if isinstance(event, ComputationFailed)] == [True]
    with pytest.raises(ValueError, match="no"):
        await cache.get_or_compute(KEY, broken, 10)
    await cache.invalidate_namespace("ns")
    with pytest.raises(ValueError, match="no"):
        await cache.get_or_compute(KEY, broken, 10, grace=20)
    await cache.get_or_compute(KEY, computes("new"), 10, grace=20)
    store.clock.advance(31)
    with pytest.raises(ValueError, match="no"):
        await cache.get_or_compute(KEY, broken, 10, grace=20)


async def test_what_is_dear_is_renewed_ahead_of_its_expiry(store):
    cache, calls = await store.node(), []

    async def dear():
        calls.append(1)
        store.clock.advance(1)
        return len(calls)

    assert await cache.get_or_compute(KEY, dear, 100) == 1
    assert await cache.get_or_compute(KEY, dear, 100, early=0) == 1
    assert len(calls) == 1
    assert await cache.get_or_compute(KEY, dear, 100, early=1e7) == 1
    await until(lambda: not cache._filler._renewing)
    assert await cache.get(KEY) == 2


async def test_touch_gives_time_and_revives_nothing(store):
    cache, other = await store.node(), await store.node()
    await cache.set(KEY, 1, 10, tags=["tag"])
    store.clock.advance(8)
    assert await cache.touch(KEY, 10)
    store.clock.advance(8)
    assert await cache.get(KEY) == 1
    assert (await cache.get_entry(KEY)).tags == ("tag",)
    await other.invalidate_tags("tag")
    assert not await cache.touch(KEY, 10)
    assert await cache.get(KEY) is MISSING
    assert not await cache.touch("ns:no", 10)
    await cache.set("ns:old", 1, 10)
    store.clock.advance(10)
    assert not await cache.touch("ns:old", 10)


async def test_refresh_computes_although_something_is_there(store):
    cache = await store.node()
    await cache.set(KEY, "old")
    assert await cache.get_or_compute(KEY, computes("new"), refresh=True) == "new"
    assert await cache.get(KEY) == "new"


async def test_many_at_once(store):
    cache, asked = await store.node(), []
    assert await cache.set_many({"ns:a": 1, "ns:b": None}) is Invalidation.APPLIED
    assert await cache.get_many(["ns:b", "ns:no", "ns:a"]) == {"ns:b": None, "ns:a": 1}

    async def compute(keys):
        asked.append(sorted(keys))
        return {key: key.upper() for key in keys if key != "ns:void"}

    keys = ["ns:a", "ns:c", "ns:d", "ns:c", "ns:void"]
    expected = {"ns:a": 1, "ns:c": "NS:C", "ns:d": "NS:D"}
    assert await cache.get_many_or_compute(keys, compute) == expected
    assert asked == [["ns:c", "ns:d", "ns:void"]]
    assert await cache.get_many_or_compute(keys[:3], compute) == expected
    assert len(asked) == 1
    assert [await cache.exists(key) for key in ("ns:c", "ns:void")] == [True, False]
    await cache.invalidate("ns:a", "ns:c")
    assert await cache.get_many(keys) == {"ns:d": "NS:D"}


async def test_each_of_many_is_judged_by_itself(store):
    cache = await store.node()
    await cache.get_or_compute("ns:stale", computes(0), ttl=0.001, grace=60, jitter=0.0)
    await cache.set_many({"ns:tagged": 1, "ns:gone": 2}, tags=["t"])
    await cache.set_many({"ns:plain": 3, "other:plain": 4})
    await cache.invalidate_tags("t")
    await cache.set("ns:tagged", 5, tags=["t"])
    keys = ["ns:plain", "ns:stale", "ns:tagged", "ns:gone", "ns:\ud800", "other:plain", "ns:no"]
    await cache.set("ns:\ud800", 6)
    store.clock.advance(0.01)
    expected = {"ns:plain": 3, "ns:tagged": 5, "ns:\ud800": 6, "other:plain": 4}
    before = cache.stats()
    assert await cache.get_many(keys) == expected
    after = cache.stats()
    assert after.total.hits - before.total.hits == 4
    assert after.namespaces["ns"].misses - before.namespaces["ns"].misses == 3


async def test_warming_is_bounded_and_reports(store):
    cache, running, most, seen = await store.node(), [], [], []

    def item(number):
        async def compute():
            running.append(number)
            most.append(len(running))
            await anyio.lowlevel.checkpoint()
            running.remove(number)
            if number == 3:
                raise KeyError(number)
            return number

        return WarmItem(key=f"ns:id:{number}", compute=compute)

    report = await cache.warm(
        (item(number) for number in range(20)), concurrency=4, on_progress=lambda report: seen.append(report.done)
    )
    assert (report.done, report.failed) == (19, {"ns:id:3": "KeyError"})
    assert max(most) <= 4
    assert (len(seen), seen[-1]) == (20, 19)
    assert len(await cache.get_many([f"ns:id:{number}" for number in range(20)])) == 19


async def test_a_lock_is_one_holders_and_its_fence_grows(store):
    here, there = await store.node(), await store.node()
    async with here.lock("job", lease=60) as first:
        first.check()
        with pytest.raises(LockNotAcquired):
            async with there.lock("job", lease=60, wait=0):
                pytest.fail("two hold it")
        async with there.lock("other", lease=60, wait=0):
            pass
    async with there.lock("job", lease=60, wait=0) as second:
        assert second.fence > first.fence


async def test_a_holder_is_told_that_its_lock_was_lost(store):
    cache, backend = await store.node(), await store.backend()
    async with cache.lock("job", lease=60) as mine:
        await until(lambda: store.clock._sleepers)
        if isinstance(backend, MemoryCache):
            store.clock.advance(61)
        else:  # its lease ends by Redis' own clock, which nobody moves: take the lock away
            await backend._run((b"DEL", *backend._names.lock("job")[:1]))
            store.clock.advance(21)
        with anyio.fail_after(10):
            await mine.lost.wait()
        with pytest.raises(LockLost):
            mine.check()


async def test_a_sensitive_value_is_not_stored_unsealed(store):
    cache, calls = await store.node(), []
    for _ in range(2):
        assert await cache.get_or_compute(KEY, computes("secret", calls), sensitive=True) == "secret"
    assert len(calls) == 2
    assert {event.reason for event in store.events if isinstance(event, NotStored)} == {"unsealed"}
    with pytest.raises(SealingRequired):
        await cache.set(KEY, "secret", sensitive=True)
    assert (await (await store.backend()).read([KEY], since=0)).values == [None]
    assert "secret" not in repr(store.events)


async def test_a_value_that_cannot_be_stored_is_still_delivered(store):
    cache, value = await store.node(), object()
    assert await cache.get_or_compute(KEY, computes(value)) is value
    assert [event.reason for event in store.events if isinstance(event, NotStored)] == ["unencodable"]


@pytest.mark.parametrize("kind", ["empty", "foreign", "cut", "flipped", "another key's", "another codec's"])
async def test_wrong_bytes_are_a_miss_that_heals(store, kind):
    cache, backend, calls = await store.node(), await store.backend(), []
    await cache.set_many({KEY: "right", "ns:id:2": "other"})
    right, other = (await backend.read([KEY, "ns:id:2"], since=0)).values
    await cache.set(KEY, b"bytes", codec=bytes)
    typed = (await backend.read([KEY], since=0)).values[0]
    wrong = {
        "empty": b"",
        "foreign": b'{"json": true}' * 10,
        "cut": right[:-1],
        "flipped": right[:-1] + bytes((right[-1] ^ 1,)),
        "another key's": other,
        "another codec's": typed,
    }[kind]
    await backend.put({stored_name(KEY): wrong}, ttl=60)
    assert await cache.get(KEY) is MISSING
    assert await cache.get_many([KEY, "ns:id:2"], local=False) == {"ns:id:2": "other"}
    assert cache.stats().total.doubted >= 2
    for _ in range(2):
        assert await cache.get_or_compute(KEY, computes("healed", calls)) == "healed"
    assert len(calls) == 1


async def test_a_closed_cache_computes(store):
    cache = await store.node()
    await cache.aclose()
    assert await cache.get_or_compute(KEY, computes(1)) == 1
