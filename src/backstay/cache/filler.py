"""The miss path: who computes, who waits for whom, and what is stored in the end.

A caller that found nothing asks the backend for the key's lease. Whoever is granted it computes, in a flight
that belongs to the cache; a caller whose asking meets the lease of a flight of this process joins that flight,
*by its token*: only a computation that the backend still stands behind is ever joined. A lease of another
process is waited for. Without a backend, callers of this process share a flight that stores nothing.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from inspect import isawaitable
from typing import Any, Final, TypeAlias, TypeVar

import anyio
import anyio.lowlevel

from backstay.clock import Clock
from backstay.errors import CacheUnavailable
from backstay.events import Emitter
from backstay.tasks import TaskOwner

from .crew import Crew
from .events import ComputationFailed
from .far import AWAY, Away, Claim
from .flights import Crowd, Flight, Round
from .freshness import Age, Lifetime
from .keys import stored_name
from .protocol import Acquired, Busy, Granted, Hit
from .request import Request
from .shelf import Shelf, head
from .transcode import Decoded

T = TypeVar("T")

_FIRST_LOOK: Final = 0.01
_LONGEST_LOOK: Final = 1.0
_AFTER_LEASE: Final = 0.03
_ON_ITS_WAY: Final = 0.25
_new: Any = getattr(tuple, "__new__")  # noqa: B009 - its type says less than Any does

Step: TypeAlias = Flight[Any] | Hit | Busy
"""What an asking for a lease leads to: a computation of this process, a value, or waiting for another process."""


class Filler:
    """Computes what is missing, once, and stores it if it may still be stored."""

    def __init__(self, shelf: Shelf, owner: TaskOwner, clock: Clock, emit: Emitter) -> None:
        self._shelf = shelf
        self._far = shelf.far
        self._log = shelf.far.log
        self._owner = owner
        self._clock = clock
        self._emit = emit
        self._crew = Crew(shelf, owner, clock, emit)
        self._rounds: dict[str, Round[Step]] = {}
        # Who wants exactness shares no round with who may join a computation that began before they came.
        self._exact_rounds: dict[str, Round[Step]] = {}
        self._crowds: dict[str, Crowd] = {}
        self._renewing: set[str] = set()
        shelf.far.on_change = self._wake
        # Unique over processes and restarts: a token is never used twice.
        self._process = secrets.token_urlsafe(12)
        self._acquisitions = itertools.count(1)

    async def claim(self, request: Request[T]) -> Flight[T] | None:
        """Ask for the lease of a key that nobody has looked at. None if it is not granted: then look."""
        name, token = request.name, self._new_token()
        rounds = self._rounds if request.plan.local else self._exact_rounds
        if name in self._crowds or name in rounds:
            return None
        outlives = request.plan.outlives
        step = await self._ask(rounds, request, b"", token, together=False, outlives=outlives)
        # Another's flight may have begun before an invalidation that only a look tells of. One without a token is
        # ours as well: the backend could not be asked.
        return step if isinstance(step, Flight) and step.token in (token, "") else None

    async def obtain(
        self,
        request: Request[T],
        seen: bytes,
        answered: Callable[[], None] | None = None,
        flight: Flight[T] | None = None,
    ) -> T:
        """The value: from another's fill, or computed here. `seen` is what was found and will not do.

        `answered` is called once, when it is known who computes it. `flight` is what a `claim` just led to.
        """
        crowd = self._crowds.get(request.name) or self._crowds.setdefault(request.name, Crowd())
        crowd.size += 1
        pause = 0.0
        step: Step | None = flight and self._noted(request.name, flight)
        try:
            while not self._owner.closed:
                wakings, began = crowd.wakings, self._log.epoch
                if step is None:
                    # Those who were woken with this caller ask in this very turn as well.
                    step = await self._asked(request, seen, together=pause > 0)
                if answered is not None:
                    answered()
                    answered = None
                if isinstance(step, Flight):
                    request.counts.coalesced += step.boarded  # all but the one that started it
                    step.boarded = True
                    if not step.is_set():
                        await step.wait()
                    if self._good(step, began):
                        value: T = step.result()
                        return value
                elif isinstance(step, Hit):
                    found = self._fresh(request, step.value)
                    if found is not None:
                        request.counts.coalesced += 1
                        return found.value
                    seen = head(step.value)
                else:
                    pause = await self._wait(crowd, wakings, step.left, pause)
                step = None
        finally:
            if crowd.leave():
                del self._crowds[request.name]
        alone: Any = request.compute()  # a closed cache is no cache
        result: T = await alone if isawaitable(alone) else alone
        return result

    def _fresh(self, request: Request[T], raw: bytes) -> Decoded[T] | None:
        """What another filled, if it is fresh."""
        found = self._shelf.judge(request.key, raw, request.plan.label.codec, self._shelf.now_ms())
        return found if found is not None and self._shelf.age_of(found) is Age.FRESH else None

    def _good(self, flight: Flight[Any], began: int) -> bool:
        """Whether what a flight brought is good for who came at the epoch `began`."""
        if flight.abandoned:
            return False
        # A tag that only the computation named may have been invalidated since it began, before this caller came.
        return not flight.tags or not 0 < self._log.newest(flight.key, flight.tags, flight.epoch) <= began

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
                step = await self._asked(request, seen, outlives=True)
                if isinstance(step, Flight):
                    await step.wait()
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

    def _asked(
        self, request: Request[Any], seen: bytes, *, together: bool = False, outlives: bool = False
    ) -> Awaitable[Step]:
        """What an asking leads to that begins from now on, and is shared by all who came before it began.

        `together`: others ask in this very turn of the loop, so wait for them before it begins.
        """
        rounds = self._rounds if request.plan.local else self._exact_rounds
        outlives, ahead = outlives or request.plan.outlives, rounds.get(request.name)
        token = self._new_token()
        if ahead is None:
            return self._ask(rounds, request, seen, token, together=together, outlives=outlives)
        ask = partial(self._ask, rounds, request, seen, token, together=together, outlives=outlives)
        return self._follow(ahead, ask)

    async def _follow(self, ahead: Round[Step], ask: Callable[..., Awaitable[Step]]) -> Step:
        """What a round leads to that begins from now on: another caller's, else one's own."""
        last, good = await ahead.follow()
        return last.answer if good else await ask(after=last)

    async def _ask(
        self,
        rounds: dict[str, Round[Step]],
        request: Request[Any],
        seen: bytes,
        token: str,
        *,
        together: bool,
        outlives: bool,
        after: Round[Step] | None = None,
    ) -> Step:
        """Lead a round: ask for the lease, and do what follows from the answer."""
        name = request.name
        mine: Round[Step] = Round()
        rounds[name] = mine
        if after is not None:
            after.next = mine
        try:
            if together:
                await anyio.lowlevel.checkpoint()
            mine.begun, epoch = True, self._log.epoch
            floor = self._log.newest(request.key, request.plan.label.tags)
            claim: Claim = _new(Claim, (name, token, epoch, floor, request.plan.lease, seen))
            answer: Acquired | Away
            try:
                answer = await (self._far.try_acquire(claim) or self._far.acquire(claim))
            except CacheUnavailable:
                answer = await self._far.acquire(claim)
            if self._owner.closed and isinstance(answer, Granted):  # while it was asked
                await self._far.hold(name, token, lease=0.0)
            step = mine.answer = self._step(request, answer, token, epoch, outlives)
            mine.answered = True
            return step
        finally:
            if rounds.get(name) is mine:
                del rounds[name]
            if not mine.answered and mine.begun:  # cancelled, with the lease perhaps granted to nobody
                self._withdraw(name, token)
            mine.end()

    def _step(self, request: Request[Any], answer: Acquired | Away, token: str, epoch: int, outlives: bool) -> Step:
        """What follows from an answer."""
        if self._owner.closed:
            return Busy("", 0.0)  # whoever sees this computes alone
        if answer is AWAY:
            return self._noted(request.name, self._crew.launch_alone(request))
        if isinstance(answer, Granted):
            return self._noted(request.name, self._crew.launch(request, token, epoch, outlives=outlives))
        if isinstance(answer, Busy):
            return self._crew.leased.get(answer.token, answer)
        return answer

    def _noted(self, name: str, flight: Flight[Any]) -> Flight[Any]:
        """The key's crowd decides how long the flight lives. A renewal in the background has none."""
        crowd = self._crowds.get(name)
        if crowd is not None and flight not in crowd.flights:
            crowd.flights.append(flight)
        return flight

    def _withdraw(self, name: str, token: str) -> None:
        """Give back a lease that may have been granted; twice, since the asking may still be on its way."""

        async def give_back() -> None:
            if await self._far.hold(name, token, lease=0.0) is False:
                await self._clock.sleep(_ON_ITS_WAY)
                await self._far.hold(name, token, lease=0.0)

        if not self._owner.closed:
            self._owner.start(give_back, "backstay lease withdrawn")

    def _new_token(self) -> str:
        return f"{self._process}-{next(self._acquisitions)}"

    def failed(self, request: Request[Any], error: Exception, *, served_stale: bool) -> None:
        """Tell that a caller met a failed computation, and what it got instead."""
        self._emit(ComputationFailed(key=request.key, error=type(error).__qualname__, served_stale=served_stale))
