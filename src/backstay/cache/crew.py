"""What flies a flight: compute under a lease, hand out the value, and store it if it may still be stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from types import CoroutineType
from typing import Any, Final, Literal, TypeVar

import anyio

from backstay.clock import Clock
from backstay.errors import CacheUnavailable, EncodingError, SealingRequired, ValueTooLarge
from backstay.events import Emitter
from backstay.tasks import TaskOwner

from .computation import Computation, under_way
from .events import Computed, NotStored
from .far import AWAY, Away
from .flights import Flight
from .leases import LeaseKeeper
from .request import Label, Request
from .shelf import Shelf

T = TypeVar("T")

LONE_BOUND: Final = 2.0
"""Without a backend, a caller joins a computation of its process that is at most this many seconds old."""

_REASONS: Final[dict[type[Exception], Literal["unencodable", "too-large", "unsealed"]]] = {
    EncodingError: "unencodable",
    ValueTooLarge: "too-large",
    SealingRequired: "unsealed",
}


class Crew:
    """Runs computations, each in a task that the cache owns."""

    def __init__(self, shelf: Shelf, owner: TaskOwner, clock: Clock, emit: Emitter) -> None:
        self._shelf = shelf
        self._far = shelf.far
        self._owner = owner
        self._keeper = LeaseKeeper(shelf.far, owner, clock)
        self._clock = clock
        self._emit = emit
        self.leased: dict[str, Flight[Any]] = {}
        """The flights under a lease, by its token."""
        self._alone: dict[str, Flight[Any]] = {}

    def launch(self, request: Request[T], token: str, epoch: int, *, outlives: bool) -> Flight[T]:
        """Compute under the lease that the token was granted."""
        owner, now = self._owner, self._clock.monotonic()
        flight: Flight[T] = Flight(request.key, token, epoch=epoch, outlives=outlives, started=now, loop=owner.loop)
        self.leased[token] = flight
        flight.task = owner.start(partial(self._fly, request, flight), f"backstay flight {flight.key[:64]}")
        return flight

    def launch_alone(self, request: Request[T]) -> Flight[T]:
        """Compute without the backend, and store nothing. Shared within this process for a bounded time."""
        plan, now = request.plan, self._clock.monotonic()
        ahead = self._alone.get(request.name) if plan.local else None
        if ahead is not None and not ahead.is_set() and now - ahead.started <= LONE_BOUND:
            return ahead
        epoch, loop = self._far.log.epoch, self._owner.loop
        flight: Flight[T] = Flight(request.key, "", epoch=epoch, outlives=plan.outlives, started=now, loop=loop)
        flight.tags = plan.label.tags
        if plan.local:
            self._alone[request.name] = flight
        flight.task = self._owner.start(
            partial(self._fly_alone, request, flight), f"backstay flight {flight.key[:64]}"
        )
        return flight

    def forget_alone(self, concerns: Callable[[Flight[Any]], bool]) -> None:
        """After an invalidation: nobody joins these any more. Their callers so far are still served."""
        self._alone = {name: flight for name, flight in self._alone.items() if not concerns(flight)}

    async def _fly(self, request: Request[T], flight: Flight[T]) -> None:
        """Compute under the lease, which is renewed meanwhile, and store under it."""
        settled, name, token = False, request.name, flight.token
        self._keeper.hold(name, token, request.plan.lease)
        made = Computation(request.key, request.old)
        error: Exception | None = None
        try:
            value = await self._computed(request, made)
            flight.tags = made.tags
            attempt: Awaitable[bool] | None = None
            try:
                entry, kept = self._entry(request, flight, value, made)
                if entry is not None:
                    attempt = self._far.try_fill(name, token, entry, kept)
            finally:
                # Nobody has to wait for the store. It is asked, though, before who is woken by the value asks it.
                flight.land(value)
            if entry is not None:
                try:
                    stored = await (attempt or self._far.fill(name, token, entry, ttl=kept))
                except CacheUnavailable:
                    stored = await self._far.fill(name, token, entry, ttl=kept)
                settled = True  # used up by the fill, or found to be void
                if stored is not True:
                    self._not_stored(request, stored)
        except Exception as exc:  # noqa: BLE001 - handed to every caller aboard
            error = exc
        finally:
            self._keeper.let_go(token)
            if not settled:
                # Also when cancelled: an orphaned lease would hold up the other processes.
                with anyio.CancelScope(shield=True):
                    await self._far.hold(name, token, lease=0.0)
            # Only now: who is told of a failure may ask again, and must not meet this lease.
            del self.leased[token]
            flight.fail(error)

    async def _fly_alone(self, request: Request[T], flight: Flight[T]) -> None:
        error: Exception | None = None
        try:
            flight.land(await self._computed(request, Computation(request.key, request.old)))
            self._emit(NotStored(key=request.key, reason="unavailable"))
        except Exception as exc:  # noqa: BLE001 - handed to every caller aboard
            error = exc
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

    def _entry(
        self, request: Request[T], flight: Flight[T], value: T, made: Computation
    ) -> tuple[bytes | None, float]:
        """What to store, and for how many seconds; None if it is not to be stored, or cannot be."""
        plan, ttl = request.plan, made.ttl
        if ttl == 0 or not plan.wanted(value):
            return None, 0.0
        if ttl is None:
            ttl = plan.ttl_of(value)
        kept = ttl + plan.afterlife
        try:
            label = plan.label
            if made.tags or made.etag is not None:
                label = Label(label.codec, made.labels(label.tags), label.sensitive)
            entry = self._shelf.write(
                request.key, value, label, ttl=ttl, kept=kept, epoch=flight.epoch, cost=made.cost
            )
        except (EncodingError, ValueTooLarge, SealingRequired) as exc:
            self._emit(NotStored(key=request.key, reason=_REASONS[type(exc)], detail=str(exc)))
            return None, 0.0
        return entry, kept

    def _not_stored(self, request: Request[Any], stored: Literal[False] | Away) -> None:
        """Count and tell that the store did not come about."""
        if stored is AWAY:
            self._emit(NotStored(key=request.key, reason="unavailable"))
        else:
            request.counts.refused += 1
            self._emit(NotStored(key=request.key, reason="refused"))
