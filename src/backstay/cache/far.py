"""The backend as the rest of the cache sees it: it may be away, and that is never an error.

Three duties, in one place because they hang together:

* **Breaker.** An operation that fails is tried again, a bounded number of times with exponential back-off. If
  it still fails the breaker opens: nobody waits for the backend until one caller's probe has succeeded.
* **Outbox.** What was to be invalidated while the backend was away is owed. It is paid before anything is
  read again, so nothing older than the invalidation is ever trusted. What was applied in the last seconds is owed
  again when the connection is lost: a failover may have forgotten it.
* **Log.** Every answer brings the records of scope invalidations that this process did not know.

A backend that hears of changes tells them here: a change has one meaning, "forget the key, wake who waits for it".
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar, final

from backstay.clock import Clock
from backstay.errors import CacheRefused, CacheUnavailable, ConfigError
from backstay.events import Emitter

from .events import BackendBack, BackendFailed, BackendLost
from .near import Local, Near
from .protocol import Acquired, Attentive, Audience, CacheBackend, Claim, Prompt, Trust
from .scopes import FLOOR, ScopeLog

T = TypeVar("T")

MAX_OWED: Final = 10_000
"""Most invalidations that wait; beyond that, everything is invalidated instead."""

REPLAYED: Final = 10.0
"""Seconds for which an applied invalidation is remembered, to be repeated if the connection is lost."""


@final
class Away(Enum):
    """What an operation answers when the backend cannot be asked."""

    AWAY = "away"


AWAY: Final = Away.AWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to bear with a failing backend. Seconds."""

    retries: int = 1
    """How often an operation is tried again before the breaker opens."""
    backoff: float = 0.02
    """The pause before the first retry; doubles with each, spread by half."""
    probe_after: float = 0.1
    """How long the breaker stays open at first; doubles while probes fail."""
    probe_most: float = 0.5
    """The longest that it stays open."""
    retry_within: float = 0.1
    """Only an operation that failed this fast is tried again: who has waited long waits no longer."""

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.retries < 0 or min(self.backoff, self.probe_after) <= 0 or self.probe_most < self.probe_after:
            raise ConfigError("Patience wants retries >= 0, pauses > 0, and probe_most >= probe_after")


