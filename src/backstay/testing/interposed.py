"""Backends that stand before another: to hold it up, or to break one promise and see whether a test notices."""

# ruff: noqa: S311 - chance here guards nothing

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import anyio

from backstay.cache import Acquired, CacheBackend, Reading


class Interposed:
    """A `CacheBackend` that passes everything on. Override what should be different."""

    def __init__(self, inner: CacheBackend) -> None:
        self.inner = inner

    async def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        """Pass on."""
        return await self.inner.read(keys, since=since)

    async def acquire(
        self, key: str, token: str, /, *, epoch: int, floor: int, lease: float, seen: bytes
    ) -> Acquired:
        """Pass on."""
        return await self.inner.acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen)

    async def hold(self, key: str, token: str, /, *, lease: float) -> bool:
        """Pass on."""
        return await self.inner.hold(key, token, lease=lease)

    async def fill(self, key: str, token: str, value: bytes, /, *, ttl: float) -> bool:
        """Pass on."""
        return await self.inner.fill(key, token, value, ttl=ttl)

    async def put(self, entries: Mapping[str, bytes | None], /, *, ttl: float) -> None:
        """Pass on."""
        await self.inner.put(entries, ttl=ttl)

    async def bump(self, scopes: Sequence[str], /) -> int:
        """Pass on."""
        return await self.inner.bump(scopes)


class HeldUp(Interposed):
    """Every request arrives up to `most` seconds late, and so does every answer.

    A store that is near answers in the order in which it was asked. What a far one does to a cache, this does.
    """

    def __init__(self, inner: CacheBackend, *, most: float) -> None:
        super().__init__(inner)
        self._most = most

    async def _a_while(self) -> None:
        await anyio.sleep(random.choice((0.0, random.random() * self._most)))

    async def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        """Pass on, late."""
        await self._a_while()
        found = await super().read(keys, since=since)
        await self._a_while()
        return found

    async def acquire(
        self, key: str, token: str, /, *, epoch: int, floor: int, lease: float, seen: bytes
    ) -> Acquired:
        """Pass on, late."""
        await self._a_while()
        answer = await super().acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen)
        await self._a_while()
        return answer

    async def hold(self, key: str, token: str, /, *, lease: float) -> bool:
        """Pass on, late."""
        await self._a_while()
        return await super().hold(key, token, lease=lease)

    async def fill(self, key: str, token: str, value: bytes, /, *, ttl: float) -> bool:
        """Pass on, late."""
        await self._a_while()
        stored = await super().fill(key, token, value, ttl=ttl)
        await self._a_while()
        return stored

    async def put(self, entries: Mapping[str, bytes | None], /, *, ttl: float) -> None:
        """Pass on, late."""
        await self._a_while()
        await super().put(entries, ttl=ttl)
        await self._a_while()

    async def bump(self, scopes: Sequence[str], /) -> int:
        """Pass on, late."""
        await self._a_while()
        epoch = await super().bump(scopes)
        await self._a_while()
        return epoch


if TYPE_CHECKING:
    _: type[CacheBackend] = Interposed
