"""redis-py on asyncio: as it comes, and as someone would set it who reads its source."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

from payloads import to_json
from redis.asyncio import BlockingConnectionPool, Redis


class Default:
    """Its own time-outs. Its pool of 100 raises when it is full, so this one waits instead."""

    options: dict = {"max_connections": 100}

    def __init__(self, client: Redis, payload: str) -> None:
        self._client = client
        self._order = payload == "order"

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str):
        pool = BlockingConnectionPool.from_url(url, timeout=None, **cls.options)
        client = Redis(connection_pool=pool)
        try:
            yield cls(client, payload)
        finally:
            await client.aclose()
            await pool.disconnect()

    async def prefill(self, values) -> None:
        for key, value in values.items():
            await self._client.set(key, to_json(value) if self._order else value)

    async def get(self, key: str):
        raw = await self._client.get(key)
        return json.loads(raw) if self._order else raw

    async def set(self, key: str, value) -> None:
        await self._client.set(key, value, ex=600)

    async def get_many(self, keys):
        return await self._client.mget(keys)

    async def get_or_compute(self, key: str, compute):
        value = await self._client.get(key)
        if value is None:
            value = await compute()
            await self._client.set(key, value, ex=60)
        return value


class Tuned(Default):
    """Few connections and no time-out per command: the fastest we found, and without any protection."""

    options: dict = {"max_connections": 16, "socket_timeout": None}
