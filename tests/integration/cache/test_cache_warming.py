"""Warming: as many at a time as asked for, no faster than asked for, and nothing stops it."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from backstay.cache import Cache, MemoryCache, WarmItem
from backstay.clock import ManualClock
from backstay.errors import ConfigError

pytestmark = pytest.mark.asyncio


async def test_no_more_run_at_once_than_asked_for_and_each_is_reported():
    running, most, seen = [], [], []

    async def compute():
        running.append(1)
        most.append(len(running))
        await anyio.lowlevel.checkpoint()
        running.pop()
        return 1

    async def failing():
        raise LookupError

    items = [WarmItem(key=f"key:{place}", compute=compute) for place in range(20)]
    items.insert(3, WarmItem(key="key:bad", compute=failing))
    async with Cache(MemoryCache()) as cache:
        report = await cache.warm(items, concurrency=4, on_progress=lambda now: seen.append(now.done))
        assert report.done == 20
        assert report.failed == {"key:bad": "LookupError"}
        assert max(most) <= 4
        assert seen[-1] == 20
        assert len(seen) == 21
        assert await cache.exists("key:19")


async def test_no_more_start_in_a_second_than_asked_for():
    clock, started = ManualClock(), []

    async def compute():
        started.append(clock.monotonic())
        return 1

    items = [WarmItem(key=f"key:{place}", compute=compute) for place in range(6)]
    async with Cache(MemoryCache(clock=clock), clock=clock) as cache, anyio.create_task_group() as group:
        group.start_soon(lambda: cache.warm(items, concurrency=3, rate=2.0))
        for step in range(30):
            await anyio.wait_all_tasks_blocked()
            assert len(started) <= 1 + int(clock.monotonic() / 0.5)
            if step % 2:
                clock.advance(0.25)
    assert started == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]


async def test_bounds_that_mean_nothing_are_refused():
    async with Cache(MemoryCache()) as cache:
        with pytest.raises(ConfigError):
            await cache.warm([], concurrency=0)
        with pytest.raises(ConfigError):
            await cache.warm([], rate=0.0)
