"""Buckets in this process: for a single worker, and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from backstay.clock import Clock, SystemClock
from backstay.errors import ConfigError

from .limits import FRESH, Bucket, Limit, charged, refunded, wait_of
from .protocol import Charge, Charged, ThrottleStore


class _Entry(NamedTuple):
    bucket: Bucket
    limit: Limit


class MemoryThrottle:
    """Buckets in a dict. Another process counts for itself: with n workers an attacker has n times the guesses.

    Full, it drops the buckets with the fewest failures first, so that a flood of made-up accounts does not wash
    away the count of one under attack.
    """

    def __init__(self, *, max_buckets: int = 200_000, clock: Clock | None = None) -> None:
        """`max_buckets` bounds the memory: about 400 bytes each.

        Raises:
            ConfigError: fewer than 16 buckets.
        """
        if max_buckets < 16:
            raise ConfigError("a throttle in memory has room for at least 16 buckets")
        self._max = max_buckets
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    # No await stands in any of these, so each is one step to every task of this loop.

    async def charge(self, charges: Sequence[Charge], /) -> Charged:
        """Count an attempt everywhere or nowhere."""
        now = self._clock.monotonic()
        found = [self._find(charge, now) for charge in charges]
        waits = tuple(wait_of(bucket, charge.limit, now) for bucket, charge in zip(found, charges, strict=True))
        if not any(waits):
            for bucket, charge in zip(found, charges, strict=True):
                self._entries[charge.bucket] = _Entry(charged(bucket, charge.limit, now), charge.limit)
            self._keep_bounded(now)
        return Charged(at=now, waits=waits)

    async def refund(self, buckets: Sequence[str], /, *, at: float, whole: bool) -> None:
        """Take an attempt back, or all that the first bucket holds."""
        first = self._entries.get(buckets[0])
        count = first.bucket.level if whole and first is not None else 1.0
        for name in buckets:
            entry = self._entries.get(name)
            if entry is not None:
                self._put(name, entry._replace(bucket=refunded(entry.bucket, count, at)))

    async def forget(self, buckets: Sequence[str], /) -> None:
        """Drop them."""
        for name in buckets:
            self._entries.pop(name, None)

    def _find(self, charge: Charge, now: float) -> Bucket:
        entry = self._entries.get(charge.bucket)
        if entry is None or entry.bucket.is_forgotten(now, charge.limit):
            return FRESH
        return entry.bucket

    def _put(self, name: str, entry: _Entry) -> None:
        if entry.bucket.level > 0:
            self._entries[name] = entry
        else:
            del self._entries[name]

    def _keep_bounded(self, now: float) -> None:
        if len(self._entries) <= self._max:
            return
        # A tenth at a time, so that the sorting is paid for by many attempts.
        alive = {
            name: entry for name, entry in self._entries.items() if not entry.bucket.is_forgotten(now, entry.limit)
        }
        by_weight = sorted(alive, key=lambda name: (alive[name].bucket.level, alive[name].bucket.at))
        for name in by_weight[: max(0, len(alive) - self._max * 9 // 10)]:
            del alive[name]
        self._entries = alive


_: type[ThrottleStore] = MemoryThrottle
