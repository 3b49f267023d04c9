"""The embedded backend's bounds. What it shares with every backend is in the conformance suite."""

from __future__ import annotations

import pytest

from backstay.cache import MemoryCache
from backstay.cache.scopes import ScopeLog, tag_scope
from backstay.clock import ManualClock
from backstay.errors import ConfigError, ValueTooLarge

pytestmark = pytest.mark.asyncio


async def values(cache, *keys):
    return list((await cache.read(keys, since=0)).values)


async def test_beyond_so_many_entries_the_longest_unused_goes():
    cache = MemoryCache(max_entries=2)
    for key in ("a", "b"):
        await cache.put({key: b"1"}, ttl=60)
    assert await values(cache, "a") == [b"1"]  # now b is the longest unused
    await cache.put({"c": b"1"}, ttl=60)
    assert await values(cache, "a", "b", "c") == [b"1", None, b"1"]
    assert cache.size[0] == 2


async def test_beyond_so_many_bytes_entries_go_until_the_new_one_fits():
    cache = MemoryCache(max_bytes=3000)
    for key in ("a", "b", "c"):
        await cache.put({key: bytes(700)}, ttl=60)
    await cache.put({"d": bytes(1500)}, ttl=60)
    assert await values(cache, "a", "b", "d") == [None, None, bytes(1500)]
    entries, size = cache.size
    assert (entries, size <= 3000) == (2, True)


async def test_replacing_and_removing_give_the_bytes_back():
    cache = MemoryCache()
    for size in (10_000, 10, 5_000):
        await cache.put({"a": bytes(size)}, ttl=60)
    await cache.put({"a": None}, ttl=0)
    assert cache.size == (0, 0)


async def test_a_value_larger_than_the_whole_is_refused_and_harms_nothing():
    cache = MemoryCache(max_bytes=1000)
    await cache.put({"a": b"1"}, ttl=60)
    with pytest.raises(ValueTooLarge):
        await cache.put({"b": bytes(2000)}, ttl=60)
    assert await values(cache, "a", "b") == [b"1", None]


async def test_a_full_log_raises_the_floor_and_never_forgets_in_silence():
    clock = ManualClock()
    cache = MemoryCache(max_records=8, clock=clock)
    before = (await cache.read([], since=0)).epoch
    for place in range(9):
        await cache.bump([tag_scope(f"t{place}")])
    reading = await cache.read([], since=before)
    assert len(reading.records) <= 9
    log = ScopeLog()
    log.apply(reading.epoch, reading.records)
    assert all(log.newest("key", (f"t{place}",), before) for place in range(9))


async def test_bounds_below_one_are_refused():
    with pytest.raises(ConfigError):
        MemoryCache(max_entries=0)
