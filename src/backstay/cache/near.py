"""The local tier: what this process read lately, decoded, in front of a backend that hears of changes.

It obeys three things: a push drops the key; a record of the log kills what it matches, looked at when an entry is
next used; and silence is trusted only for as long as the backend says. It is never asked for what may not be
shared: a value that a caller could change is kept encoded and decoded anew for each.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from backstay.clock import Clock
from backstay.errors import ConfigError

from .codecs import DEFAULT, Codec
from .keys import namespace_of, stored_name
from .local import LocalEntry, LocalTier
from .protocol import Trust
from .results import MISSING
from .scopes import ScopeLog
from .shareable import shareable
from .stats import Counts
from .transcode import Decoded

_XFETCH_WINDOW: Final = 10.0
"""Computations' costs before expiry within which a read goes to the backend, where XFetch draws: a draw that early
happens once in 22,000 (e^-10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """How much this process keeps in front of a backend that hears of changes."""

    max_entries: int = 10_000
    max_bytes: int = 32 * 1024 * 1024
    """Of encoded values, with their overhead; what they take decoded may be several times that."""
    share: bool = False
    """Hand the same mutable object to all callers, who then must not change it. Else each gets one of its own."""
    not_for: frozenset[str] = frozenset()
    """Namespaces that are never kept here: every read of theirs asks the backend."""

    def __post_init__(self) -> None:
        """Refuse bounds that mean nothing."""
        if self.max_entries < 1 or self.max_bytes < 1024:
            raise ConfigError("the local tier keeps at least 1 entry and 1,024 bytes; local=None turns it off")


class Encoded:
    """Stands for a value that callers could change: each gets one of its own."""

    __slots__ = ("_codec", "_payload")

    def __init__(self, codec: Codec[Any], payload: bytes) -> None:
        self._codec = codec
        self._payload = payload

    def decode(self) -> Any:
        """A new object."""
        return self._codec.decode(self._payload)


class Near:
    """Kept entries, judged when they are used. What hears of changes may call from any thread."""

    def __init__(self, trust: Trust, options: Local, log: ScopeLog, clock: Clock) -> None:
        self.trust = trust
        self._share = options.share
        self._not_for = options.not_for
        self._log = log
        self._clock = clock
        self._tier = LocalTier(max_entries=options.max_entries, max_bytes=options.max_bytes)
        self._guard = threading.Lock()
        self.entries = self._tier.entries
        """For the hit path, which asks `serve` of what it finds."""

    def get_many(self, keys: Sequence[str], codec: Codec[Any]) -> dict[str, Any]:
        """Those values that are kept and may be served."""
        values: dict[str, Any] = {}
        if self.entries:
            for key in keys:
                entry = self.entries.get(key)
                if entry is not None and (value := self.serve(key, entry, codec)) is not MISSING:
                    values[key] = value
        return values

    def serve(self, key: str, entry: LocalEntry, codec: Codec[Any]) -> Any:
        """The value of an entry that was found, if it may be served; else MISSING."""
        now = self._clock.monotonic()
        if now >= entry.until or now >= self.trust.until or entry.codec is not codec:
            return MISSING
        if entry.checked != self._log.epoch and not self._still_good(key, entry):
            return MISSING
        entry.used = now
        entry.counts.hits += 1
        value = entry.value
        return value.decode() if type(value) is Encoded else value

    def ticket(self) -> int:
        """To be drawn before a read leaves."""
        return self._tier.ticket()

    def keep(
        self, key: str, found: Decoded[Any], codec: Codec[Any], *, counts: Counts, ticket: int, now_ms: float
    ) -> None:
        """Keep what a read brought, if nothing was heard against it since the ticket was drawn."""
        left = (found.fresh_until - now_ms) / 1000.0 - found.cost / 1_000_000 * _XFETCH_WINDOW
        if left <= 0.0 or key != stored_name(key) or (self._not_for and namespace_of(key) in self._not_for):
            return
        value = found.value if self._share or shareable(found.value) else Encoded(codec, found.payload)
        now = self._clock.monotonic()
        with self._guard:
            entry = self._tier.admit(
                key,
                value,
                size=found.size,
                until=now + left,
                epoch=found.epoch,
                checked=self._log.epoch,
                tags=found.tags,
                ticket=ticket,
                now=now,
            )
            if entry is not None:
                entry.codec, entry.counts = codec, counts
                if codec is DEFAULT and value is found.value:
                    entry.plain_until = entry.until

    def drop(self, key: str) -> None:
        """The key changed."""
        with self._guard:
            self._tier.drop(key)

    def clear(self) -> None:
        """Anything may have changed."""
        with self._guard:
            self._tier.clear()

    def _still_good(self, key: str, entry: LocalEntry) -> bool:
        """Match the records that came since the entry was last used."""
        epoch = self._log.epoch
        if self._log.newest(key, entry.tags, entry.epoch):
            self.drop(key)
            return False
        entry.checked = epoch
        return True
