"""Locks with a lease and a fencing number.

What a lock on one Redis can promise: that at most one holder is *told* that it holds the lock, for as long as
the server neither fails over nor loses its memory and no holder is stopped past its lease. What it cannot
promise is mutual exclusion. A holder that was paused may wake after its lease ended and go on; so hand
`Lease.fence` to what the lock protects, and let that refuse a number lower than one it has seen (Kleppmann,
"How to do distributed locking", 2016).
"""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final, final

import anyio

from backstay.clock import Clock
from backstay.errors import CacheUnavailable, InvalidKey, LockLost, LockNotAcquired
from backstay.events import Emitter
from backstay.tasks import TaskOwner

from .events import LockWasLost
from .protocol import Held, LockBackend

_FIRST_LOOK: Final = 0.01
_LONGEST_LOOK: Final = 0.25


@final
class Lease:
    """A held lock."""

    def __init__(self, name: str, fence: int) -> None:
        self.name: Final = name
        self.fence: Final = fence
        """Grows with every acquisition of this name by anyone."""
        self.lost: Final = anyio.Event()
        """Set when the lease ran out or was taken while it was still held here."""

    def check(self) -> None:
        """Raise LockLost if the lease is gone. A moment later it may be: fence what must not go wrong."""
        if self.lost.is_set():
            raise LockLost(f"the lock {self.name!r} (fence {self.fence}) is no longer held here")


class Locks:
    """Takes named locks on a `LockBackend`, and renews them while they are held."""

    def __init__(self, backend: LockBackend, owner: TaskOwner, clock: Clock, emit: Emitter) -> None:
        self._backend = backend
        self._owner = owner
        self._clock = clock
        self._emit = emit

    @asynccontextmanager
    async def hold(self, name: str, *, lease: float, wait: float | None) -> AsyncGenerator[Lease]:
        """Hold the lock for the block.

        Args:
            name: the lock's name; locks and cache keys do not meet.
            lease: seconds that the lock outlives a holder that died. Renewed at a third of it.
            wait: seconds to wait for somebody else's lock; None waits for ever, 0 not at all.

        Raises:
            LockNotAcquired: `wait` ran out.
            CacheUnavailable: the backend did not answer. A lock that cannot be asked for is not held.
        """
        if not name or len(name.encode("utf-8", "surrogatepass")) > 512:
            raise InvalidKey("the name of a lock has 1 to 512 bytes")
        token = secrets.token_urlsafe(16)
        held = await self._acquire(name, token, lease, wait)
        mine = Lease(name, held.fence)
        renewal = self._owner.start(lambda: self._renew(mine, token, lease), f"backstay lock {name[:64]}")
        try:
            yield mine
        finally:
            renewal.cancel()
            # Also when cancelled. If the backend is away, the lease ends by itself.
            with anyio.CancelScope(shield=True):
                await self._unlock(name, token)

    async def _acquire(self, name: str, token: str, lease: float, wait: float | None) -> Held:
        deadline = None if wait is None else self._clock.monotonic() + wait
        pause = _FIRST_LOOK
        while True:
            answer = await self._backend.lock(name, token, lease=lease)
            if isinstance(answer, Held):
                return answer
            left = None if deadline is None else deadline - self._clock.monotonic()
            if left is not None and left <= 0:
                raise LockNotAcquired(f"the lock {name!r} was held by another for {wait:.3f} s")
            # Spread by half, so that those who wait do not ask in step.
            nap = min(pause, answer.left + 0.005) * (0.75 + random.random() / 2)  # noqa: S311 - a pause
            await self._clock.sleep(nap if left is None else min(nap, left))
            pause = min(pause * 2, _LONGEST_LOOK)

    async def _renew(self, mine: Lease, token: str, lease: float) -> None:
        until = self._clock.monotonic() + lease
        while True:
            await self._clock.sleep(lease / 3)
            asked = self._clock.monotonic()
            try:
                answer = await self._backend.lock(mine.name, token, lease=lease)
            except CacheUnavailable:
                if self._clock.monotonic() < until:
                    continue
                answer = None
            if isinstance(answer, Held) and answer.fence == mine.fence:
                until = asked + lease
                continue
            mine.lost.set()
            self._emit(LockWasLost(name=mine.name, fence=mine.fence))
            return

    async def _unlock(self, name: str, token: str) -> None:
        with suppress(CacheUnavailable):  # the lease ends by itself, which is what leases are for
            await self._backend.unlock(name, token)
