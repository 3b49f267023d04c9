"""Two nodes on one store: what one invalidates, neither serves again. On memory and on a real Redis."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from backstay.cache import MISSING, Cache, Defaults, Invalidation, MemoryCache, cache_key, key_pattern
from backstay.cache.redis import RedisCache

KEY = cache_key("prices", symbol="AAPL")


@pytest.fixture(params=["memory", "redis"])
def nodes(request):
    """Opens two caches on one store."""

    @asynccontextmanager
    async def open_nodes():
        async with AsyncExitStack() as stack:
            if request.param == "memory":
                memory = MemoryCache()
                backends = [memory, memory]
            else:
                url, prefix = request.getfixturevalue("redis_url"), f"test-{secrets.token_hex(6)}:"
                backends = [
                    await stack.enter_async_context(RedisCache.open(url, prefix=prefix, budget=5.0))
                    for _ in range(2)
                ]
            yield [
                await stack.enter_async_context(
                    Cache(backend, locks=backend, defaults=Defaults(jitter=0.0), local=None)
                )
                for backend in backends
            ]

    return open_nodes


class Source:
    """A computation that a test holds open and lets go."""

    def __init__(self, value="old"):
        self.value = value
        self.calls = 0
        self.begun = asyncio.Event()
        self.release = asyncio.Event()

    async def held(self):
        self.calls += 1
        value = self.value
        self.begun.set()
        await self.release.wait()
        return value

    async def at_once(self):
        self.calls += 1
        return self.value


INVALIDATIONS = {
    "key": lambda cache: cache.invalidate(KEY),
    "pattern": lambda cache: cache.invalidate_pattern("prices:*"),
    "built pattern": lambda cache: cache.invalidate_pattern(key_pattern("prices", symbol="AAPL")),
    "namespace": lambda cache: cache.invalidate_namespace("prices"),
    "tag": lambda cache: cache.invalidate_tags("daily"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
@pytest.mark.parametrize("by", [0, 1], ids=["by the same node", "by another node"])
async def test_a_computation_from_before_an_invalidation_is_never_served_after_it(nodes, invalidate, by):
    async with nodes() as both:
        old, new = Source("old"), Source("new")
        early = asyncio.create_task(both[0].get_or_compute(KEY, old.held, tags=("daily",)))
        await old.begun.wait()
        assert await invalidate(both[by]) is Invalidation.APPLIED
        for node in both:  # a later caller computes anew, and is not made to wait for the old one
            assert await node.get_or_compute(KEY, new.at_once, tags=("daily",)) == "new"
        old.release.set()
        assert await early == "old"  # who came before the invalidation may have the old value
        for node in both:
            assert await node.get(KEY) == "new"
        assert (old.calls, new.calls) == (1, 1)


@pytest.mark.asyncio
async def test_a_set_during_a_computation_wins(nodes):
    async with nodes() as both:
        old = Source("old")
        early = asyncio.create_task(both[0].get_or_compute(KEY, old.held))
        await old.begun.wait()
        assert await both[1].set(KEY, "set") is Invalidation.APPLIED
        old.release.set()
        assert await early == "old"
        for node in both:
            assert await node.get(KEY) == "set"
        assert both[0].stats().total.refused == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("invalidate", INVALIDATIONS.values(), ids=INVALIDATIONS)
async def test_what_is_stored_is_gone_after_an_invalidation_and_can_be_stored_again(nodes, invalidate):
    async with nodes() as both:
        for round_ in range(3):
            await both[0].set(KEY, round_, tags=("daily",))
            for node in both:
                assert await node.get(KEY) == round_
            await invalidate(both[1])
            for node in both:
                assert await node.get(KEY) is MISSING


@pytest.mark.asyncio
async def test_one_computation_for_two_nodes(nodes):
    async with nodes() as both:
        source = Source("value")
        callers = [asyncio.create_task(node.get_or_compute(KEY, source.held)) for node in both for _ in range(50)]
        await source.begun.wait()
        source.release.set()
        assert set(await asyncio.gather(*callers)) == {"value"}
        assert source.calls == 1


@pytest.mark.asyncio
async def test_a_lease_outlives_its_time_while_its_computation_runs(nodes):
    async with nodes() as both:
        source, other = Source("slow"), Source("twice")
        early = asyncio.create_task(both[0].get_or_compute(KEY, source.held, lease=0.15))
        await source.begun.wait()
        late = asyncio.create_task(both[1].get_or_compute(KEY, other.at_once, lease=0.15))
        done, _ = await asyncio.wait([late], timeout=0.5)  # more than three times the lease
        assert not done
        source.release.set()
        assert await early == await late == "slow"
        assert other.calls == 0


@pytest.mark.asyncio
async def test_cancelling_callers_disturbs_no_other(nodes):
    async with nodes() as both:
        source = Source("value")
        callers = [asyncio.create_task(both[0].get_or_compute(KEY, source.held)) for _ in range(20)]
        await source.begun.wait()
        for doomed in (callers[0], callers[7]):
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
        source.release.set()
        rest = [caller for caller in callers if not caller.cancelled()]
        assert await asyncio.gather(*rest) == ["value"] * 18
        assert source.calls == 1


@pytest.mark.asyncio
async def test_when_the_last_caller_has_gone_the_computation_ends_and_frees_the_key(nodes):
    async with nodes() as both:
        source, other = Source("never"), Source("other")
        caller = asyncio.create_task(both[0].get_or_compute(KEY, source.held))
        await source.begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert await asyncio.wait_for(both[1].get_or_compute(KEY, other.at_once), 2.0) == "other"


@pytest.mark.asyncio
async def test_an_error_reaches_all_who_wait_once_and_is_not_cached(nodes):
    async with nodes() as both:
        begun, release, calls = asyncio.Event(), asyncio.Event(), []

        async def failing():
            calls.append(1)
            begun.set()
            await release.wait()
            raise LookupError("no such symbol")

        callers = [asyncio.create_task(both[0].get_or_compute(KEY, failing)) for _ in range(50)]
        await begun.wait()
        release.set()
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert {type(result) for result in results} == {LookupError}
        assert len(calls) == 1
        assert await both[1].get_or_compute(KEY, lambda: "recovered") == "recovered"


@pytest.mark.asyncio
async def test_none_is_a_value(nodes):
    async with nodes() as both:
        source = Source(None)
        for node in both:
            assert await node.get_or_compute(KEY, source.at_once) is None
        assert source.calls == 1
        assert await both[0].get(KEY, "default") is None


@pytest.mark.asyncio
async def test_one_computation_for_all_that_are_missing(nodes):
    async with nodes() as both:
        asked = []

        async def many(keys):
            asked.append(sorted(keys))
            return {key: key.upper() for key in keys if key != "none"}

        await both[0].set("b", "there")
        keys = ["a", "b", "c", "none"]
        assert await both[0].get_many_or_compute(keys, many) == {"a": "A", "b": "there", "c": "C"}
        assert await both[1].get_many_or_compute(keys, many) == {"a": "A", "b": "there", "c": "C"}
        assert asked == [["a", "c", "none"], ["none"]]


@pytest.mark.asyncio
async def test_touch_prolongs_what_is_there_and_revives_nothing(nodes):
    async with nodes() as both:
        assert not await both[0].touch(KEY, 60)
        await both[0].set(KEY, "value", ttl=5)
        assert await both[1].touch(KEY, 60)
        entry = await both[0].get_entry(KEY)
        assert 50 < entry.expires_in <= 60
        await both[0].invalidate_namespace("prices")
        assert not await both[1].touch(KEY, 60)


@pytest.mark.asyncio
async def test_a_lock_is_held_by_one_and_its_fence_grows(nodes):
    async with nodes() as both:
        inside, fences = [], []

        async def work(node):
            async with node.lock("job", lease=5.0) as lease:
                inside.append(1)
                assert len(inside) == 1
                await asyncio.sleep(0)
                fences.append(lease.fence)
                lease.check()
                inside.pop()

        await asyncio.gather(*[work(node) for node in both for _ in range(5)])
        assert fences == sorted(set(fences))
        assert len(fences) == 10
