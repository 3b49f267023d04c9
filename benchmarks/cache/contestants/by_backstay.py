"""backstay on Redis, with its default settings: budget, breaker, envelope check and counters are on."""

from __future__ import annotations

from contextlib import asynccontextmanager

from payloads import Order

from backstay.cache import Cache, get_cached_or_compute
from backstay.cache.redis import RedisCache


class Backstay:
    def __init__(self, cache: Cache, payload: str) -> None:
        self._cache = cache
        # A type where one would be given; small bytes go by the default codec, as most calls do.
        self._codec = {"order": Order, "64k": bytes}.get(payload)
        self.computed = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str, *, local: bool = False):
        # Where Redis is measured, the local tier must be off: it would answer instead.
        kept = {} if local else {"local": None}
        async with RedisCache.open(url) as backend, Cache(backend, **kept) as cache:
            yield cls(cache, payload)

    async def prefill(self, values) -> None:
        from msgspec import convert

        for key, value in values.items():
            await self._cache.set(
                key, convert(value, Order) if self._codec is Order else value, 600, codec=self._codec
            )

    async def get(self, key: str):
        if self._codec is None:
            return await get_cached_or_compute(key, self._compute, 600, cache=self._cache)
        return await get_cached_or_compute(key, self._compute, 600, cache=self._cache, codec=self._codec)

    async def _compute(self) -> bytes:
        # On a machine so busy that Redis misses its budget, a caller is served by computing: it is counted.
        self.computed += 1
        return b"computed"

    async def set(self, key: str, value) -> None:
        await self._cache.set(key, value, 600, codec=self._codec)

    async def get_many(self, keys):
        return list((await self._cache.get_many(keys, codec=self._codec)).values())

    async def get_or_compute(self, key: str, compute):
        return await get_cached_or_compute(key, compute, 60, cache=self._cache, codec=self._codec)
