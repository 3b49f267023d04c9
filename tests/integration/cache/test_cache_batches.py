"""How many commands the reads of one turn of the loop are, counted by the server itself."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from backstay.cache import Cache, Claim
from backstay.cache.redis import RedisCache
from backstay.errors import CacheUnavailable

pytestmark = [pytest.mark.redis, pytest.mark.asyncio]

CALLERS = 64


async def _commands(url: str, value: bytes) -> int:
    """The MGETs of one turn in which 64 callers read values like this one, once such have been seen."""
    from redis.asyncio import Redis

    async def unwanted() -> bytes:
        raise AssertionError("it is there")

    async with (
        Redis.from_url(url) as client,
        RedisCache.open(url, prefix=f"test-{secrets.token_hex(6)}:", budget=5.0) as backend,
        Cache(backend, local=None) as cache,
    ):
        keys = [f"key:{number}" for number in range(CALLERS)]
        await cache.set_many(dict.fromkeys(keys, value))
        counted = []
        for _ in range(2):
            before = (await client.info("commandstats")).get("cmdstat_mget", {"calls": 0})["calls"]
            assert await asyncio.gather(*[cache.get_or_compute(key, unwanted) for key in keys]) == [value] * CALLERS
            counted.append((await client.info("commandstats"))["cmdstat_mget"]["calls"] - before)
        return counted[1]


async def test_what_one_turn_reads_is_one_command(redis_server):
    assert await _commands(redis_server.url, b"x" * 100) == 1


async def test_large_values_are_read_some_at_a_time(redis_server):
    assert 8 <= await _commands(redis_server.url, b"x" * 64 * 1024) <= 16


async def test_who_fills_a_command_that_cannot_be_sent_is_not_called_back_before_its_asking_returns(redis_server):
    told = []
    async with RedisCache.open(redis_server.url) as backend:
        for number in range(CALLERS):  # nothing has been waited for, so there is no connection yet
            backend.acquire_then(Claim(f"key:{number}", "token", 0, 0, 1.0, b""), told.append)
            assert not told
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(told) == CALLERS
        assert all(isinstance(each, CacheUnavailable) for each in told)
