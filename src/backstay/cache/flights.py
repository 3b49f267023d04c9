"""One computation, any number of callers: a flight is joined by its token and belongs to no caller.

The computation runs in a task of the cache. Callers only wait for it: cancelling one, or the first, disturbs
nobody. When the last caller has gone, the computation is cancelled, unless it was asked to go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import anyio.lowlevel

from backstay.tasks import Handle, Signal, TaskOwner

T = TypeVar("T")


class Abandoned(Exception):
    """The flight was cancelled with nobody aboard, just as this caller arrived. Look again."""


class Flight(Generic[T]):
    """A computation under way."""

    __slots__ = (
        "_done",
        "_error",
        "_outlives",
        "_task",
        "_value",
        "epoch",
        "key",
        "started",
        "tags",
        "token",
        "waiters",
    )

    def __init__(self, key: str, token: str, *, outlives: bool, started: float) -> None:
        """`outlives`: go on when the last caller has gone. `started` is a monotonic reading."""
        self.key = key
        self.token = token
        self.started = started
        self.tags: tuple[str, ...] = ()
        """Those of the value, known once it is computed."""
        self.epoch = 0
        """The newest one known when it began."""
        self.waiters = 0
        self._outlives = outlives
        self._done = Signal()
        self._task: Handle | None = None
        self._value: T | None = None
        # Until it is known to have landed, whoever looks sees a flight that was cancelled.
        self._error: Exception | None = Abandoned()

    @property
    def done(self) -> bool:
        """Whether it has landed."""
        return self._done.is_set()

    def launch(self, owner: TaskOwner, run: Callable[[Flight[T]], Awaitable[T]]) -> None:
        """Start the computation in a task of the owner's, in a copy of the caller's context."""

        async def fly() -> None:
            try:
                self._value = await run(self)
                self._error = None
            except Exception as exc:  # noqa: BLE001 - handed to every caller aboard
                if not self._done.is_set():
                    self._error = exc
            finally:
                self._done.set()

        self._task = owner.start(fly, f"backstay flight {self.key[:64]}")

    def land(self, value: T) -> None:
        """Hand out the value, while the task goes on to store it."""
        self._value = value
        self._error = None
        self._done.set()

    async def landed(self) -> None:
        """Wait until it has landed, whichever way, without being aboard."""
        await self._done.wait()

    def end(self) -> None:
        """Cancel the computation, unless it was asked to go on without callers."""
        if not self._outlives and not self._done.is_set() and self._task is not None:
            self._task.cancel()

    async def join(self) -> T:
        """Wait for the result. Raises what the computation raised, or Abandoned.

        A caller that is cancelled leaves alone.
        """
        self.waiters += 1
        try:
            await self._done.wait()
        finally:
            self.waiters -= 1
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


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
        self._silence()
        for flight in self.flights:
            flight.end()
        return True

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


class Round(Generic[T]):
    """One asking."""

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


class Rounds(Generic[T]):
    """Callers who ask the same question share the *next* asking of it, never one already under way.

    An answer that was asked for before a caller came may be older than what that caller has a right to. So at
    most one asking per key runs, by one of the callers, and the others wait for the one after it.
    """

    def __init__(self) -> None:
        self._running: dict[str, Round[T]] = {}

    async def ask(self, key: str, question: Callable[[], Awaitable[T]], *, together: bool = False) -> T:
        """The answer to an asking that begins from now on. `question` handles its own errors.

        `together`: others ask in this very turn of the loop, so wait for them before it begins.
        """
        mine: Round[T] = Round()
        ahead = self._running.get(key)
        if ahead is not None:
            last, good = await _follow(ahead)
            if good:
                return last.answer
            last.next = mine
        self._running[key] = mine
        try:
            if together:
                await anyio.lowlevel.checkpoint()
            mine.begun = True
            mine.answer = await question()
            mine.answered = True
            return mine.answer
        finally:
            if self._running.get(key) is mine:
                del self._running[key]
            mine.end()


async def _follow(ahead: Round[T]) -> tuple[Round[T], bool]:
    """The first round that began after the caller came and was answered, and True; or the last one, and False."""
    began_before = ahead.begun
    await ahead.over()
    if ahead.answered and not began_before:
        return ahead, True
    # Whatever followed has begun after this caller came.
    while (later := ahead.next) is not None:
        await later.over()
        if later.answered:
            return later, True
        ahead = later  # who asked was cancelled
    return ahead, False
