"""dogpile.cache: not asyncio, so it runs in 16 threads, as a service on asyncio would have to do it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from dogpile.cache import make_region


class Dogpile:
    def __init__(self, region, threads: ThreadPoolExecutor) -> None:
        self._region = region
        self._threads = threads
        self._loop = asyncio.get_running_loop()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str):
        region = make_region().configure(
            "dogpile.cache.redis", arguments={"url": url, "redis_expiration_time": 600}
        )
        with ThreadPoolExecutor(16) as threads:
            yield cls(region, threads)

    def _run(self, function, *args):
        return self._loop.run_in_executor(self._threads, function, *args)

    async def prefill(self, values) -> None:
        await self._run(self._region.set_multi, dict(values))

    async def get(self, key: str):
        return await self._run(self._region.get, key)

    async def set(self, key: str, value) -> None:
        await self._run(self._region.set, key, value)

    async def get_many(self, keys):
        return await self._run(self._region.get_multi, keys)

    async def get_or_compute(self, key: str, compute):
        # Its creator is synchronous and runs in the thread; the computation itself waits for nothing.
        return await self._run(self._region.get_or_create, key, lambda: b"computed".ljust(100, b"x"))
