"""Sensitive values through the whole cache: the store is told nothing, and rotation is a miss at worst."""

from __future__ import annotations

import secrets

import pytest

from backstay.cache import MISSING, Cache, Transcoder
from backstay.cache.aead import Aead
from backstay.cache.redis import RedisCache
from backstay.errors import SealingRequired

pytestmark = [pytest.mark.asyncio, pytest.mark.redis]

CANARY = "canary-4111111111111111"
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)


def sealed(backend, keys, current):
    return Cache(backend, transcoder=Transcoder(encryptor=Aead(keys, current)))


async def test_the_store_never_holds_the_plain_value(redis_url):
    async with RedisCache.open(redis_url, prefix=f"sealed-{secrets.token_hex(4)}:", budget=5.0) as backend:
        async with sealed(backend, {"old": OLD}, "old") as cache:
            assert await cache.get_or_compute("card:1", lambda: CANARY, sensitive=True) == CANARY
            assert await cache.get("card:1") == CANARY
        (raw,) = (await backend.read(["card:1"], since=0)).values
        assert raw is not None
        assert CANARY.encode() not in raw


async def test_a_rotated_key_still_opens_what_the_old_one_sealed(redis_url):
    async with RedisCache.open(redis_url, prefix=f"sealed-{secrets.token_hex(4)}:", budget=5.0) as backend:
        async with sealed(backend, {"old": OLD}, "old") as before:
            await before.set("card:1", CANARY, sensitive=True)
        async with sealed(backend, {"old": OLD, "new": NEW}, "new") as both:
            assert await both.get("card:1") == CANARY
        async with sealed(backend, {"new": NEW}, "new") as after:
            assert await after.get("card:1") is MISSING
            assert after.stats().total.doubted == 1


async def test_a_sealed_value_moved_to_another_key_does_not_open(redis_url):
    async with (
        RedisCache.open(redis_url, prefix=f"sealed-{secrets.token_hex(4)}:", budget=5.0) as backend,
        sealed(backend, {"old": OLD}, "old") as cache,
    ):
        await cache.set("card:1", CANARY, sensitive=True)
        await backend.put({"card:2": (await backend.read(["card:1"], since=0)).values[0]}, ttl=60.0)
        assert await cache.get("card:2") is MISSING


async def test_without_an_encryptor_a_sensitive_value_is_delivered_and_not_stored(redis_url):
    events = []
    async with (
        RedisCache.open(redis_url, prefix=f"sealed-{secrets.token_hex(4)}:", budget=5.0) as backend,
        Cache(backend, listeners=[events.append]) as cache,
    ):
        assert await cache.get_or_compute("card:1", lambda: CANARY, sensitive=True) == CANARY
        assert await cache.get("card:1") is MISSING
        assert [event.reason for event in events if hasattr(event, "reason")] == ["unsealed"]
        assert CANARY not in repr(events)
        with pytest.raises(SealingRequired):
            await cache.set("card:1", CANARY, sensitive=True)
