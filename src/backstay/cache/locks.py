"""Locks with a lease and a fencing number.

What a lock on one Redis can promise: that at most one holder is *told* that it holds the lock, for as long as
the server neither fails over nor loses its memory and no holder is stopped past its lease. What it cannot
promise is mutual exclusion. A holder that was paused may wake after its lease ended and go on; so hand
`Lease.fence` to what the lock protects, and let that refuse a number lower than one it has seen (Kleppmann,
"How to do distributed locking", 2016).
"""

from __future__ import annotations

import math
import random
import secrets
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, final

import anyio

from backstay.clock import Clock
from backstay.errors import CacheUnavailable, InvalidKey, LockLost, LockNotAcquired
from backstay.events import Emitter
from backstay.tasks import TaskOwner

from .events import LockWasLost
from .flights import Crowd
from .protocol import Attentive, Audience, Held, LockBackend

_FIRST_LOOK: Final = 0.01
_LONGEST_LOOK: Final = 0.25
_AFTER_LEASE: Final = 0.005


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
        self._waiting: dict[str, set[Crowd]] = {}
        self._thread = threading.get_ident()
        self._attentive = backend if isinstance(backend, Attentive) else None
        self._leave = self._attentive.attend(self) if self._attentive is not None else None

    def close(self) -> None:
        """Hear of nothing any more."""
        if self._leave is not None:
            self._leave()

    def changed(self, key: str, /) -> None:
        """Part of `Audience`: entries are not locks."""

    def news(self, epoch: int, records: Sequence[tuple[str, int]], /) -> None:
        """Part of `Audience`: nor are scopes."""

    def freed(self, name: str, /) -> None:
        """Part of `Audience`."""
        if threading.get_ident() == self._thread:
            for each in list(self._waiting.get(name, ())):
                each.wake()

    def lost(self) -> None:
        """Part of `Audience`."""
        for name in list(self._waiting):
            self.freed(name)

    def back(self) -> None:
        """Part of `Audience`: who waits looks again by itself."""

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
        mine = Crowd()  # of one: each has a deadline of its own
        mine.size = 1
        waiting = self._waiting.setdefault(name, set())
        waiting.add(mine)
        held = None
        try:
            held = await self._wait_for(mine, name, token, lease, wait)
            return held
        finally:
            mine.leave()
            waiting.discard(mine)
            if not waiting:
                self._waiting.pop(name, None)
            if held is None and not self._owner.closed:  # cancelled, or out of time: nobody hands it to us
                self._owner.start(partial(self._unlock, name, token), "backstay lock given up")

    async def _wait_for(self, mine: Crowd, name: str, token: str, lease: float, wait: float | None) -> Held:
        deadline = math.inf if wait is None else self._clock.monotonic() + wait
        pause = _FIRST_LOOK
        while True:
            wakings = mine.wakings
            answer = await self._backend.lock(name, token, lease=lease, queue=wait != 0)
            if isinstance(answer, Held):
                return answer
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise LockNotAcquired(f"the lock {name!r} was held by another for {wait:.3f} s")
            # Who is told of changes looks again only when the lease ends; others in between, and not in step.
            longest = answer.left + _AFTER_LEASE
            nap = longest if self._hears() else min(longest, pause * (0.75 + random.random() / 2))  # noqa: S311
            await mine.wait(wakings, partial(self._clock.sleep, min(nap, left)), self._owner)
            pause = min(pause * 2, _LONGEST_LOOK)

    def _hears(self) -> bool:
        return self._attentive is not None and self._clock.monotonic() < self._attentive.trust.until

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


if TYPE_CHECKING:
    _audience: type[Audience] = Locks
