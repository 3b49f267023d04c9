"""valkey-glide: a client core in Rust behind a socket, multiplexed."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from glide import ExpirySet, ExpiryType, GlideClient, GlideClientConfiguration, NodeAddress
from payloads import to_json


class Glide:
    def __init__(self, client, payload: str) -> None:
        self._client = client
        self._order = payload == "order"

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str):
        at = urlsplit(url)
        settings = GlideClientConfiguration([NodeAddress(at.hostname, at.port)], request_timeout=10_000)
        client = await GlideClient.create(settings)
        try:
            yield cls(client, payload)
        finally:
            await client.close()

    async def prefill(self, values) -> None:
        for key, value in values.items():
            await self._client.set(key, to_json(value) if self._order else value)

    async def get(self, key: str):
        raw = await self._client.get(key)
        return json.loads(raw) if self._order else raw

    async def set(self, key: str, value) -> None:
        await self._client.set(key, value, expiry=ExpirySet(ExpiryType.SEC, 600))

    async def get_many(self, keys):
        return await self._client.mget(keys)

    async def get_or_compute(self, key: str, compute):
        value = await self._client.get(key)
        if value is None:
            value = await compute()
            await self._client.set(key, value, expiry=ExpirySet(ExpiryType.SEC, 60))
        return value
