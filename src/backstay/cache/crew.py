"""What flies a flight: ask for the lease, compute under it, hand out the value, and store it if it may be stored.

A backend that calls back (`Prompt`) is asked before there is a task, and the task is over before the store is: most
computations need no more than their one task and one wake of their caller. Where it cannot be asked like that, or
does not answer, the task does the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from inspect import isawaitable
from types import CoroutineType
from typing import Any, Final, Literal, TypeVar

import anyio

from backstay.clock import Clock
from backstay.errors import CacheUnavailable, ComputeCancelled, EncodingError, SealingRequired, ValueTooLarge
from backstay.events import Emitter
from backstay.tasks import TaskOwner

from .computation import Computation, under_way
from .events import Computed, NotStored
from .far import AWAY, Away
from .flights import Flight
from .leases import LeaseKeeper
from .protocol import Acquired, Busy, Claim, Granted
from .request import Label, Request
from .shelf import Shelf

T = TypeVar("T")

LONE_BOUND: Final = 2.0
"""Without a backend, a caller joins a computation of its process that is at most this many seconds old."""

_ON_ITS_WAY: Final = 0.25
_REFUSED: Final = 2
_NOBODYS: Final = Busy("", 0.0)
"""What a flight leads to that was called off."""

_REASONS: Final[dict[type[Exception], Literal["unencodable", "too-large", "unsealed"]]] = {
    EncodingError: "unencodable",
    ValueTooLarge: "too-large",
    SealingRequired: "unsealed",
}
_new: Any = getattr(tuple, "__new__")  # noqa: B009 - its type says less than Any does


class Crew:
    """Flies flights, in tasks that the cache owns."""

    def __init__(self, shelf: Shelf, owner: TaskOwner, clock: Clock, emit: Emitter) -> None:
        self._shelf = shelf
        self._far = shelf.far
        self._owner = owner
        self._keeper = LeaseKeeper(shelf.far, owner, clock)
        self._clock = clock
        self._emit = emit
        self._alone: dict[str, Flight[Any]] = {}
        # Bound once, and not for every flight: what each has alive, the garbage collector looks at.
        self._when_answered, self._when_filled = self._answered, self._filled

    def ask(self, flight: Flight[Any]) -> None:
        """Ask for its lease. What the answer leads to comes about by itself."""
        if self._owner.closed:
            self._call_off(flight)
            return
        try:
            called_back = self._far.acquire_then(self._claim(flight), partial(self._when_answered, flight))
        except Exception as exc:  # noqa: BLE001 - no backend raises any; who comes later must not wait for this one
            flight.fail(exc)
            flight.rounds.over(flight)
            return
        if called_back:
            self._owner.replies += 1
        else:
            self._start(flight, self._ask_and_fly)

    def forget_alone(self, concerns: Callable[[Flight[Any]], bool]) -> None:
        """After an invalidation: nobody joins these any more. Their callers so far are still served."""
        self._alone = {name: flight for name, flight in self._alone.items() if not concerns(flight)}

    def _claim(self, flight: Flight[Any]) -> Claim:
        request, log = flight.request, self._far.log
        epoch = flight.epoch = log.epoch
        floor = log.newest(request.key, request.plan.label.tags)
        claim: Claim = _new(Claim, (request.name, flight.token, epoch, floor, request.plan.lease, flight.seen))
        return claim

    def _start(self, flight: Flight[T], run: Callable[[Flight[T]], Coroutine[Any, Any, None]]) -> None:
        name = f"backstay flight {flight.request.key[:64]}"
        flight.task = self._owner.start(partial(run, flight), name, flight.context)

    def _answered(self, flight: Flight[Any], answer: Acquired | CacheUnavailable) -> None:
        """The backend has called back."""
        if isinstance(answer, CacheUnavailable):
            self._unanswered(flight)
        elif flight.unwanted or self._owner.closed:
            self._too_late(flight, answer)
        elif self._takes_off(flight, answer):
            self._start(flight, self._fly)
        self._owner.replied()

    def _unanswered(self, flight: Flight[Any]) -> None:
        """The backend has called back without an answer."""
        flight.unsure = True
        if flight.unwanted or self._owner.closed:
            self._withdraw(flight)
            self._call_off(flight)
        else:
            self._start(flight, self._ask_and_fly)

    def _too_late(self, flight: Flight[Any], answer: Acquired) -> None:
        """It was called off meanwhile, or the cache closed. Whoever asks next must not meet its lease."""

        async def give_back() -> None:
            try:
                await self._give_back(flight)
            finally:
                flight.rounds.over(flight)

        if isinstance(answer, Granted):
            flight.lead_to(_NOBODYS)
            self._owner.start(give_back, "backstay lease given back", last=True)
        else:
            self._call_off(flight)

    def _call_off(self, flight: Flight[Any]) -> None:
        """It will not compute. If anybody is aboard all the same, the cache closes, and they compute alone."""
        flight.lead_to(_NOBODYS)
        flight.rounds.over(flight)

    async def _ask_and_fly(self, flight: Flight[Any]) -> None:
        """All of it in the task, where the backend has to be waited for."""
        answer: Acquired | Away | None = None
        error: Exception | None = None
        flight.unsure |= self._far.available
        try:
            answer = await self._far.acquire(self._claim(flight))
        except Exception as exc:  # noqa: BLE001 - no backend raises any; handed to every caller aboard
            error = exc
        finally:
            if answer is None:  # or it was cancelled, with the lease perhaps granted to nobody
                self._withdraw(flight)
                flight.fail(error)
                flight.rounds.over(flight)
        if answer is None:
            return
        if self._owner.closed:
            self._withdraw(flight)
            self._call_off(flight)
        elif self._takes_off(flight, answer):
            await (self._fly(flight) if flight.token else self._fly_alone(flight))

    def _takes_off(self, flight: Flight[Any], answer: Acquired | Away) -> bool:
        """Whether the answer leads to a computation here. If not, those aboard are told what it leads to."""
        if isinstance(answer, Granted):
            self._keeper.hold(flight)
            flight.decided()
        elif answer is AWAY:
            ahead = self._joinable_alone(flight.request)
            if flight.unsure:
                self._withdraw(flight)
            if ahead is not None:
                flight.lead_to(ahead)
            else:
                self._to_fly_alone(flight)
        elif isinstance(answer, Busy):
            flight.lead_to(self._keeper.leased.get(answer.token, answer))
        else:
            flight.lead_to(answer)
        flight.rounds.over(flight)
        return flight.led_to is None

    async def _give_back(self, flight: Flight[Any]) -> None:
        """End the lease that was granted; later, if the backend is away."""
        if await self._far.hold(flight.request.name, flight.token, lease=0.0) is AWAY:
            self._withdraw(flight)

    def _withdraw(self, flight: Flight[Any]) -> None:
        """Give back a lease that may have been granted, once the backend can be asked.

        Twice, since the asking may still be on its way. A cache that closes tries once.
        """
        until = self._clock.monotonic() + flight.request.plan.lease
        self._end_lease(flight.request.name, flight.token, _REFUSED, until)

    def _end_lease(self, name: str, token: str, refusals: int, until: float) -> None:
        """Ask for the lease's end, and again after a while, until it is granted, or refused that often."""

        async def ask() -> None:
            ended = await self._far.hold(name, token, lease=0.0)
            left = refusals - (ended is False)
            over = ended is True or not left or self._clock.monotonic() >= until
            if not over and not self._owner.closed:
                self._owner.start(partial(again, left), "backstay lease withdrawn")

        async def again(left: int) -> None:
            await self._clock.sleep(_ON_ITS_WAY)
            self._end_lease(name, token, left, until)

        # What asks may end before it is cancelled; what only waits holds up no closing.
        self._owner.start(ask, "backstay lease withdrawn", last=True)

    async def _fly(self, flight: Flight[T]) -> None:
        """Compute under the lease, which is renewed meanwhile, and store under it."""
        request, handed_over = flight.request, False
        made = Computation(request.key, request.old)
        stored: bool | Away | None = None
        error: Exception | None = None
        try:
            value = await self._computed(request, made)
            flight.tags = made.tags
            entry, kept = None, 0.0
            try:
                entry, kept = self._entry(flight, value, made)
                handed_over = entry is not None and self._hand_over(flight, entry, kept)
            finally:
                # Nobody has to wait for the store. It is asked, though, before who is woken by the value asks it.
                flight.land(value)
            if entry is not None and not handed_over:
                stored = await self._far.fill(request.name, flight.token, entry, ttl=kept)
        except Exception as exc:  # noqa: BLE001 - handed to every caller aboard
            error = exc
        except anyio.get_cancelled_exc_class():
            error = self._cancelled(flight)
            raise
        finally:
            if stored is not None:
                self._let_go(flight, stored)
            elif not handed_over:  # the lease was not used up, nor found to be void
                # In a task of its own, which nobody cancels: an orphaned lease would hold up the other processes.
                self._owner.start(partial(self._give_up, flight, error), "backstay lease given back", last=True)

    async def _give_up(self, flight: Flight[Any], error: Exception | None) -> None:
        """The computation came to nothing, or to nothing that is stored."""
        try:
            await self._give_back(flight)
        finally:
            self._let_go(flight, None)
            # Only now: who is told of a failure may ask again, and must not meet this lease.
            flight.fail(error)

    def _cancelled(self, flight: Flight[Any]) -> Exception | None:
        """What those aboard are told of a cancellation. None if it was ours: then they look again."""
        if flight.unwanted or self._owner.closed:
            return None
        return ComputeCancelled(f"the computation of {flight.request.key!r} was cancelled by something it awaited")

    def _hand_over(self, flight: Flight[Any], entry: bytes, kept: float) -> bool:
        """Have the value stored, and the flight ended, without its task. False if that cannot be."""
        filled = partial(self._when_filled, flight, entry, kept)
        if not self._far.fill_then(flight.request.name, flight.token, entry, kept, filled):
            return False
        self._owner.replies += 1
        return True

    def _filled(self, flight: Flight[Any], entry: bytes, kept: float, stored: bool | CacheUnavailable) -> None:
        """The backend has called back."""
        if isinstance(stored, CacheUnavailable):
            self._owner.start(partial(self._fill, flight, entry, kept), "backstay store", last=True)
        else:
            self._let_go(flight, stored)
        self._owner.replied()

    async def _fill(self, flight: Flight[Any], entry: bytes, kept: float) -> None:
        """Store in a task, which waits for the backend or finds out what is wrong."""
        stored: bool | Away = AWAY
        try:
            stored = await self._far.fill(flight.request.name, flight.token, entry, ttl=kept)
        finally:
            # Refused, because the first attempt was not, perhaps: its answer was lost.
            self._let_go(flight, stored or None)

    def _let_go(self, flight: Flight[Any], stored: bool | Away | None) -> None:
        """Its lease is no more. Count and tell if a store did not come about; None: none was wanted."""
        self._keeper.let_go(flight)
        if stored is AWAY:
            self._withdraw(flight)
            self._emit(NotStored(key=flight.request.key, reason="unavailable"))
        elif stored is False:
            flight.request.counts.refused += 1
            self._emit(NotStored(key=flight.request.key, reason="refused"))

    def _joinable_alone(self, request: Request[Any]) -> Flight[Any] | None:
        """A computation without the backend that is shared within this process, for a bounded time."""
        ahead = self._alone.get(request.name) if request.plan.local else None
        if ahead is None or ahead.alone_since is None or ahead.is_set():
            return None
        return ahead if self._clock.monotonic() - ahead.alone_since <= LONE_BOUND else None

    def _to_fly_alone(self, flight: Flight[Any]) -> None:
        """It will compute without the backend, and store nothing."""
        request = flight.request
        flight.token, flight.alone_since, flight.tags = "", self._clock.monotonic(), request.plan.label.tags
        if request.plan.local:
            self._alone[request.name] = flight
        flight.decided()

    async def _fly_alone(self, flight: Flight[T]) -> None:
        request = flight.request
        error: Exception | None = None
        try:
            flight.land(await self._computed(request, Computation(request.key, request.old)))
            self._emit(NotStored(key=request.key, reason="unavailable"))
        except Exception as exc:  # noqa: BLE001 - handed to every caller aboard
            error = exc
        except anyio.get_cancelled_exc_class():
            error = self._cancelled(flight)
            raise
        finally:
            if self._alone.get(request.name) is flight:
                del self._alone[request.name]
            flight.fail(error)

    async def _computed(self, request: Request[T], made: Computation) -> T:
        """The value. What the computation says about it, and what it cost, are in `made` then."""
        under_way.set(made)  # in the context of the flight's own task
        began = self._clock.monotonic()
        try:
            value: Any = request.compute()
            kind: Any = value.__class__
            if kind is CoroutineType or isawaitable(
                value
            ):  # almost always a coroutine: the general question is dear
                value = await value
        except Exception:  # whatever the computation raises is its callers' business: only counted here
            request.counts.failed += 1
            raise
        made.cost = self._clock.monotonic() - began
        request.counts.computed += 1
        if self._emit.listening:
            self._emit(Computed(key=request.key, seconds=made.cost))
        computed: T = value
        return computed

    def _entry(self, flight: Flight[T], value: T, made: Computation) -> tuple[bytes | None, float]:
        """What to store, and for how many seconds; None if it is not to be stored, or cannot be."""
        request = flight.request
        plan, ttl = request.plan, made.ttl
        if ttl == 0 or not plan.wanted(value):
            return None, 0.0
        if ttl is None:
            ttl = plan.ttl_of(value)
        kept = ttl + plan.afterlife
        try:
            label = plan.label
            if flight.tags or made.etag is not None:
                label = Label(label.codec, made.labels(label.tags), label.sensitive)
            entry = self._shelf.write(
                request.key, value, label, ttl=ttl, kept=kept, epoch=flight.epoch, cost=made.cost
            )
        except (EncodingError, ValueTooLarge, SealingRequired) as exc:
            self._emit(NotStored(key=request.key, reason=_REASONS[type(exc)], detail=str(exc)))
            return None, 0.0
        return entry, kept
