"""The conformance suite of `LockBackend`, for a backend of yours. Used like `backstay.testing.cache`."""

# ruff: noqa: S101 - to assert is what a suite is for

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Final

import anyio

from backstay.cache import Busy, Held, LockBackend

LONG: Final = 30.0


class LockBackendSuite:
    """What every `LockBackend` keeps. Subclass it and say how to open yours."""

    backends: ClassVar[tuple[str, ...]] = ("asyncio",)
    tick: ClassVar[float] = 0.05

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[LockBackend]:
        """A new backend, for one test."""

    async def wait(self, seconds: float) -> None:
        """Let that much time pass for the store."""
        await anyio.sleep(seconds)

    def _run(self, check: Callable[[LockBackend, str], Awaitable[None]]) -> None:
        async def opened() -> None:
            async with self.open() as backend:
                await check(backend, f"lock {secrets.token_hex(4)}")

        for backend in self.backends:
            anyio.run(opened, backend=backend)

    def test_the_fence_grows_with_every_holder(self) -> None:
        """Also when the holder before gave the lock back, and when it died."""

        async def check(backend: LockBackend, name: str) -> None:
            first = await backend.lock(name, "a", lease=LONG)
            assert await backend.unlock(name, "a")
            second = await backend.lock(name, "b", lease=self.tick)
            await self.wait(self.tick * 1.5)
            third = await backend.lock(name, "c", lease=LONG)
            assert isinstance(first, Held)
            assert isinstance(second, Held)
            assert isinstance(third, Held)
            assert first.fence < second.fence < third.fence

        self._run(check)

    def test_renewing_keeps_the_fence(self) -> None:
        """And the lock lasts from then on."""

        async def check(backend: LockBackend, name: str) -> None:
            first = await backend.lock(name, "a", lease=self.tick)
            assert await backend.lock(name, "a", lease=LONG) == first
            await self.wait(self.tick * 1.5)
            answer = await backend.lock(name, "b", lease=LONG)
            assert isinstance(answer, Busy)
            assert answer.token == "a"  # noqa: S105 - a lock's token is no secret

        self._run(check)

    def test_only_the_holder_gives_it_back(self) -> None:
        """Who lost it is told so and takes it from nobody."""

        async def check(backend: LockBackend, name: str) -> None:
            await backend.lock(name, "a", lease=self.tick)
            await self.wait(self.tick * 1.5)
            await backend.lock(name, "b", lease=LONG)
            assert not await backend.unlock(name, "a")
            assert isinstance(await backend.lock(name, "c", lease=LONG), Busy)
            assert await backend.unlock(name, "b")

        self._run(check)