class FarTier:
    """A `CacheBackend` behind a breaker, with an outbox and a replica of its log."""

    def __init__(
        self, backend: CacheBackend, clock: Clock, emit: Emitter, patience: Patience, local: Local | None
    ) -> None:
        self.log = ScopeLog()
        self.near: Near | None = None
        self.on_change: Callable[[str | None], None] = _nobody
        """Told which name changed, or None for all of them; in the thread of the loop only."""
        self._backend = backend
        self._prompt = backend if isinstance(backend, Prompt) else None
        self._clock = clock
        self._emit = emit
        self._patience = patience
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False
        self._owed_keys: dict[str, None] = {}
        self._owed_scopes: dict[str, None] = {}
        # Applied, but perhaps forgotten by a server that took over: repeated beside what is owed.
        self._repeat_keys: dict[str, None] = {}
        self._repeat_scopes: dict[str, None] = {}
        self._applied: deque[tuple[float, tuple[str, ...], tuple[str, ...]]] = deque()
        self._thread = threading.get_ident()
        self._attentive = backend if isinstance(backend, Attentive) else None
        self._trust = Trust(0.0) if self._attentive is None else self._attentive.trust
        self._leave: Callable[[], None] = _nobody_left
        if self._attentive is not None:
            if local is not None:
                self.near = Near(self._trust, local, self.log, clock)
            self._leave = self._attentive.attend(self)

    def close(self) -> None:
        """Hear of nothing any more."""
        self._leave()

    @property
    def hears(self) -> bool:
        """Whether changes made by others are told here, now."""
        return self._clock.monotonic() < self._trust.until

    @property
    def available(self) -> bool:
        """Whether the breaker is closed."""
        return self._open_until is None

    @property
    def in_touch(self) -> bool:
        """Whether it can be asked now, and tells of changes."""
        return self._open_until is None and self._clock.monotonic() < self._trust.until

    @property
    def owed(self) -> int:
        """Invalidations that wait for the backend."""
        return len(self._owed_keys) + len(self._owed_scopes)

    def look(self, key: str) -> Awaitable[bytes | None] | None:
        """One key, asked for in this turn; None if the backend is away or cannot be asked like that.

        Awaited, it raises CacheUnavailable; then `read` is the way, which finds out what is wrong.
        """
        return self._prompt.look(key) if self._prompt is not None and self._open_until is None else None

    async def read(self, keys: Sequence[str]) -> Sequence[bytes | None] | Away:
        """The raw values, after the log's news have been taken in."""
        reading = await self._ask("read", lambda: self._backend.read(keys, since=self.log.epoch))
        if reading is AWAY:
            return AWAY
        self.log.apply(reading.epoch, reading.records)
        return reading.values

    async def acquire(self, claim: Claim) -> Acquired | Away:
        """Ask for the lease of a key."""
        key, token, epoch, floor, lease, seen = claim
        return await self._ask(
            "acquire",
            lambda: self._backend.acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen),
        )

    def acquire_then(self, claim: Claim, then: Callable[[Acquired | CacheUnavailable], None]) -> bool:
        """`acquire`, and `then` is told the answer. False: it cannot be asked like that, or not now.

        Then, or if it is told CacheUnavailable, `acquire` is the way, which finds out what is wrong.
        """
        if self._prompt is None or self._open_until is not None:
            return False
        self._prompt.acquire_then(claim, then)
        return True

    def fill_then(
        self, key: str, token: str, value: bytes, ttl: float, then: Callable[[bool | CacheUnavailable], None]
    ) -> bool:
        """`fill`, likewise."""
        if self._prompt is None or self._open_until is not None:
            return False
        self._prompt.fill_then(key, token, value, then, ttl=ttl)
        return True

    async def hold(self, key: str, token: str, *, lease: float) -> bool | Away:
        """Renew a lease, or end it (0)."""
        return await self._ask("hold", lambda: self._backend.hold(key, token, lease=lease))

    async def fill(self, key: str, token: str, value: bytes, *, ttl: float) -> bool | Away:
        """Store under the lease."""
        return await self._ask("fill", lambda: self._backend.fill(key, token, value, ttl=ttl))

    async def put(self, entries: Mapping[str, bytes | None], *, ttl: float = 0.0) -> bool:
        """Store or remove, whatever is there. False: not done, and the keys are owed an invalidation."""
        self._forget(entries)
        if await self._ask("put", lambda: self._backend.put(entries, ttl=ttl), must=True) is AWAY:
            self._owe(keys=entries)
            return False
        self._remember(tuple(entries), ())
        return True

    async def bump(self, scopes: Sequence[str]) -> bool:
        """Invalidate scopes. False: owed.

        The new epoch is not taken into the replica: records of others may lie between, and the next read
        brings them all.
        """
        if await self._ask("bump", lambda: self._backend.bump(scopes), must=True) is AWAY:
            self._owe(scopes=scopes)
            if self.near is not None:
                self.near.clear()
            return False
        self._remember((), tuple(scopes))
        return True

    def changed(self, key: str, /) -> None:
        """Part of `Audience`."""
        if self.near is not None:
            self.near.drop(key)
        if threading.get_ident() == self._thread:
            self.on_change(key)

    def news(self, epoch: int, records: Sequence[tuple[str, int]], /) -> None:
        """Part of `Audience`."""
        self.log.apply(epoch, records)

    def freed(self, name: str, /) -> None:
        """Part of `Audience`. Locks listen for themselves."""

    def lost(self) -> None:
        """Part of `Audience`: trust nothing, and repeat what may be forgotten before anything is read again."""
        if self.near is not None:
            self.near.clear()
        since = self._clock.monotonic() - REPLAYED
        for at, keys, scopes in self._applied:
            if at >= since:
                self._repeat_keys.update(dict.fromkeys(keys))
                self._repeat_scopes.update(dict.fromkeys(scopes))
        self._applied.clear()
        if self._open_until is None:
            self._open_until = self._clock.monotonic()  # whoever comes next probes
        self.on_change(None)

    def back(self) -> None:
        """Part of `Audience`: no need to wait for the end of the pause."""
        if self._open_until is not None:
            self._open_until = self._clock.monotonic()

    async def _ask(self, operation: str, call: Callable[[], Awaitable[T]], *, must: bool = False) -> T | Away:
        """Run one operation if the backend can be asked; AWAY if not, or if it keeps failing.

        A refusal concerns this operation only, unless it `must` happen: then nothing may be read before it has.
        """
        if self._open_until is not None and not await self._probe():
            return AWAY
        began = self._clock.monotonic()
        for attempt in range(self._patience.retries + 1):
            try:
                answer = await call()
            except CacheUnavailable as exc:
                self._emit(BackendFailed(operation=operation, error=str(exc)))
                if isinstance(exc, CacheRefused) and not must:
                    return AWAY
            else:
                return answer
            late = self._clock.monotonic() - began > self._patience.retry_within
            if attempt < self._patience.retries and self.available and not late:
                await self._clock.sleep(self._pause(attempt))
            if not self.available:  # another caller found out meanwhile
                return AWAY
            if late:
                break
        self._open()
        return AWAY

    def _pause(self, attempt: int) -> float:
        return self._patience.backoff * float(2**attempt) * (1.0 + random.random() / 2)  # noqa: S311 - a pause

    def _open(self) -> None:
        longest, first = self._patience.probe_most, self._patience.probe_after
        pause = min(longest, first * 2 ** min(self._failures, 16)) * (1.0 + random.random() / 4)  # noqa: S311
        self._failures += 1
        self._open_until = self._clock.monotonic() + pause
        self._emit(BackendLost(failures=self._failures, retry_in=pause))

    async def _probe(self) -> bool:
        """Whether the breaker is closed now. One caller at a time finds out, once the pause is over."""
        if self._probing or self._open_until is None:
            return self._open_until is None
        if self._clock.monotonic() < self._open_until:
            return False
        self._probing = True
        try:
            replayed = await self._pay()
        except CacheUnavailable as exc:
            self._emit(BackendFailed(operation="probe", error=str(exc)))
            self._open()
            return False
        finally:
            self._probing = False
        self._open_until = None
        self._failures = 0
        self._emit(BackendBack(replayed=replayed))
        return True

    async def _pay(self) -> int:
        """Apply what is owed and repeat what may be forgotten, then look at the log. Raises CacheUnavailable."""
        paid = 0
        while self._owed_keys or self._owed_scopes or self._repeat_keys or self._repeat_scopes:
            owed = self.owed
            keys, scopes = self._owed_keys | self._repeat_keys, self._owed_scopes | self._repeat_scopes
            # What is added while these are under way is owed anew, even if it names the same key.
            self._owed_keys, self._owed_scopes, self._repeat_keys, self._repeat_scopes = {}, {}, {}, {}
            await self._pay_these(keys, scopes)
            paid += owed
        reading = await self._backend.read((), since=self.log.epoch)
        self.log.apply(reading.epoch, reading.records)
        return paid

    async def _pay_these(self, keys: Mapping[str, None], scopes: Mapping[str, None]) -> None:
        applied = False
        try:
            if keys:
                await self._backend.put(keys, ttl=0.0)
            if scopes:
                await self._backend.bump(list(scopes))
            applied = True
        finally:
            if applied:
                self._remember(tuple(keys), tuple(scopes))
            else:  # failed or cancelled: still owed
                self._owe(keys, scopes)

    def _forget(self, keys: Iterable[str]) -> None:
        """What this process writes is gone from its local tier before anybody else can know."""
        if self.near is not None:
            for key in keys:
                self.near.drop(key)

    def _remember(self, keys: tuple[str, ...], scopes: tuple[str, ...]) -> None:
        """Applied, but a failover may forget it."""
        if self._attentive is None:
            return
        now = self._clock.monotonic()
        while self._applied and self._applied[0][0] < now - REPLAYED:
            self._applied.popleft()
        if len(self._applied) >= MAX_OWED:
            self._applied.clear()
            keys, scopes = (), (FLOOR,)
        self._applied.append((now, keys, scopes))

    def _owe(self, keys: Iterable[str] = (), scopes: Iterable[str] = ()) -> None:
        self._owed_keys.update(dict.fromkeys(keys))
        self._owed_scopes.update(dict.fromkeys(scopes))
        if self.owed > MAX_OWED:
            self._owed_keys.clear()
            self._owed_scopes = {FLOOR: None}


def _nobody(_key: str | None) -> None:
    """Nobody waits for anything."""


def _nobody_left() -> None:
    """There was nobody to leave."""


if TYPE_CHECKING:
    _audience: type[Audience] = FarTier
