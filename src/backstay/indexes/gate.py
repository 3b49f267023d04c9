"""When a build may begin: a time window and what the server is doing right now. Pure decisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Hours of the day, and optionally days of the week, in which the traffic is expected to be low.

    `start` after `end` runs over midnight and belongs to the day it starts on. `days` are ISO weekdays, 1 is
    Monday; none means every day.
    """

    start: time
    end: time
    days: frozenset[int] = frozenset()
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        if self.days - set(range(1, 8)):
            raise ValueError("days are ISO weekdays: 1 (Monday) to 7 (Sunday)")

    def contains(self, instant: datetime) -> bool:
        """Whether the instant, which must be aware, lies inside."""
        local = instant.astimezone(self.zone)
        clock, day = local.time(), local.isoweekday()
        if self.start <= self.end:
            return self._on(day) and self.start <= clock < self.end
        if clock >= self.start:
            return self._on(day)
        return clock < self.end and self._on((day - 2) % 7 + 1)

    def _on(self, day: int) -> bool:
        return not self.days or day in self.days


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What the server is doing: busy sessions, the worst replica's lag in seconds, commits a second.

    `transactions_per_second` is None when only one reading was taken.
    """

    active_sessions: int
    replica_lag: float = 0.0
    transactions_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """Whether a build may begin, and every reason why not."""

    open: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """All conditions must hold for a build to begin. A limit of None is not checked.

    `patience` is how long `ensure` waits for the gate to open, in seconds, before it puts the rest off;
    `poll` is how often it looks.
    """

    windows: tuple[Window, ...] = ()
    max_active_sessions: int | None = None
    max_replica_lag: float | None = None
    max_transactions_per_second: float | None = None
    patience: float = 0.0
    poll: float = 5.0

    def verdict(self, now: datetime, activity: Activity) -> GateVerdict:
        """Judge one reading."""
        reasons = tuple(self._reasons(now, activity))
        return GateVerdict(open=not reasons, reasons=reasons)

    def _reasons(self, now: datetime, activity: Activity) -> Iterable[str]:
        if self.windows and not any(window.contains(now) for window in self.windows):
            yield f"{now.isoformat(timespec='minutes')} is outside every window"
        if self.max_active_sessions is not None and activity.active_sessions > self.max_active_sessions:
            yield f"{activity.active_sessions} active sessions, {self.max_active_sessions} allowed"
        if self.max_replica_lag is not None and activity.replica_lag > self.max_replica_lag:
            yield f"a replica lags {activity.replica_lag:.1f} s, {self.max_replica_lag:.1f} s allowed"
        limit, rate = self.max_transactions_per_second, activity.transactions_per_second
        if limit is not None and rate is not None and rate > limit:
            yield f"{rate:.0f} transactions a second, {limit:.0f} allowed"
