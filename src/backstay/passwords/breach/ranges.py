"""Have I Been Pwned's range API: which hashes begin with these five digits?

Only the first 20 bits of the SHA-1 leave this process, and padding hides the size of the answer
(k-anonymity; Li et
al., "Protocols for Checking Compromised Credentials", CCS 2019).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import anyio

from backstay.clock import Clock, SystemClock
from backstay.events import Emitter
from backstay.passwords.events import BreachLookedUp, BreachSourceFailed
from backstay.secret import Secret

from .protocol import CLEAR, UNKNOWN, BreachChecker, BreachOutcome, RangeCache, Response, Transport

DEFAULT_URL: Final = "https://api.pwnedpasswords.com/range/"
_LIMIT = 4 * 1024 * 1024
_ROW = re.compile(rb"([0-9A-F]{35}):([0-9]{1,12})")


def sha1_of(password: Secret) -> str:
    """The upper-case SHA-1 by which breach data is keyed, of the NFC text."""
    text = unicodedata.normalize("NFC", password.reveal())
    return hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()


def rows_of(body: bytes) -> bytes | None:
    """The real rows of an answer, without padding (count 0); None when it is not a proper answer.

    An answer without any row is none either: every one of the 2^20 ranges has hundreds.
    """
    rows: list[bytes] = []
    seen = 0
    for line in body.upper().split(b"\n"):
        stripped = line.strip()
        if not stripped:
            continue
        match = _ROW.fullmatch(stripped)
        if match is None:
            return None
        seen += 1
        if int(match[2]):
            rows.append(stripped)
    return b"\n".join(rows) if seen else None


def count_in(rows: bytes, suffix: str) -> int:
    """How often the suffix was seen. Every row is compared, in constant time each."""
    wanted = suffix.encode()
    count = 0
    for row in rows.split(b"\n"):
        if hmac.compare_digest(row[:35], wanted):
            count = int(row[36:])
    return count


class MemoryRangeCache:
    """Answers in this process: the most recently used ones, about 40 KiB each."""

    def __init__(self, *, max_entries: int = 256, clock: Clock | None = None) -> None:
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._max_entries = max_entries
        self._clock = clock if clock is not None else SystemClock()

    async def get(self, key: str, /) -> bytes | None:
        """The value, or None when missing or expired."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock.monotonic():
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def set(self, key: str, value: bytes, /, *, ttl: float) -> None:
        """Keep the value; the least recently used one makes room."""
        self._entries[key] = (self._clock.monotonic() + ttl, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)


@dataclass(slots=True)
class _Breaker:
    """Keeps requests from a source that failed several times in a row, but for one trial now and then."""

    after: int
    pause: float
    clock: Clock
    failures: int = 0
    until: float = 0.0

    def allows(self) -> bool:
        if self.failures < self.after:
            return True
        if self.clock.monotonic() < self.until:
            return False
        self.until = self.clock.monotonic() + self.pause  # one trial; the next not before another pause
        return True

    def failed(self, pause: float | None) -> bool:
        self.failures += 1
        if pause is not None:
            self.failures = max(self.failures, self.after)
        self.until = self.clock.monotonic() + max(self.pause, pause or 0.0)
        return self.failures >= self.after


@dataclass(slots=True, eq=False)
class _Flight:
    done: anyio.Event = field(default_factory=anyio.Event)
    rows: bytes | None = None
    landed: bool = False
    """There was an answer, if only a bad one."""


class PwnedRanges:
    """The online check. Answers are cached per prefix, and one request serves all who ask at once.

    An answer that is late, cut, malformed, or not a 200 makes the outcome ``unknown``. After `break_after`
    failures in
    a row no request is made for `break_for` seconds, or for as long as the server's Retry-After says (at
    most an hour).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        url: str = DEFAULT_URL,
        cache: RangeCache | None = None,
        ttl: float = 6 * 3600.0,
        timeout: float = 1.0,
        break_after: int = 5,
        break_for: float = 30.0,
        clock: Clock | None = None,
        emitter: Emitter | None = None,
    ) -> None:
        """`ttl`, `timeout` and `break_for` are in seconds."""
        self._transport = transport
        self._url = url.rstrip("/") + "/"
        self._clock = clock if clock is not None else SystemClock()
        self._cache: RangeCache = cache if cache is not None else MemoryRangeCache(clock=self._clock)
        self._ttl = ttl
        self._timeout = timeout
        self._breaker = _Breaker(after=break_after, pause=break_for, clock=self._clock)
        self._emit = emitter if emitter is not None else Emitter()
        self._flights: dict[str, _Flight] = {}

    async def look_up(self, password: Secret, /) -> BreachOutcome:
        """Ask for the range of this password, and look for it in the answer."""
        began = self._clock.monotonic()
        digest = Secret(sha1_of(password))
        rows = await self._rows(digest.reveal()[:5])
        if rows is None:
            outcome = UNKNOWN
        else:
            count = count_in(rows, digest.reveal()[5:])
            outcome = BreachOutcome(state="breached", count=count) if count else CLEAR
        spent = self._clock.monotonic() - began
        self._emit(BreachLookedUp(state=outcome.state, source="pwned-ranges", seconds=spent))
        return outcome

    async def _rows(self, prefix: str) -> bytes | None:
        key = f"pwned:{prefix}"
        cached = await self._cached(key)
        if cached is not None:
            return cached
        while (flight := self._flights.get(prefix)) is not None:
            await flight.done.wait()
            if flight.landed:
                return flight.rows
            # Whoever asked was cancelled: one of those who waited asks in their stead.
        return await self._lead(prefix, key)

    async def _lead(self, prefix: str, key: str) -> bytes | None:
        flight = self._flights[prefix] = _Flight()
        try:
            flight.rows = await self._fetch(prefix)
            flight.landed = True
            if flight.rows is not None:
                await self._keep(key, flight.rows)
        finally:
            del self._flights[prefix]
            flight.done.set()
        return flight.rows

    async def _cached(self, key: str) -> bytes | None:
        try:
            return await self._cache.get(key)
        except OSError:  # a cache that is down costs a request and nothing else
            return None

    async def _keep(self, key: str, rows: bytes) -> None:
        try:
            await self._cache.set(key, rows, ttl=self._ttl)
        except OSError:
            return

    async def _fetch(self, prefix: str) -> bytes | None:
        if not self._breaker.allows():
            return None
        headers = {"Add-Padding": "true", "User-Agent": "backstay"}
        try:
            with anyio.fail_after(self._timeout):
                response = await self._transport.get(
                    self._url + prefix, headers=headers, timeout=self._timeout, limit=_LIMIT
                )
        except OSError as exc:
            self._failed(type(exc).__name__, None)
            return None
        return self._read(response)

    def _read(self, response: Response) -> bytes | None:
        if response.status != 200:
            pause = response.retry_after if response.status in {429, 503} else None
            self._failed(f"status {response.status}", pause)
            return None
        rows = rows_of(response.body)
        if rows is None:
            self._failed("malformed answer", None)
            return None
        self._breaker.failures = 0
        return rows

    def _failed(self, reason: str, pause: float | None) -> None:
        opened = self._breaker.failed(None if pause is None else min(max(pause, 0.0), 3600.0))
        self._emit(BreachSourceFailed(source="pwned-ranges", reason=reason, open=opened))


_: type[BreachChecker] = PwnedRanges
