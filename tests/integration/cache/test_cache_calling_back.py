"""A backend that calls back: what may happen between an asking and its answer, each held by an event."""

# ruff: noqa: ASYNC110 - what is waited for is a count, which nobody signals

from __future__ import annotations

import asyncio

import pytest

from backstay.cache import MISSING, Cache, MemoryCache
from backstay.clock import ManualClock
from backstay.errors import ComputeTimeout
from backstay.testing.interposed import CallsBack

from .gated import Gated, turns

pytestmark = pytest.mark.asyncio

KEY = "ns:id:1"


@pytest.fixture
def memory():
    return MemoryCache()


@pytest.fixture
def backend(memory):
    return Gated(memory)


@pytest.fixture
def opened(backend):
    return Cache(CallsBack(backend))


async def forever():
    await asyncio.Event().wait()


async def test_a_miss_asks_for_the_lease_and_stores_and_needs_no_more(opened, backend):
    async with opened as cache:
        assert await cache.get_or_compute(KEY, lambda: "value") == "value"
        await backend.until("fill")
        assert await cache.get(KEY) == "value"
    assert backend.asked == ["acquire", "fill"]


async def test_the_value_is_handed_out_before_the_store_is_over_and_closing_waits_for_it(opened, backend, memory):
    backend.shut("fill")
    async with opened as cache, Cache(memory) as other:
        assert await cache.get_or_compute(KEY, lambda: "value") == "value"
        closing = asyncio.ensure_future(cache.aclose())
        await turns()
        assert not closing.done()
        backend.let_pass("fill")
        await asyncio.wait_for(closing, 5)
        assert await other.get(KEY) == "value"
    assert backend.asked == ["acquire", "fill"]


async def test_a_store_whose_answer_is_lost_is_tried_again(opened, backend):
    backend.lost.add("fill")
    async with opened as cache:
        assert await cache.get_or_compute(KEY, lambda: "value") == "value"
        await backend.until("fill", 2)
        assert await cache.get(KEY) == "value"
    assert backend.asked == ["acquire", "fill", "fill"]


async def test_a_store_whose_answer_is_lost_while_the_cache_closes_is_tried_again(opened, backend, memory):
    backend.shut("fill")
    backend.lost.add("fill")
    async with opened as cache, Cache(memory) as other:
        assert await cache.get_or_compute(KEY, lambda: "value") == "value"
        closing = asyncio.ensure_future(cache.aclose())
        await turns()
        backend.let_pass("fill")
        await asyncio.wait_for(closing, 5)
        assert await other.get(KEY) == "value"


async def test_an_asking_whose_answer_is_lost_is_repeated_and_computes_once(opened, backend):
    backend.lost.add("acquire")
    computed = []
    async with opened as cache:
        values = [cache.get_or_compute(KEY, lambda: computed.append(1) or "value") for _ in range(3)]
        assert await asyncio.gather(*values) == ["value"] * 3
    assert computed == [1]
    assert backend.asked.count("fill") == 1


async def test_a_lease_that_nobody_wants_any_more_is_given_back_before_the_next_one_asks(opened, backend):
    backend.shut("acquire")
    async with opened as cache:
        first = asyncio.ensure_future(cache.get_or_compute(KEY, forever))
        await backend.until("acquire")
        first.cancel()
        await turns()
        second = asyncio.ensure_future(cache.get_or_compute(KEY, lambda: "value"))
        await turns()
        backend.let_pass("acquire")
        assert await asyncio.wait_for(second, 5) == "value"
    assert backend.asked == ["acquire", "end", "acquire", "fill"]


async def test_who_is_left_has_the_computation_of_who_was_cancelled_while_asking(opened, backend):
    backend.shut("acquire")
    async with opened as cache:
        first = asyncio.ensure_future(cache.get_or_compute(KEY, lambda: "first"))
        await backend.until("acquire")
        second = asyncio.ensure_future(cache.get_or_compute(KEY, lambda: "second"))
        await turns()
        first.cancel()
        await turns()
        backend.let_pass("acquire")
        assert await asyncio.wait_for(second, 5) in ("first", "second")
    assert "end" not in backend.asked


