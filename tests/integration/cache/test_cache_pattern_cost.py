"""Invalidating by pattern touches no key, whatever the pattern and however many keys there are."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager

import pytest

from backstay.cache import MISSING, Cache, Invalidation, cache_key, key_pattern
from backstay.cache.globs import escape
from backstay.cache.redis import RedisCache
from backstay.testing.redis_monitor import watch

pytestmark = [pytest.mark.asyncio, pytest.mark.redis]

SEARCHES = ("KEYS", "SCAN", "HSCAN", "SSCAN", "ZSCAN", "FLUSHDB", "FLUSHALL", "DEL", "UNLINK", "RANDOMKEY", "SORT")
HOSTILE = [
    "*",
    "?",
    "[a-z]*",
    "[^x]*",
    "\\*",
    "a*",
    "**",
    "*]",
    "[",
    "{log}*",
    "bs:*",
    ":*",
    "*:*",
    "a\\",
    "\n*",
    "é*",
]
BYSTANDERS = ["a", "ab", "abc", "b:1", "x:y:z", "[", "{log}e", "bs:a"]


@asynccontextmanager
async def node(server, prefix="bs:", **options):
    async with (
        RedisCache.open(server.url, prefix=prefix, budget=5.0, **options) as backend,
        Cache(backend) as cache,
    ):
        yield cache


@pytest.mark.parametrize("keys", [10, 3000])
async def test_no_key_is_searched_for_and_the_commands_are_the_same_for_any_number_of_keys(redis_server, keys):
    async with node(redis_server) as cache:
        for start in range(0, keys, 1000):
            await cache.set_many({f"big:id:{number}": 1 for number in range(start, min(start + 1000, keys))})
        with watch(redis_server) as seen:
            for change in (
                cache.invalidate_pattern("big:*"),
                cache.invalidate_pattern("*:id:?1*"),
                cache.invalidate_namespace("big"),
                cache.invalidate_tags("none", "other"),
            ):
                assert await change is Invalidation.APPLIED
            assert await cache.get("big:id:1") is MISSING
            assert await cache.get_or_compute("big:id:2", lambda: "new") == "new"
        assert seen.named(*SEARCHES[:7]) == []
        # Beside a read and a miss: two commands per invalidation at most, and a heartbeat or two.
        assert len(seen.commands) <= 4 * 2 + 8 + 3, [command.name for command in seen.commands]


async def test_hostile_patterns_touch_no_key_at_all_and_kill_what_a_glob_matches_and_nothing_else(redis_server):
    """A user's text, quoted, in front of a star: no more than what begins with that text."""
    async with node(redis_server) as cache, node(redis_server, prefix="other:") as other:
        for hostile in HOSTILE:
            for key in BYSTANDERS:
                await cache.set(key, "stays")
                await other.set(key, "stays")
            own = f"{hostile}own"
            await cache.set(own, "goes")
            with watch(redis_server) as seen:
                assert await cache.invalidate_pattern(escape(hostile) + "*") is Invalidation.APPLIED
            assert seen.named(*SEARCHES) == []
            assert await cache.get(own) is MISSING
            for key in BYSTANDERS:
                expected = MISSING if key.startswith(hostile) else "stays"
                assert await cache.get(key) == expected, (hostile, key)
                assert await other.get(key) == "stays"


async def test_a_built_pattern_holds_values_and_not_their_stars(redis_server):
    async with node(redis_server) as cache:
        for name in ("*", "a", "a*", "[a]"):
            await cache.set(cache_key("user", name=name), name)
        await cache.invalidate_pattern(key_pattern("user", name="*"))
        left = [
            name for name in ("*", "a", "a*", "[a]") if await cache.get(cache_key("user", name=name)) is not MISSING
        ]
        assert left == ["a", "a*", "[a]"]


async def test_more_patterns_than_the_log_holds_make_misses_and_nothing_stale(redis_server):
    async with node(redis_server, max_records=64) as cache, node(redis_server, max_records=64) as reader:
        await cache.set("old:id:1", "old")
        await cache.invalidate_pattern("old:*")
        await cache.set("kept:id:1", "kept")
        for number in range(500):
            assert await cache.invalidate_pattern(f"other:{number}:*") is Invalidation.APPLIED
        assert await reader.get("old:id:1") is MISSING
        assert await reader.get("kept:id:1") in (MISSING, "kept")
        with redis_server.client() as client:
            assert client.call("ZCARD", "bs:{log}z") <= 64 + 1
        await cache.set("new:id:1", "new")
        assert await reader.get("new:id:1") == "new"


async def test_a_pattern_that_backtracks_elsewhere_is_quick_here(redis_server):
    async with node(redis_server) as cache, node(redis_server) as reader:
        key = "a" * 500
        await cache.set(key, "value")
        await cache.invalidate_pattern("*a" * 100 + "*b")
        began = time.perf_counter()
        assert await reader.get(key) == "value"
        assert time.perf_counter() - began < 1.0
