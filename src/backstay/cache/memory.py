"""The embedded backend: one process, no server, bounded by entries and by bytes."""

from __future__ import annotations

import math
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from backstay.clock import Clock, SystemClock
from backstay.errors import ConfigError, ValueTooLarge

from .envelope import HEAD_BYTES
from .protocol import (
    HAND_OVER,
    Acquired,
    Attentive,
    Audience,
    Busy,
    CacheBackend,
    Granted,
    Held,
    Hit,
    LockBackend,
    Reading,
    Trust,
)
from .scopes import FLOOR

_ENTRY_OVERHEAD = 200
"""Bytes that one entry costs beside its key and value: dict slot, tuple, float (measured on CPython 3.11)."""


class _Entry(NamedTuple):
    value: bytes
    until: float


class _Lease(NamedTuple):
    token: str
    epoch: int
    until: float


class MemoryCache:
    """A `CacheBackend` in this process's memory. Times are the clock's monotonic reading.

    When it is full, what was used longest ago goes first. May be shared between event loops and threads: no
    method waits for anything while it holds the lock.
    """

    def __init__(
        self,
        *,
        max_entries: int = 100_000,
        max_bytes: int = 64 * 1024 * 1024,
        max_records: int = 4096,
        clock: Clock | None = None,
    ) -> None:
        """Bounds: entries, bytes of keys and values with their overhead, and records of the log."""
        if min(max_entries, max_bytes, max_records) < 1:
            raise ConfigError("the bounds of a MemoryCache are at least 1")
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_records = max_records
        self._clock: Clock = clock or SystemClock()
        self._guard = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._leases: dict[str, _Lease] = {}
        self._log: dict[str, int] = {}
        self._epoch = self._wall_epoch()
        self._locks: dict[str, _Lease] = {}
        self._queues: dict[str, dict[str, None]] = {}
        self._fence = 0
        self._trust = Trust(math.inf)
        # Weakly: an embedded default outlives the loops, and the caches of loops that nobody closed.
        self._audience: tuple[weakref.ref[Audience], ...] = ()

    @property
    def trust(self) -> Trust:
        """For ever: nothing happens here without the audience being told."""
        return self._trust

    def attend(self, audience: Audience, /) -> Callable[[], None]:
        """Tell this audience of changes, for as long as somebody else keeps it."""
        mine = weakref.ref(audience)
        with self._guard:
            self._audience = (*(each for each in self._audience if each() is not None), mine)
            audience.news(self._epoch, list(self._log.items()))
        return lambda: self._dismiss(mine)

    def _dismiss(self, leaving: weakref.ref[Audience]) -> None:
        with self._guard:
            self._audience = tuple(each for each in self._audience if each is not leaving)

    def _tell(self, changed: Iterable[str] = (), records: Sequence[tuple[str, int]] = ()) -> None:
        """With the guard held, so that two changes are told in their order."""
        for each in self._audience:
            audience = each()
            if audience is not None:
                for key in changed:
                    audience.changed(key)
                if records:
                    audience.news(self._epoch, records)

    @property
    def size(self) -> tuple[int, int]:
        """Entries held, and the bytes they take."""
        return len(self._entries), self._bytes

    async def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        """Look at the keys and the log."""
        with self._guard:
            if since > self._epoch:  # another life of this cache, or a clock that went back: doubt everything
                self._epoch = since + 1
                self._log = {FLOOR: self._epoch}
                self._tell(records=[(FLOOR, self._epoch)])
            records = [(scope, at) for scope, at in self._log.items() if at > since] if since < self._epoch else []
            return Reading([self._live(key) for key in keys], self._epoch, records)

    async def acquire(
        self, key: str, token: str, /, *, epoch: int, floor: int, lease: float, seen: bytes
    ) -> Acquired:
        """Ask for the lease of a key."""
        with self._guard:
            value = self._live(key)
            if value is not None and value[:HEAD_BYTES] != seen:
                return Hit(value)
            now = self._clock.monotonic()
            held = self._leases.get(key)
            if held and held.until > now and held.token != token and held.epoch >= floor:
                return Busy(held.token, held.until - now)
            if len(self._leases) > self._max_entries:
                self._leases = {name: other for name, other in self._leases.items() if other.until > now}
            self._leases[key] = _Lease(token, epoch, now + lease)
            return Granted()

    async def hold(self, key: str, token: str, /, *, lease: float) -> bool:
        """Renew or end a lease that is still the caller's."""
        with self._guard:
            held = self._held(key, token)
            if held is None:
                return False
            if lease > 0:
                self._leases[key] = held._replace(until=self._clock.monotonic() + lease)
            else:
                del self._leases[key]
                self._tell((key,))
            return True

    async def fill(self, key: str, token: str, value: bytes, /, *, ttl: float) -> bool:
        """Store and end the lease, if it is still the caller's."""
        with self._guard:
            if self._held(key, token) is None:
                return False
            del self._leases[key]
            self._store(key, value, ttl)
            self._tell((key,))
            return True

    async def put(self, entries: Mapping[str, bytes | None], /, *, ttl: float) -> None:
        """Store or remove, and void the leases."""
        with self._guard:
            for key, value in entries.items():
                self._leases.pop(key, None)
                self._forget(key)
                if value is not None:
                    self._store(key, value, ttl)
            self._tell(entries)

    async def bump(self, scopes: Sequence[str], /) -> int:
        """Write one record per scope at a new epoch."""
        with self._guard:
            self._epoch = max(self._wall_epoch(), self._epoch + 1)
            for scope in scopes:
                self._log[scope] = self._epoch
            records = [(scope, self._epoch) for scope in scopes]
            if len(self._log) > self._max_records:
                self._fold_oldest()
                records.append((FLOOR, self._log[FLOOR]))
            self._tell(records=records)
            return self._epoch

    async def lock(self, name: str, token: str, /, *, lease: float, queue: bool = False) -> Held | Busy:
        """Take or renew a named lock."""
        with self._guard:
            now = self._clock.monotonic()
            held = self._locks.get(name)
            if held and held.until > now:
                if held.token != token:
                    if queue:
                        self._queues.setdefault(name, {})[token] = None
                    return Busy(held.token, held.until - now)
                fence = held.epoch
            else:
                self._fence += 1
                fence = self._fence
            self._leave_queue(name, token)
            self._locks[name] = _Lease(token, fence, now + lease)
            return Held(fence)

    async def unlock(self, name: str, token: str, /) -> bool:
        """Give a named lock back, or a place in its queue."""
        with self._guard:
            self._leave_queue(name, token)
            held, now = self._locks.get(name), self._clock.monotonic()
            if held is None or held.token != token:
                return False
            del self._locks[name]
            if name in self._queues:
                first = next(iter(self._queues[name]))
                self._leave_queue(name, first)
                self._fence += 1
                self._locks[name] = _Lease(first, self._fence, now + HAND_OVER)
            for each in self._audience:
                if (audience := each()) is not None:
                    audience.freed(name)
            return held.until > now

    def _leave_queue(self, name: str, token: str) -> None:
        queue = self._queues.get(name)
        if queue is not None:
            queue.pop(token, None)
            if not queue:
                del self._queues[name]

    def _wall_epoch(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)

    def _held(self, key: str, token: str) -> _Lease | None:
        held = self._leases.get(key)
        return held if held and held.token == token and held.until > self._clock.monotonic() else None

    def _live(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= self._clock.monotonic():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def _store(self, key: str, value: bytes, ttl: float) -> None:
        self._forget(key)
        weight = _weight(key, value)
        if weight > self._max_bytes:
            raise ValueTooLarge(f"a value of {len(value)} bytes exceeds this cache's whole {self._max_bytes}")
        self._entries[key] = _Entry(value, self._clock.monotonic() + ttl)
        self._bytes += weight
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _weight(key, entry.value)

    def _fold_oldest(self) -> None:
        """Drop the oldest eighth of the log, and raise the floor to what was dropped."""
        by_age = sorted(self._log.items(), key=lambda record: record[1])
        cut = max(1, len(by_age) // 8)
        floor = by_age[cut - 1][1]
        self._log = {scope: at for scope, at in by_age if at > floor}
        self._log[FLOOR] = max(floor, self._log.get(FLOOR, 0))


def _weight(key: str, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_OVERHEAD


if TYPE_CHECKING:
    _cache: type[CacheBackend] = MemoryCache
    _locks: type[LockBackend] = MemoryCache
    _attentive: type[Attentive] = MemoryCache
