"""cashews: the fullest of the asyncio caches. Its client-side cache is its local tier (over RESP2: on RESP3, the
default, it does not hear of other processes' writes)."""

from __future__ import annotations

from contextlib import asynccontextmanager

from cashews import Cache


class Cashews:
    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str, *, local: bool = False, in_memory: bool = False):
        cache = Cache()
        if in_memory:
            cache.setup("mem://", size=100_000)
        elif local:
            cache.setup(url, client_side=True, protocol=2)
        else:
            cache.setup(url)
        await cache.init()
        try:
            yield cls(cache)
        finally:
            await cache.close()

    async def prefill(self, values) -> None:
        for key, value in values.items():
            # It swallows a write that fails, so look: a benchmark of hits must not measure misses.
            for _ in range(20):
                await self._cache.set(key, value, expire=600)
                if await self._cache.get(key) is not None:
                    break

    async def get(self, key: str):
        return await self._cache.get(key)

    async def set(self, key: str, value) -> None:
        await self._cache.set(key, value, expire=600)

    async def get_many(self, keys):
        return await self._cache.get_many(*keys)

    async def get_or_compute(self, key: str, compute):
        return await self._cache.get_or_set(key, compute, expire=60)
