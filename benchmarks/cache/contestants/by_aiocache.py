"""aiocache. Its Redis backend raises when its pool is full, so the pool is as large as the load."""

from __future__ import annotations

from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiocache import RedisCache, SimpleMemoryCache
from aiocache.serializers import JsonSerializer, PickleSerializer


class Aiocache:
    def __init__(self, cache) -> None:
        self._cache = cache

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str, *, in_memory: bool = False):
        at = urlsplit(url)
        if in_memory:
            cache = SimpleMemoryCache()
        else:
            serializer = JsonSerializer() if payload == "order" else PickleSerializer()
            cache = RedisCache(endpoint=at.hostname, port=at.port, pool_max_size=300, serializer=serializer)
        try:
            yield cls(cache)
        finally:
            await cache.close()

    async def prefill(self, values) -> None:
        for key, value in values.items():
            await self._cache.set(key, value, ttl=600)

    async def get(self, key: str):
        return await self._cache.get(key)

    async def set(self, key: str, value) -> None:
        await self._cache.set(key, value, ttl=600)

    async def get_many(self, keys):
        return await self._cache.multi_get(keys)

    async def get_or_compute(self, key: str, compute):
        value = await self._cache.get(key)
        if value is None:
            value = await compute()
            await self._cache.set(key, value, ttl=60)
        return value
