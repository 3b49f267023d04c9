"""One computation, any number of callers: a flight is joined by its token and belongs to no caller.

A flight asks for its key's lease and computes if that is granted, in a task of the cache. Callers only wait for it:
cancelling one, or the first, disturbs nobody. When the last caller has gone, it is called off, unless it was asked
to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from backstay.tasks import Handle, Signal, TaskOwner

from .protocol import Busy, Hit
from .request import Request

if TYPE_CHECKING:
    from .rounds import Rounds

T = TypeVar("T")


class Flight(Signal, Generic[T]):
    """A computation, from asking for its lease on. As a `Signal`, it is set when it is over, whichever way."""

    __slots__ = (
        "_decided",
        "_error",
        "_on_decided",
        "_value",
        "abandoned",
        "alone_since",
        "asked",
        "boarded",
        "context",
        "epoch",
        "later",
        "led_to",
        "outlives",
        "request",
        "rounds",
        "seen",
        "tags",
        "task",
        "token",
        "unsure",
        "unwanted",
    )

    def __init__(
        self,
        request: Request[T],
        seen: bytes,
        token: str,
        rounds: Rounds,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        """`seen` is what was found and will not do."""
        super().__init__(loop)
        self.request = request
        self.seen = seen
        self.token = token
        self.rounds = rounds
        self.outlives = False
        """Whether it goes on when the last caller has gone."""
        self.context = copy_context()
        """The first caller's: the computation runs in it."""
        self.epoch = 0
        """The newest one known when its lease was asked for."""
        self.asked = False
        """Whether it was. Who comes later has a right to a later answer."""
        self.led_to: Step | None = None
        """What the asking led to instead of a computation of its own."""
        self.later: Flight[Any] | None = None
        """What asks for the same key next: those board it who came after this one had asked."""
        self.boarded = False
        """Whether anybody waits, or has waited, for it: the first who does has started it."""
        self.task: Handle | None = None
        """What computes."""
        self.alone_since: float | None = None
        """The monotonic reading when it began to compute without a backend, if it does."""
        self.tags: tuple[str, ...] = ()
        """Those that the computation added, known once the value is there."""
        self.unwanted = False
        """Whether it was called off."""
        self.unsure = False
        """Whether its lease may have been granted although no answer says so."""
        self.abandoned = False
        """Whether it ended because of that, perhaps just as somebody came: who meets it looks again."""
        self._decided = False
        self._on_decided: tuple[Callable[[], None], ...] = ()
        self._error: Exception | None = None
        self._value: T | None = None

    def when_decided(self, then: Callable[[], None]) -> None:
        """Call this once it is known whether it computes."""
        if self._decided:
            then()
        else:
            self._on_decided += (then,)

    def decided(self) -> None:
        """It computes, or never will."""
        self._decided = True
        if self._on_decided:
            for then in self._on_decided:
                then()
            self._on_decided = ()

    def lead_to(self, step: Step) -> None:
        """It computes nothing; those aboard go on with this."""
        self.led_to = step
        self.decided()
        self.set()

    def land(self, value: T) -> None:
        """Hand out the value. The task may go on to store it; what happens then is nobody's business here."""
        if not self._set:
            self._value = value
            self.set()

    def fail(self, error: Exception | None) -> None:
        """Hand out an error, unless there is a value. None: it was called off."""
        if not self._set:
            self._error, self.abandoned = error, error is None
            self.decided()
            self.set()

    def result(self) -> T:
        """The value, once it has landed and is not abandoned. Raises what the computation raised."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def end(self) -> None:
        """Nobody waits for it any more: call it off, unless it was asked to go on without callers."""
        if self.outlives or self._set:
            return
        self.unwanted = True
        if self.task is not None:
            self.task.cancel()
        elif not self.asked:
            self.rounds.over(self)
            self.fail(None)


Step: TypeAlias = Flight[Any] | Hit | Busy
"""Another's computation in this process, a value, or a lease of another process."""


class Crowd:
    """The callers of one key in this process, and the flights that they set off.

    A flight lives as long as the crowd does, and not as long as its own passengers: when the one caller aboard
    is cancelled while forty others are still asking for the lease, the computation is theirs.
    """

    __slots__ = ("_alarm", "_woken", "flights", "size", "wakings")

    def __init__(self) -> None:
        self.size = 0
        self.flights: tuple[Flight[Any], ...] = ()
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

    def sets_off(self, flight: Flight[Any]) -> None:
        """The flight lives as long as there are callers. Those that are over need no looking after."""
        under_way = [each for each in self.flights if not each.is_set()] if self.flights else ()
        self.flights = (*under_way, flight)

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
