"""Keys and the time of each: published before it signs, still verifying after it has stopped.

A key goes through four stages, and only the clock moves it on: *pending* (published, so that every verifier
knows it in time), *active* (signs), *retiring* (verifies what it signed until the last of it has expired) and
*gone*. Rotating therefore leaves no gap, on however many machines, as long as they read the same entries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from backstay.clock import Clock, SystemClock, unix_time
from backstay.errors import KeyRejected, NotConfiguredError

from .protocol import KeySource, VerificationKey

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stage(StrEnum):
    """Where a key stands in its life."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRING = "retiring"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class RingKey:
    """A key with its times. `signs_until` and `verifies_until` are open until a rotation sets them."""

    key: VerificationKey
    signs_from: datetime = _EPOCH
    signs_until: datetime | None = None
    verifies_until: datetime | None = None

    def stage(self, now: datetime, /) -> Stage:
        """The stage at an instant."""
        if self.verifies_until is not None and now >= self.verifies_until:
            return Stage.GONE
        if self.signs_until is not None and now >= self.signs_until:
            return Stage.RETIRING
        return Stage.ACTIVE if now >= self.signs_from else Stage.PENDING


def rotated(
    entries: Iterable[RingKey],
    key: VerificationKey,
    *,
    now: datetime,
    publish_for: timedelta,
    keep_for: timedelta,
) -> tuple[RingKey, ...]:
    """The entries after a rotation: `key` takes over in `publish_for`, the others verify `keep_for` longer.

    `publish_for` is at least as long as verifiers cache a key set; `keep_for` at least as long as the longest
    token lives, with leeway. Entries that are gone are left out.
    """
    takes_over = now + publish_for
    old = [entry for entry in entries if entry.stage(now) is not Stage.GONE]
    ending = [
        entry
        if entry.signs_until is not None and entry.signs_until <= takes_over
        else replace(entry, signs_until=takes_over, verifies_until=takes_over + keep_for)
        for entry in old
    ]
    return (*ending, RingKey(key=key, signs_from=takes_over))


class KeyRing:
    """Our own keys, by identifier and by stage. Reading never waits."""

    def __init__(self, entries: Iterable[RingKey | VerificationKey], *, clock: Clock | None = None) -> None:
        """Keys without times sign from the beginning and for good.

        Raises:
            KeyRejected: two keys of one name, or symmetric and asymmetric keys mixed.
        """
        self._clock = clock or SystemClock()
        self._now = unix_time(self._clock)
        self.version = 0
        """Counts the replacements. What only time changes is seen by `verification_key` itself."""
        self._by_kid: dict[str, RingKey] = {}
        # What each request asks, as numbers: the key with the end of its verifying, and the signing key with the
        # time for which it was chosen.
        self._verifying: dict[str, tuple[VerificationKey, float | None]] = {}
        self._signing: tuple[VerificationKey | None, float, float] = (None, 0.0, 0.0)
        self.replace(entries)

    @property
    def entries(self) -> Sequence[RingKey]:
        """The keys in the order in which they were given."""
        return tuple(self._by_kid.values())

    def replace(self, entries: Iterable[RingKey | VerificationKey], /) -> None:
        """Take these keys and no others. All or nothing. Raises KeyRejected as the constructor does."""
        ring = [entry if isinstance(entry, RingKey) else RingKey(key=entry) for entry in entries]
        by_kid = {entry.key.kid: entry for entry in ring}
        if len(by_kid) != len(ring):
            raise KeyRejected("two keys of the ring have the same identifier")
        if len({entry.key.public_jwk is None for entry in ring}) > 1:
            raise KeyRejected("a ring holds symmetric or asymmetric keys, not both")
        self._by_kid = by_kid
        self._verifying = {kid: (entry.key, _unix(entry.verifies_until)) for kid, entry in by_kid.items()}
        self._signing = (None, 0.0, 0.0)
        self.version += 1

    def rotate(self, key: VerificationKey, /, *, publish_for: timedelta, keep_for: timedelta) -> None:
        """Let `key` take over without a gap; see `rotated`."""
        now = self._clock.now()
        self.replace(rotated(self.entries, key, now=now, publish_for=publish_for, keep_for=keep_for))

    def verification_key(self, kid: str, /) -> VerificationKey | None:
        """The key, unless it is gone. A pending one verifies: another machine's clock may be ahead."""
        entry = self._verifying.get(kid)
        if entry is None:
            return None
        key, until = entry
        return key if until is None or self._now() < until else None

    def signing_key(self) -> VerificationKey:
        """The active key that began last.

        Raises:
            NotConfiguredError: none is active.
        """
        key, since, until = self._signing
        if key is not None and since <= self._now() < until:
            return key
        now = self._clock.now()
        active = [entry for entry in self._by_kid.values() if entry.stage(now) is Stage.ACTIVE]
        if not active:
            raise NotConfiguredError("no key of the ring is active: add one, or look at signs_from")
        chosen = max(active, key=lambda entry: entry.signs_from)
        # It signs until its own end, or until a later one begins.
        later = [entry.signs_from for entry in self._by_kid.values() if entry.signs_from > now]
        ends = [until for until in (chosen.signs_until, *later) if until is not None]
        self._signing = (chosen.key, now.timestamp(), min((end.timestamp() for end in ends), default=math.inf))
        return chosen.key

    async def ensure(self, kid: str, /) -> None:
        """Nothing to do: this ring knows all its keys."""

    def jwks(self) -> dict[str, list[Mapping[str, str]]]:
        """The key set to publish: public halves of all keys that are not gone; empty for symmetric rings."""
        now = self._clock.now()
        live = [entry.key.public_jwk for entry in self.entries if entry.stage(now) is not Stage.GONE]
        return {"keys": [jwk for jwk in live if jwk is not None]}


def _unix(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


if TYPE_CHECKING:
    _: type[KeySource] = KeyRing
