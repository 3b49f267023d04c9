"""Backends that stand before another: to hold it up, or to break one promise and see whether a test notices."""

# ruff: noqa: S101, S311 - asserting is what it is for, and chance here guards nothing

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import anyio

from backstay.cache import Acquired, CacheBackend, Claim, Prompt, Reading
from backstay.errors import CacheUnavailable

T = TypeVar("T")


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


class CallsBack(Interposed):
    """Passes on, and need not be waited for (`Prompt`), whatever stands behind it. On asyncio only."""

    def __init__(self, inner: CacheBackend) -> None:
        super().__init__(inner)
        self._calls: set[asyncio.Task[None]] = set()

    async def look(self, key: str, /) -> bytes | None:
        """Only `read` brings news of the log from any backend."""
        raise CacheUnavailable(f"to look at {key!r}, read it")

    def acquire_then(self, claim: Claim, then: Callable[[Acquired | CacheUnavailable], None], /) -> None:
        """Pass on, in a task."""
        key, token, epoch, floor, lease, seen = claim
        self._call(self.acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen), then)

    def fill_then(
        self, key: str, token: str, value: bytes, then: Callable[[bool | CacheUnavailable], None], /, *, ttl: float
    ) -> None:
        """Pass on, in a task."""
        self._call(self.fill(key, token, value, ttl=ttl), then)

    def _call(self, asked: Awaitable[T], then: Callable[[T | CacheUnavailable], None]) -> None:
        async def call() -> None:
            try:
                answer: T | CacheUnavailable = await asked
            except CacheUnavailable as exc:
                answer = exc
            except Exception as exc:  # noqa: BLE001 - whatever it is, whoever waits is told
                answer = CacheUnavailable(f"it raised {type(exc).__name__}")
            then(answer)

        task = asyncio.get_running_loop().create_task(call())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


class Awaited(Interposed):
    """Waits for what a `Prompt` calls back with."""

    def __init__(self, inner: CacheBackend) -> None:
        super().__init__(inner)
        assert isinstance(inner, Prompt)
        self._prompt = inner

    async def acquire(
        self, key: str, token: str, /, *, epoch: int, floor: int, lease: float, seen: bytes
    ) -> Acquired:
        """Ask, and wait to be told."""
        claim = Claim(key, token, epoch, floor, lease, seen)
        return await self._told(lambda then: self._prompt.acquire_then(claim, then))

    async def fill(self, key: str, token: str, value: bytes, /, *, ttl: float) -> bool:
        """Ask, and wait to be told."""
        return await self._told(lambda then: self._prompt.fill_then(key, token, value, then, ttl=ttl))

    async def _told(self, ask: Callable[[Callable[[T | CacheUnavailable], None]], None]) -> T:
        answers: list[T | CacheUnavailable] = []
        told = anyio.Event()

        def then(answer: T | CacheUnavailable) -> None:
            answers.append(answer)
            told.set()

        ask(then)
        assert not answers, "it called back before it returned"
        await told.wait()
        (answer,) = answers
        if isinstance(answer, CacheUnavailable):
            raise answer
        return answer


if TYPE_CHECKING:
    _: type[CacheBackend] = Interposed
    _prompt: type[Prompt] = CallsBack
