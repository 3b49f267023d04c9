"""How old is too old: decisions about one entry from numbers alone (pure).

Four answers, in order of age: fresh; fresh but worth renewing ahead of time (XFetch); stale but good enough to
serve while it is renewed, or when renewing fails; dead.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from backstay.errors import ConfigError

Ttl = float | int | timedelta
"""A duration: seconds, or a timedelta."""

WIDEST_DRAW = 0.037
"""XFetch with β = 1 never renews earlier than so many ms before expiry per µs of cost: e^-37 is below what
`random.random` can tell from 0."""

MAX_TTL = 366 * 24 * 3600.0
"""Longest lifetime in seconds. The log of invalidations is kept as long as the longest entry lives."""


class Age(Enum):
    """What an entry's times say about it now."""

    FRESH = "fresh"
    RENEW = "renew"
    STALE = "stale"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long a value is good for, in seconds."""

    ttl: float
    """Fresh for this long."""
    grace: float = 0.0
    """Served for this much longer if computing anew fails."""
    swr: float = 0.0
    """Served for this much longer at once, while it is computed anew (RFC 5861 stale-while-revalidate)."""
    beta: float = 1.0
    """How eagerly to renew ahead of expiry; 0 turns it off."""
    jitter: float = 0.05
    """The share of the ttl by which expiries are spread, so that what was stored together does not expire so."""

    @property
    def afterlife(self) -> float:
        """How long a backend has to keep the entry past its ttl."""
        return max(self.grace, self.swr)

    def spread(self, draw: Callable[[], float] = random.random) -> float:
        """The ttl for one entry: shortened by up to `jitter`, never lengthened."""
        return self.ttl * (1.0 - self.jitter * draw()) if self.jitter else self.ttl


def seconds(value: Ttl, name: str, *, zero: bool = False) -> float:
    """A duration as float seconds.

    Raises:
        ConfigError: no number, negative, not finite, longer than `MAX_TTL`, or zero where that says nothing.
            Names the option.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{name} is a number of seconds or a timedelta, not {type(value).__name__}")
    lowest_ok = value >= 0 if zero else value > 0
    if not (math.isfinite(value) and lowest_ok and value <= MAX_TTL):
        raise ConfigError(
            f"{name} is {'at least' if zero else 'more than'} 0 and at most {MAX_TTL:.0f} s, not {value}"
        )
    return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What applies to calls that do not say otherwise. Seconds."""

    ttl: float = 300.0
    grace: float = 0.0
    swr: float = 0.0
    beta: float = 1.0
    jitter: float = 0.05
    lease: float = 10.0

    def lifetime(
        self,
        ttl: Ttl | None,
        *,
        grace: Ttl | None = None,
        swr: Ttl | None = None,
        early: float | None = None,
        jitter: float | None = None,
    ) -> Lifetime:
        """The lifetime that a call's options mean. Raises ConfigError, as `seconds`."""
        return Lifetime(
            ttl=self.ttl if ttl is None else seconds(ttl, "ttl"),
            grace=self.grace if grace is None else seconds(grace, "grace", zero=True),
            swr=self.swr if swr is None else seconds(swr, "swr", zero=True),
            beta=self.beta if early is None else seconds(early, "early", zero=True),
            jitter=self.jitter if jitter is None else min(1.0, seconds(jitter, "jitter", zero=True)),
        )


def age(
    now_ms: float,
    fresh_until: int,
    dead_after: int,
    *,
    cost: int = 0,
    beta: float = 0.0,
    draw: Callable[[], float] = random.random,
) -> Age:
    """Where an entry stands.

    With `beta` above zero, a fresh entry is renewed early with a probability that grows towards its expiry
    and with what it costs (in µs) to compute: ``now - cost·β·ln(random) >= expiry`` (Vattani, Chierichetti,
    Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015).
    """
    if now_ms >= dead_after:
        return Age.DEAD
    if now_ms >= fresh_until:
        return Age.STALE
    if beta and cost:
        # 1 - draw() is in (0, 1]: its logarithm is finite.
        ahead = -(cost / 1000.0) * beta * math.log(1.0 - draw())
        if now_ms + ahead >= fresh_until:
            return Age.RENEW
    return Age.FRESH
