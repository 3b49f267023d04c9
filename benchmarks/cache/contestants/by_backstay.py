"""backstay, with its default settings."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager

from payloads import Order

from backstay.cache import Cache, MemoryCache, get_cached_or_compute
from backstay.cache.redis import RedisCache

# The one line to change once Cache takes a local tier: LOCAL = {"local": …}. Until then, "local" measures the
# embedded backend, and the Zipf mix goes to Redis each time.
LOCAL: dict = {}


async def _never():
    raise AssertionError("computed a value that was cached")


class Backstay:
    def __init__(self, cache: Cache, payload: str) -> None:
        self._cache = cache
        self._codec = Order if payload == "order" else bytes

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str, *, local: bool = False, in_memory: bool = False):
        async with AsyncExitStack() as stack:
            embedded = in_memory and not LOCAL
            backend = MemoryCache() if embedded else await stack.enter_async_context(RedisCache.open(url))
            cache = await stack.enter_async_context(Cache(backend, **(LOCAL if local else {})))
            yield cls(cache, payload)

    async def prefill(self, values) -> None:
        from msgspec import convert

        for key, value in values.items():
            await self._cache.set(
                key, convert(value, Order) if self._codec is Order else value, 600, codec=self._codec
            )

    async def get(self, key: str):
        return await get_cached_or_compute(key, _never, 600, cache=self._cache, codec=self._codec)

    async def set(self, key: str, value) -> None:
        await self._cache.set(key, value, 600, codec=self._codec)

    async def get_many(self, keys):
        return list((await self._cache.get_many(keys, codec=self._codec)).values())

    async def get_or_compute(self, key: str, compute):
        return await get_cached_or_compute(key, compute, 60, cache=self._cache, codec=self._codec)
