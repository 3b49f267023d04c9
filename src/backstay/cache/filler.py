"""The miss path: who computes, who waits for whom, and what is stored in the end.

A caller that found nothing asks the backend for the key's lease. Whoever is granted it computes, in a flight
that belongs to the cache; a caller whose asking meets the lease of a flight of this process joins that flight,
*by its token*: only a computation that the backend still stands behind is ever joined. A lease of another
process is waited for. Without a backend, callers of this process share a flight that stores nothing.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import isawaitable
from types import CoroutineType
from typing import Any, Final, Literal, TypeVar, assert_never

import anyio

from backstay.clock import Clock
from backstay.errors import EncodingError, SealingRequired, ValueTooLarge
from backstay.events import Emitter
from backstay.tasks import TaskOwner

from .computation import Computation, under_way
from .events import ComputationFailed, Computed, NotStored
from .far import AWAY, Away
from .flights import Abandoned, Crowd, Flight, Rounds
from .freshness import Age, Lifetime
from .keys import stored_name
from .leases import LeaseKeeper
from .protocol import Busy, Granted, Hit
from .request import Label, Request, call
from .shelf import Shelf, head

T = TypeVar("T")

LONE_BOUND: Final = 2.0
"""Without a backend, a caller joins a computation of its process that is at most this many seconds old."""

_FIRST_LOOK: Final = 0.01
_LONGEST_LOOK: Final = 1.0
_AFTER_LEASE: Final = 0.03
_ON_ITS_WAY: Final = 0.25


class Filler:
    """Computes what is missing, once, and stores it if it may still be stored."""

    def __init__(self, shelf: Shelf, owner: TaskOwner, clock: Clock, emit: Emitter) -> None:
        self._shelf = shelf
        self._owner = owner
        self._clock = clock
        self._emit = emit
        self._rounds: Rounds[Flight[Any] | Hit | Busy] = Rounds()
        # Who wants exactness shares no round with who may join a computation that began before they came.
        self._exact_rounds: Rounds[Flight[Any] | Hit | Busy] = Rounds()
        self._flights: dict[str, Flight[Any]] = {}
        self._crowds: dict[str, Crowd] = {}
        self._lone: dict[str, Flight[Any]] = {}
        self._renewing: set[str] = set()
        self._keeper = LeaseKeeper(shelf.far, owner, clock)
        shelf.far.on_change = self._wake
        # Unique over processes and restarts: a token is never used twice.
        self._process = secrets.token_urlsafe(12)
        self._acquisitions = itertools.count(1)

    async def obtain(self, request: Request[T], seen: bytes, answered: Callable[[], None] | None = None) -> T:
        """The value: from another's fill, or computed here. `seen` is what was found and will not do.

        `answered` is called once, when it is known who computes it.
        """
        name = request.name
        crowd = self._crowds.get(name)
        if crowd is None:
            crowd = self._crowds[name] = Crowd()
        crowd.size += 1
        try:
            return await self._settle(request, name, crowd, seen, answered)
        finally:
            if crowd.leave():
                del self._crowds[name]

    async def _settle(
        self, request: Request[T], name: str, crowd: Crowd, seen: bytes, answered: Callable[[], None] | None
    ) -> T:
        """Ask until there is a value."""
        pause, woken = _FIRST_LOOK, False
        rounds = self._rounds if request.plan.local else self._exact_rounds
        while not self._owner.closed:
            wakings, began = crowd.wakings, self._shelf.far.log.epoch
            # Those who were woken with this caller ask in this very turn as well.
            step = await rounds.ask(name, partial(self._step, request, name, seen), together=woken)
            if answered is not None:
                answered()
                answered = None
            match step:
                case Flight():
                    try:
                        value: T = await self._aboard(step)
                    except Abandoned:
                        continue
                    if not self._outdated(step, began):
                        return value
                case Hit():
                    found = self._shelf.judge(
                        request.key, step.value, request.plan.label.codec, self._shelf.now_ms()
                    )
                    if found is not None and self._shelf.age_of(found) is Age.FRESH:
                        request.counts.coalesced += 1
                        return found.value
                    seen = head(step.value)
                case Busy():
                    # Who is told of changes need not look for them, but for the lease's end.
                    longest = step.left + _AFTER_LEASE
                    nap = longest if self._shelf.far.hears else min(longest, pause)
                    await crowd.wait(wakings, partial(self._clock.sleep, nap), self._owner)
                    pause = min(pause * 2, _LONGEST_LOOK)
                    woken = True
                case _:
                    assert_never(step)
        return await call(request.compute)  # a closed cache is no cache

    async def obtain_many(
        self, requests: Sequence[Request[T]], seen: Mapping[str, bytes], answered: Callable[[], None]
    ) -> dict[str, T]:
        """`obtain` for several keys at once. Raises the first error, once all have ended."""
        values: dict[str, T] = {}
        errors: list[Exception] = []

        async def one(request: Request[T]) -> None:
            try:
                values[request.key] = await self.obtain(request, seen[request.key], answered)
            except Exception as exc:  # noqa: BLE001 - raised below, bare instead of in a group
                errors.append(exc)

        async with anyio.create_task_group() as group:
            for request in requests:
                group.start_soon(one, request)
        if errors:
            raise errors[0]
        return values

    def _outdated(self, flight: Flight[Any], began: int) -> bool:
        """Whether a tag that only the computation named was invalidated since it began, before this caller."""
        return bool(flight.tags) and 0 < self._shelf.far.log.newest(flight.key, flight.tags, flight.epoch) <= began

    def _wake(self, name: str | None) -> None:
        """Whoever waits for this name looks again; for None, everybody."""
        if name is None:
            for crowd in list(self._crowds.values()):
                crowd.wake()
        elif name in self._crowds:
            self._crowds[name].wake()

    async def _aboard(self, flight: Flight[Any]) -> Any:
        """The flight's result, counted apart for all but the one that started it."""
        if flight.waiters:
            self._shelf.tally.of(flight.key).coalesced += 1
        return await flight.join()

    def renew(self, request: Request[Any], seen: bytes) -> None:
        """Compute anew in the background, unless this process already does so for the key."""
        name = request.name
        if name in self._renewing or self._owner.closed:
            return
        self._renewing.add(name)

        async def background() -> None:
            try:
                step = await self._rounds.ask(name, lambda: self._step(request, name, seen, outlives=True))
                if isinstance(step, Flight):
                    await step.landed()
            finally:
                self._renewing.discard(name)

        self._owner.start(background, f"backstay renewal {request.key[:64]}")

    async def touch(self, key: str, lifetime: Lifetime, lease: float) -> bool:
        """Store what is there again with a new ttl, under a lease: never over something newer."""
        name = stored_name(key)
        raws = await self._shelf.far.read([name])
        raw = None if raws is AWAY else raws[0]
        envelope = self._shelf.peek(key, raw)
        if envelope is None or self._shelf.age_of(envelope) is not Age.FRESH:
            return False
        token, log = self._new_token(), self._shelf.far.log
        answer = await self._shelf.far.acquire(
            name, token, epoch=log.epoch, floor=log.newest(key, envelope.tags), lease=lease, seen=head(raw)
        )
        if not isinstance(answer, Granted):
            return False
        # An invalidation before the lease was granted leaves no trace in it: only what is there *now* may be kept.
        again = await self._shelf.far.read([name])
        if again is AWAY or again[0] != raw:
            await self._shelf.far.hold(name, token, lease=0.0)
            return False
        renewed = self._shelf.rewrite(envelope, lifetime.ttl)
        if renewed is None:
            await self._shelf.far.hold(name, token, lease=0.0)
            return False
        return await self._shelf.far.fill(name, token, renewed, ttl=lifetime.ttl) is True

    def forget_lone(self, concerns: Callable[[Flight[Any]], bool]) -> None:
        """After an invalidation: nobody joins these any more. Their callers so far are still served."""
        self._lone = {name: flight for name, flight in self._lone.items() if not concerns(flight)}

    async def _step(
        self, request: Request[Any], name: str, seen: bytes, *, outlives: bool = False
    ) -> Flight[Any] | Hit | Busy:
        """One asking for the lease, and what follows from the answer."""
        token = self._new_token()
        log = self._shelf.far.log
        epoch, floor = log.epoch, log.newest(request.key, request.plan.label.tags)
        try:
            answer = await self._shelf.far.acquire(
                name, token, epoch=epoch, floor=floor, lease=request.plan.lease, seen=seen
            )
        except BaseException:  # cancelled, with the lease perhaps granted to nobody
            self._withdraw(name, token)
            raise
        outlives = outlives or request.plan.outlives
        match answer:
            case Away.AWAY:
                return self._alone(request, name)
            case Granted():
                return self._launch(request, name, token, epoch, outlives=outlives)
            case Busy():
                return self._flights.get(answer.token, answer)
            case Hit():
                return answer
            case _:
                assert_never(answer)

    def _withdraw(self, name: str, token: str) -> None:
        """Give back a lease that may have been granted; twice, since the asking may still be on its way."""

        async def give_back() -> None:
            if await self._shelf.far.hold(name, token, lease=0.0) is False:
                await self._clock.sleep(_ON_ITS_WAY)
                await self._shelf.far.hold(name, token, lease=0.0)

        if not self._owner.closed:
            self._owner.start(give_back, "backstay lease withdrawn")

    def _new_token(self) -> str:
        return f"{self._process}-{next(self._acquisitions)}"

    def _launch(self, request: Request[Any], name: str, token: str, epoch: int, *, outlives: bool) -> Flight[Any]:
        flight: Flight[Any] = Flight(request.key, token, outlives=outlives, started=self._clock.monotonic())
        flight.epoch = epoch
        self._flights[token] = flight
        self._note(name, flight)
        flight.launch(self._owner, lambda this: self._leased(request, name, this))
        return flight

    def _alone(self, request: Request[Any], name: str) -> Flight[Any]:
        """Without the backend: a computation that stores nothing, shared within this process."""
        now = self._clock.monotonic()
        flight = self._lone.get(name) if request.plan.local else None
        if flight is None or flight.done or now - flight.started > LONE_BOUND:
            fresh: Flight[Any] = Flight(request.key, "", outlives=request.plan.outlives, started=now)
            fresh.tags = request.plan.label.tags
            fresh.epoch = self._shelf.far.log.epoch
            if request.plan.local:
                self._lone[name] = fresh
            self._note(name, fresh)
            fresh.launch(self._owner, lambda this: self._unleased(request, name, this))
            return fresh
        return flight

    def _note(self, name: str, flight: Flight[Any]) -> None:
        """The key's crowd decides how long the flight lives. A renewal in the background has none."""
        crowd = self._crowds.get(name)
        if crowd is not None:
            crowd.flights.append(flight)

    async def _leased(self, request: Request[T], name: str, flight: Flight[T]) -> T:
        """Compute under a lease, which is renewed meanwhile, and store under it."""
        settled, token = False, flight.token
        self._keeper.hold(name, token, request.plan.lease)
        made = Computation(request.key, request.old)
        try:
            value = await self._computed(request, made)
            flight.tags = made.tags
            flight.land(value)  # nobody has to wait for the store; who comes next asks it after this fill
            written = self._written(request, flight, value, made)
            if written is not None:
                self._told(request, await self._shelf.far.fill(name, token, written[0], ttl=written[1]))
                settled = True  # used up by the fill, or found to be void
            return value
        finally:
            self._keeper.let_go(token)
            if not settled:
                # Also when cancelled: an orphaned lease would hold up the other processes.
                with anyio.CancelScope(shield=True):
                    await self._shelf.far.hold(name, token, lease=0.0)
            del self._flights[token]

    async def _unleased(self, request: Request[T], name: str, flight: Flight[T]) -> T:
        try:
            value = await self._computed(request, Computation(request.key, request.old))
            self._emit(NotStored(key=request.key, reason="unavailable"))
            return value
        finally:
            if self._lone.get(name) is flight:
                del self._lone[name]

    async def _computed(self, request: Request[T], made: Computation) -> T:
        """The value. What the computation says about it, and what it cost, are in `made` then."""
        under_way.set(made)  # in the context of the flight's own task
        began = self._clock.monotonic()
        try:
            result: Any = request.compute()
            # Almost always a coroutine: the general question is dear.
            value: T = await result if type(result) is CoroutineType or isawaitable(result) else result
        except Exception:  # whatever the computation raises is its callers' business: only counted here
            request.counts.failed += 1
            raise
        made.cost = self._clock.monotonic() - began
        request.counts.computed += 1
        if self._emit.listening:
            self._emit(Computed(key=request.key, seconds=made.cost))
        return value

    def _written(
        self, request: Request[T], flight: Flight[T], value: T, made: Computation
    ) -> tuple[bytes, float] | None:
        """What to store, and for how many seconds; None if it is not to be, or cannot be."""
        plan, label, ttl = request.plan, request.plan.label, made.ttl
        if ttl == 0 or not plan.wanted(value):
            return None
        if ttl is None:
            ttl = plan.ttl_of(value)
        kept = ttl + plan.lifetime.afterlife
        try:
            if made.tags or made.etag is not None:
                label = Label(label.codec, made.labels(label.tags), label.sensitive)
            raw = self._shelf.write(
                request.key, value, label, ttl=ttl, kept=kept, epoch=flight.epoch, cost=made.cost
            )
        except (EncodingError, ValueTooLarge, SealingRequired) as exc:
            self._emit(NotStored(key=request.key, reason=_REASONS[type(exc)], detail=str(exc)))
            return None
        return raw, kept

    def _told(self, request: Request[Any], stored: bool | Away) -> None:
        """Count and tell what became of a fill."""
        if stored is AWAY:
            self._emit(NotStored(key=request.key, reason="unavailable"))
        elif not stored:
            request.counts.refused += 1
            self._emit(NotStored(key=request.key, reason="refused"))

    def failed(self, request: Request[Any], error: Exception, *, served_stale: bool) -> None:
        """Tell that a caller met a failed computation, and what it got instead."""
        self._emit(ComputationFailed(key=request.key, error=type(error).__qualname__, served_stale=served_stale))


_REASONS: dict[type[Exception], Literal["unencodable", "too-large", "unsealed"]] = {
    EncodingError: "unencodable",
    ValueTooLarge: "too-large",
    SealingRequired: "unsealed",
}
