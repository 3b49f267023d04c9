"""One computation, any number of callers: a flight is joined by its token and belongs to no caller.

The computation runs in a task of the cache. Callers only wait for it: cancelling one, or the first, disturbs
nobody. When the last caller has gone, the computation is cancelled, unless it was asked to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from backstay.tasks import Handle, Signal, TaskOwner

T = TypeVar("T")


class Flight(Signal, Generic[T]):
    """A computation under way. As a `Signal`, it is set when it has landed, whichever way."""

    __slots__ = (
        "_error",
        "_outlives",
        "_value",
        "abandoned",
        "boarded",
        "epoch",
        "key",
        "started",
        "tags",
        "task",
        "token",
    )

    def __init__(
        self,
        key: str,
        token: str,
        *,
        epoch: int,
        outlives: bool,
        started: float,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`outlives`: go on when the last caller has gone. `started` is a monotonic reading."""
        super().__init__(loop)
        self.key = key
        self.token = token
        self.started = started
        self.epoch = epoch
        """The newest one known when it began."""
        self.tags: tuple[str, ...] = ()
        """Those of the value, known once it is computed."""
        self.boarded = False
        """Whether anybody waits, or has waited, for it: the first who does has started it."""
        self.task: Handle | None = None
        """What computes."""
        self.abandoned = False
        """Whether it was cancelled with nobody aboard, perhaps just as somebody came: who meets it looks again."""
        self._outlives = outlives
        self._value: T | None = None
        self._error: Exception | None = None

    def land(self, value: T) -> None:
        """Hand out the value. The task may go on to store it; what happens then is nobody's business here."""
        if not self._set:
            self._value = value
            self.set()

    def fail(self, error: Exception | None) -> None:
        """Hand out an error, unless there is a value. None: it was cancelled."""
        if not self._set:
            self._error, self.abandoned = error, error is None
            self.set()

    def result(self) -> T:
        """The value, once it has landed and is not abandoned. Raises what the computation raised."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def end(self) -> None:
        """Cancel the computation, unless it was asked to go on without callers."""
        if not self._outlives and not self._set and self.task is not None:
            self.task.cancel()


class Crowd:
    """The callers of one key in this process, and the flights that they set off.

    A flight lives as long as the crowd does, and not as long as its own passengers: when the one caller aboard
    is cancelled while forty others are still asking for the lease, the computation is theirs.
    """

    __slots__ = ("_alarm", "_woken", "flights", "size", "wakings")

    def __init__(self) -> None:
        self.size = 0
        self.flights: list[Flight[Any]] = []
        self.wakings = 0
        """How often it was woken. Read it before asking the backend: what happens meanwhile counts."""
        self._woken: Signal | None = None
        self._alarm: Handle | None = None

    def wake(self) -> None:
        """The key's entry or lease is not what it was: whoever waits looks again."""
        self.wakings += 1
        if self._woken is not None:
            self._woken.set()
            self._woken = None
        self._silence()

    async def wait(self, wakings: int, alarm: Callable[[], Awaitable[None]], owner: TaskOwner) -> None:
        """Wait until woken more often than that, at the latest until `alarm` comes back. It rings for the crowd."""
        if self.wakings != wakings:
            return
        if self._woken is None:
            self._woken = Signal()
        if self._alarm is None:

            async def ring() -> None:
                await alarm()
                self._alarm = None
                self.wake()

            self._alarm = owner.start(ring, "backstay alarm")
        await self._woken.wait()

    def leave(self) -> bool:
        """One caller goes. True if it was the last; then the flights have been ended."""
        self.size -= 1
        if self.size:
            return False
        if self._alarm is not None:
            self._silence()
        for flight in self.flights:
            flight.end()
        return True

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


class Round(Generic[T]):
    """One asking, which those share who came before it began.

    An answer that was asked for before a caller came may be older than what that caller has a right to. So at
    most one asking per key runs, led by one of the callers, and the others wait for the *next* one.
    """

    __slots__ = ("_over", "_waited", "answer", "answered", "begun", "next")

    def __init__(self) -> None:
        # Most rounds are over before anybody asks: what they would wait for is made when they do.
        self._waited: Signal | None = None
        self._over = False
        self.begun = False
        self.answered = False
        self.answer: T
        self.next: Round[T] | None = None
        """The one that began when this one was over."""

    def end(self) -> None:
        """It is over, answered or not."""
        self._over = True
        if self._waited is not None:
            self._waited.set()

    async def over(self) -> None:
        """Come back when it is."""
        if not self._over:
            if self._waited is None:
                self._waited = Signal()
            await self._waited.wait()

    async def follow(self) -> tuple[Round[T], bool]:
        """The first round from now on that was answered, and True; or the last one there was, and False."""
        began_before = self.begun
        await self.over()
        if self.answered and not began_before:
            return self, True
        last = self
        # Whatever followed has begun after this caller came.
        while (later := last.next) is not None:
            await later.over()
            if later.answered:
                return later, True
            last = later  # who asked was cancelled
        return last, False
