"""Where time comes from. Nothing in backstay reads the process clock behind a `Clock`'s back."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # who only reads a clock, as most starts do, need not wait for anyio to load
    import anyio


class Clock(Protocol):
    """Readings of time, and one way to wait.

    Not promised: that the two readings advance together. The wall clock may jump (NTP, an operator); the
    monotonic one never goes back but has no meaning outside this process.
    """

    def now(self) -> datetime:
        """The instant, aware and in UTC. For what other machines or people read."""
        ...

    def timestamp(self) -> float:
        """The same instant as seconds since 1970: for who has no use for a datetime and no time for one."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary point. For durations and deadlines of this process."""
        ...

    async def sleep(self, seconds: float, /) -> None:
        """Wait. Returns at once for zero or less; a cancellation is delivered while waiting."""
        ...


class SystemClock:
    """The machine's own clocks."""

    # C functions, not methods around them: they stand on the hot path of every cache hit.
    monotonic = staticmethod(time.monotonic)
    timestamp = staticmethod(time.time)

    def now(self) -> datetime:
        """The instant by the wall clock, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float, /) -> None:
        """Wait for that many seconds of real time."""
        import anyio

        await anyio.sleep(max(0.0, seconds))


def unix_time(clock: Clock) -> Callable[[], float]:
    """How to read the clock's instant as a Unix time, by its shortest way.

    For what reads it on every request: a datetime costs ten times as much as the number in it.
    """
    return time.time if type(clock) is SystemClock else lambda: clock.now().timestamp()


class ManualClock:
    """A clock that stands still until a test moves it. Sleepers wake in the order of their deadlines.

    Both readings move together, so an expiry can be tested to the microsecond and without waiting.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware instant; pass tzinfo=UTC")
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, anyio.Event]] = []

    def now(self) -> datetime:
        """Where the clock stands."""
        return self._start + timedelta(seconds=self._elapsed)

    def timestamp(self) -> float:
        """Where it stands, as seconds since 1970."""
        return self._start.timestamp() + self._elapsed

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float, /) -> None:
        """Wait until somebody advances the clock by that much."""
        import anyio.lowlevel

        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), woken))
        await woken.wait()

    def advance(self, seconds: float) -> None:
        """Move both readings forward and wake whoever's time has come. Never backwards."""
        if seconds < 0:
            raise ValueError("a clock does not go back; advance by zero or more seconds")
        self._elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            heapq.heappop(self._sleepers)[2].set()


if TYPE_CHECKING:
    _system: type[Clock] = SystemClock
    _manual: type[Clock] = ManualClock
