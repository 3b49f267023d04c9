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
from typing import Any, Final, TypeVar

import anyio
import anyio.lowlevel

from backstay.clock import Clock
from backstay.events import Emitter
from backstay.tasks import TaskOwner

from .crew import Crew
from .events import ComputationFailed
from .far import AWAY
from .flights import Crowd, Flight, Step
from .freshness import Age, Lifetime
from .keys import stored_name
from .protocol import Claim, Granted, Hit
from .request import Request
from .results import MISSING, Missing
from .rounds import Rounds
from .shelf import Shelf, head
from .transcode import Decoded

T = TypeVar("T")

COLD: Final = 8
"""After so many looks in a row that found nothing, the next key is thought to be missing as well."""

_FIRST_LOOK: Final = 0.01
_LONGEST_LOOK: Final = 1.0
_AFTER_LEASE: Final = 0.03


class Filler:
    """Computes what is missing, once, and stores it if it may still be stored."""

    def __init__(self, shelf: Shelf, owner: TaskOwner, clock: Clock, emit: Emitter) -> None:
        self._shelf = shelf
        self._far = shelf.far
        self._log = shelf.far.log
        self._owner = owner
        self._clock = clock
        self._emit = emit
        self.absent = 0
        """Looks in a row that found nothing."""
        self._crew = Crew(shelf, owner, clock, emit)
        self._rounds = Rounds(self._crew.ask)
        # Who wants exactness shares no round with who may join a computation that began before they came.
        self._exact_rounds = Rounds(self._crew.ask)
        self._crowds: dict[str, Crowd] = {}
        self._renewing: set[str] = set()
        shelf.far.on_change = self._wake
        # Unique over processes and restarts: a token is never used twice.
        self._process = secrets.token_urlsafe(12)
        self._acquisitions = itertools.count(1)

    async def claim(self, request: Request[T]) -> T | Missing:
        """The value of a key that nobody has looked at, if the lease is granted at once; else MISSING: then look.

        Another's computation would not do: it may have begun before an invalidation that only a look tells of.
        """
        name, missed = request.name, True
        if name in self._crowds:
            return MISSING
        crowd, began = self._enter(name), self._log.epoch
        try:
            flight = self._board(request, b"", crowd)
            flight.boarded = True
            await flight.wait()
            if flight.led_to is not None or not self._good(flight, began):
                self.absent, missed = 0, False
                return MISSING
            value: T = flight.result()
        except Exception as exc:  # whatever the computation raised
            self.failed(request, exc, served_stale=False)
            raise
        finally:
            request.counts.misses += missed
            self._leave(name, crowd)
        return value

    async def obtain(self, request: Request[T], seen: bytes, decided: Callable[[], None] | None = None) -> T:
        """The value: from another's fill, or computed here. `seen` is what was found and will not do.

        `decided` is called once, when it is known who computes it.
        """
        crowd = self._enter(request.name)
        pause = 0.0
        try:
            while not self._owner.closed:
                wakings, began = crowd.wakings, self._log.epoch
                # Those who were woken with this caller ask in this very turn as well.
                step = await self._asked(request, seen, crowd, decided, together=pause > 0)
                decided = None
                if isinstance(step, Flight):
                    if self._good(step, began):
                        value: T = step.result()
                        return value
                elif isinstance(step, Hit):
                    # Who boarded another's asking may be shown what it has seen itself: that is nothing new.
                    found = self._fresh(request, step.value) if head(step.value) != seen else None
                    if found is not None:
                        request.counts.coalesced += 1
                        return found.value
                    seen = head(step.value)
                else:
                    pause = await self._wait(crowd, wakings, step.left, pause)
        finally:
            self._leave(request.name, crowd)
        if decided is not None:
            decided()
        alone: Any = request.compute()  # a closed cache is no cache
        result: T = await alone if isawaitable(alone) else alone
        return result

    async def _asked(
        self,
        request: Request[Any],
        seen: bytes,
        crowd: Crowd,
        decided: Callable[[], None] | None,
        *,
        together: bool,
    ) -> Step:
        """What an asking from now on leads to. If that is a flight, it is over.

        `together`: others ask in this very turn of the loop, so wait for them before it begins.
        """
        flight = self._board(request, seen, crowd, at_once=not together)
        if together and not flight.asked:
            try:
                await anyio.lowlevel.checkpoint()
            finally:  # also if this caller is cancelled: others may be aboard, or it outlives its callers
                flight.rounds.begin(flight)
        if decided is not None:
            flight.when_decided(decided)
        shared, flight.boarded = flight.boarded, True
        if not flight.is_set():
            await flight.wait()
        step = flight.led_to
        if step is None:
            request.counts.coalesced += shared  # by all but the first, who has started it
            return flight
        if isinstance(step, Flight):
            request.counts.coalesced += step.boarded
            step.boarded = True
            step.outlives |= request.plan.outlives
            if not step.is_set():
                await step.wait()
        return step

    def _fresh(self, request: Request[T], raw: bytes) -> Decoded[T] | None:
        """What another filled, if it is fresh."""
        found = self._shelf.judge(request.key, raw, request.plan.label.codec, self._shelf.now_ms())
        return found if found is not None and self._shelf.age_of(found) is Age.FRESH else None

    def _good(self, flight: Flight[Any], began: int) -> bool:
        """Whether what a flight brought is good for who came at the epoch `began`."""
        if flight.abandoned:
            return False
        # A tag that only the computation named may have been invalidated since it began, before this caller came.
        return not flight.tags or not 0 < self._log.newest(flight.request.key, flight.tags, flight.epoch) <= began

    async def _wait(self, crowd: Crowd, wakings: int, left: float, pause: float) -> float:
        """Wait for another process; how long the next look may be put off, where changes are not told."""
        if self._owner.closed:
            return pause
        pause = min(pause * 2, _LONGEST_LOOK) or _FIRST_LOOK
        # Who is told of changes need not look for them, but for the lease's end.
        longest = left + _AFTER_LEASE
        nap = longest if self._far.hears else min(longest, pause)
        await crowd.wait(wakings, partial(self._clock.sleep, nap), self._owner)
        return pause

    async def obtain_many(
        self, requests: Sequence[Request[T]], seen: Mapping[str, bytes], decided: Callable[[], None]
    ) -> dict[str, T]:
        """`obtain` for several keys at once. Raises the first error, once all have ended."""
        values: dict[str, T] = {}
        errors: list[Exception] = []

        async def one(request: Request[T]) -> None:
            try:
                values[request.key] = await self.obtain(request, seen[request.key], decided)
            except Exception as exc:  # noqa: BLE001 - raised below, bare instead of in a group
                errors.append(exc)

        async with anyio.create_task_group() as group:
            for request in requests:
                group.start_soon(one, request)
        if errors:
            raise errors[0]
        return values

    def close(self) -> None:
        """The cache is about to be closed: whoever waits for another process waits no longer."""
        self._wake(None)

    def _wake(self, name: str | None) -> None:
        """Whoever waits for this name looks again; for None, everybody."""
        if name is None:
            for crowd in list(self._crowds.values()):
                crowd.wake()
        elif name in self._crowds:
            self._crowds[name].wake()

    def renew(self, request: Request[Any], seen: bytes) -> None:
        """Compute anew in the background, unless this process already does so for the key."""
        name = request.name
        if name in self._renewing or self._owner.closed:
            return
        self._renewing.add(name)

        async def background() -> None:
            try:
                flight = self._board(request, seen)
                flight.boarded = True
                await flight.wait()
                if isinstance(flight.led_to, Flight):
                    await flight.led_to.wait()
            finally:
                self._renewing.discard(name)

        self._owner.start(background, f"backstay renewal {request.key[:64]}")

    async def touch(self, key: str, lifetime: Lifetime, lease: float) -> bool:
        """Store what is there again with a new ttl, under a lease: never over something newer."""
        name = stored_name(key)
        raws = await self._far.read([name])
        raw = None if raws is AWAY else raws[0]
        envelope = self._shelf.peek(key, raw)
        if envelope is None or self._shelf.age_of(envelope) is not Age.FRESH:
            return False
        token, log = self._new_token(), self._log
        claim = Claim(name, token, log.epoch, log.newest(key, envelope.tags), lease, head(raw))
        answer = await self._far.acquire(claim)
        if not isinstance(answer, Granted):
            return False
        # An invalidation before the lease was granted leaves no trace in it: only what is there *now* may be kept.
        again = await self._far.read([name])
        if again is AWAY or again[0] != raw:
            await self._far.hold(name, token, lease=0.0)
            return False
        renewed = self._shelf.rewrite(envelope, lifetime.ttl)
        if renewed is None:
            await self._far.hold(name, token, lease=0.0)
            return False
        return await self._far.fill(name, token, renewed, ttl=lifetime.ttl) is True

    def forget_alone(self, concerns: Callable[[Flight[Any]], bool]) -> None:
        """After an invalidation: nobody joins these any more that no backend stands behind."""
        self._crew.forget_alone(concerns)

    def _enter(self, name: str) -> Crowd:
        crowd = self._crowds.get(name)
        if crowd is None:
            crowd = self._crowds[name] = Crowd()
        crowd.size += 1
        return crowd

    def _leave(self, name: str, crowd: Crowd) -> None:
        if crowd.leave():
            del self._crowds[name]

    def _board(
        self, request: Request[T], seen: bytes, crowd: Crowd | None = None, *, at_once: bool = True
    ) -> Flight[T]:
        """The flight that asks from now on: `at_once`, unless another asks already.

        The crowd decides how long it lives. A renewal in the background has none.
        """
        rounds = self._rounds if request.plan.local else self._exact_rounds
        flight = rounds.open_to_all(request.name)
        if flight is None:
            flight = Flight(request, seen, self._new_token(), rounds, self._owner.loop)
            flight.outlives = crowd is None or request.plan.outlives
            if crowd is not None:
                crowd.sets_off(flight)
            rounds.add(flight, at_once=at_once)
        else:
            flight.outlives |= crowd is None or request.plan.outlives
            if at_once:
                rounds.begin(flight)
        return flight

    def _new_token(self) -> str:
        return f"{self._process}-{next(self._acquisitions)}"

    def failed(self, request: Request[Any], error: Exception, *, served_stale: bool) -> None:
        """Tell that a caller met a failed computation, and what it got instead."""
        self._emit(ComputationFailed(key=request.key, error=type(error).__qualname__, served_stale=served_stale))
