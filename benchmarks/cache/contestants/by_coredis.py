"""coredis: an asyncio client of its own, typed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import coredis

from contestants.by_redis import Default


class Coredis(Default):
    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str):
        at = urlsplit(url)
        async with coredis.Redis(host=at.hostname, port=at.port) as client:
            yield cls(client, payload)
