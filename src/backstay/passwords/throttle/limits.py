"""How long a bucket of failures makes the next attempt wait: pure arithmetic, the same in every store.

A bucket is a level, the time of the attempt counted last, and the time before which the next is refused. Up to
`Limit.free` failures there is no wait; from then on it doubles with each; at `Limit.cap` failures there is nothing
to be had until the bucket is forgotten. ``charge.lua`` and ``refund.lua`` say the same in Lua, and one conformance
suite holds both to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from backstay.errors import ConfigError

_LONGEST: Final = 366 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What one kind of bucket allows. Durations are seconds.

    Raises:
        ConfigError: a limit that would never refuse, or never allow.
    """

    free: int
    """Failures without a wait."""
    first: float = 1.0
    """The wait after one more; it doubles with each further one."""
    longest: float = 900.0
    """What a wait grows to at most."""
    cap: int | None = None
    """Failures after which nothing is allowed until the bucket is forgotten."""
    forgive: float | None = None
    """After how long one failure is forgiven, again and again; None: none ever is."""
    memory: float = 86_400.0
    """How long after the attempt counted last the bucket is forgotten."""

    def __post_init__(self) -> None:
        durations = (self.first, self.longest, self.memory, self.forgive if self.forgive is not None else 1.0)
        if self.free < 1 or not all(0 < each <= _LONGEST for each in durations):
            raise ConfigError("a limit allows at least 1 failure, and its durations are above 0 and within a year")
        if self.cap is not None and self.cap < 1:
            raise ConfigError("the cap of a limit is at least 1")
        if self.memory < self.longest:
            raise ConfigError("a limit remembers for at least as long as its longest wait")

    def wait_after(self, level: float) -> float:
        """Seconds to wait at this level, apart from the cap."""
        over = math.floor(level) - self.free
        if over < 1:
            return 0.0
        return min(self.first * 2.0 ** min(over - 1, 60), self.longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The failures so far."""

    level: float = 0.0
    at: float = 0.0
    """When the last attempt was counted."""
    until: float = 0.0
    """Before this, the next is refused."""

    def level_at(self, now: float, limit: Limit) -> float:
        """What is left of the failures now."""
        if limit.forgive is None:
            return self.level
        return max(0.0, self.level - max(0.0, now - self.at) / limit.forgive)

    def is_forgotten(self, now: float, limit: Limit) -> bool:
        """Whether its time is over."""
        return now >= self.at + limit.memory


FRESH: Final = Bucket()


def wait_of(bucket: Bucket, limit: Limit, now: float) -> float:
    """Seconds for which the bucket refuses an attempt now; 0 lets it through."""
    if limit.cap is not None and bucket.level_at(now, limit) >= limit.cap:
        return max(bucket.at + limit.memory - now, limit.first)
    return max(0.0, bucket.until - now)


def charged(bucket: Bucket, limit: Limit, now: float) -> Bucket:
    """The bucket with one attempt more."""
    level = bucket.level_at(now, limit) + 1
    return Bucket(level=level, at=now, until=now + limit.wait_after(level))


def refunded(bucket: Bucket, count: float, at: float) -> Bucket:
    """The bucket without `count` failures, the last of which was counted at `at`.

    Where nothing was counted since, the wait goes with it: that of the failures before had passed already.
    """
    until = min(bucket.until, at) if bucket.at == at else bucket.until
    return Bucket(level=max(0.0, bucket.level - count), at=bucket.at, until=until)