async def test_an_asking_that_nobody_waits_for_and_whose_answer_is_lost_leaves_no_lease(opened, backend, memory):
    backend.shut("acquire")
    backend.lost.add("acquire")
    async with opened as cache, Cache(memory) as other:
        only = asyncio.ensure_future(cache.get_or_compute(KEY, forever))
        await backend.until("acquire")
        only.cancel()
        await turns()
        backend.let_pass("acquire")
        await backend.until("end")
        assert await asyncio.wait_for(other.get_or_compute(KEY, lambda: "value"), 5) == "value"


async def test_a_lease_that_is_granted_to_a_cache_that_closes_is_given_back(opened, backend, memory):
    backend.shut("acquire")
    async with opened as cache, Cache(memory) as other:
        caller = asyncio.ensure_future(cache.get_or_compute(KEY, lambda: "alone"))
        await backend.until("acquire")
        closing = asyncio.ensure_future(cache.aclose())
        await turns()
        assert not closing.done()
        backend.let_pass("acquire")
        await asyncio.wait_for(closing, 5)
        assert await asyncio.wait_for(caller, 5) == "alone"
        assert await other.get(KEY) is MISSING
        assert await asyncio.wait_for(other.get_or_compute(KEY, lambda: "value"), 5) == "value"
    assert backend.asked == ["acquire", "end"]


async def test_an_asking_that_outlasts_a_hard_timeout_goes_on(opened, backend):
    backend.shut("acquire")
    async with opened as cache:
        with pytest.raises(ComputeTimeout):
            await cache.get_or_compute(KEY, lambda: "value", hard_timeout=0.01)
        backend.let_pass("acquire")
        await backend.until("fill")
        assert await cache.get(KEY) == "value"


async def test_a_renewal_that_shares_an_asking_with_callers_who_go_away_goes_on():
    clock = ManualClock()
    backend = Gated(MemoryCache(clock=clock))
    async with Cache(CallsBack(backend), clock=clock) as cache:
        await cache.get_or_compute(KEY, lambda: "old", 1, swr=600)
        await backend.until("fill")
        clock.advance(2)
        backend.shut("acquire")
        callers = []
        for _ in range(2):  # the second asks after the first
            callers.append(asyncio.ensure_future(cache.get_or_compute(KEY, lambda: "new", 60, refresh=True)))
            await turns()
        assert await cache.get_or_compute(KEY, lambda: "new", 1, swr=600) == "old"
        await turns()
        assert cache._filler._renewing
        for caller in callers:
            caller.cancel()
        await turns()
        backend.let_pass("acquire")
        async with asyncio.timeout(5):
            while cache._filler._renewing:
                await asyncio.sleep(0)
        assert await cache.get(KEY) == "new"


async def test_many_keys_are_computed_while_somebody_else_still_computes_one_of_them(opened, backend, memory):
    """It is enough to know who computes a key: two calls that wait for each other's keys would wait for ever."""
    other, go = "ns:id:2", asyncio.Event()
    backend.shut("acquire")

    async def one(_keys):
        await go.wait()
        return {KEY: "one"}

    async def two(keys):
        go.set()
        return dict.fromkeys(keys, "two")

    async with opened as cache:
        first = asyncio.ensure_future(cache.get_or_compute(KEY, forever))
        await backend.until("acquire")
        ones = asyncio.ensure_future(cache.get_many_or_compute([KEY], one))
        await turns()
        twos = asyncio.ensure_future(cache.get_many_or_compute([KEY, other], two))
        await backend.until("acquire", 2)
        await turns()
        await memory.put(
            {KEY: None}, ttl=0.0
        )  # so the lease of the first is void, and who comes next is granted it
        backend.let_pass("acquire")
        async with asyncio.timeout(5):
            assert await ones == {KEY: "one"}
            assert await twos == {KEY: "one", other: "two"}
        first.cancel()


async def test_a_loop_whose_tasks_begin_at_once(opened, memory):
    if not hasattr(asyncio, "eager_task_factory"):
        return  # Python 3.11 has none
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    for each in (opened, Cache(memory)):
        async with each as cache:
            values = [cache.get_or_compute(f"ns:id:{number}", lambda: "value") for number in range(9)]
            assert await asyncio.gather(*values) == ["value"] * 9
            assert await cache.get("ns:id:3") == "value"
