"""What a backfill is, and how large its next batch should be. Pure; `postgres_backfill` runs it."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A change of many rows, made in small transactions along the primary key."""

    name: str
    """What its progress is kept under."""
    table: str
    """As it stands in SQL, schema included where it is needed."""
    sql: str
    """One statement with ``$1`` and ``$2``: it changes the rows whose key is above the first, up to the
    second.

    Both are of the key's type, and before the first batch ``$1`` is NULL: write
    ``WHERE ($1 IS NULL OR id > $1) AND id <= $2``. Running it twice over the same rows must do no harm.
    """
    key: str = "id"
    batch: int = 1000
    """Rows in the first batch; later ones are sized to the time budget."""
    budget: float = 0.2
    """Seconds that one batch should take: how long it may hold row locks."""
    largest: int = 50_000
    pause: float = 0.05
    """Seconds between batches, for everybody else."""
    max_replica_lag: float = 5.0
    """Seconds; above it the backfill waits."""
    max_active: int = 50
    """Statements that others are running; above it the backfill waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """How far a backfill has come; told after every batch."""

    name: str
    rows: int
    """Rows that were gone through, earlier runs included."""
    of: int
    """About how many there are, as the planner believes; 0 if it does not know."""
    batch: int
    seconds: float
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillPaused(Event):
    """It waits, because a replica is behind or the server is busy."""

    name: str
    lag: float
    active: int


def next_batch(backfill: Backfill, *, size: int, seconds: float) -> int:
    """The size that would have met the budget, within half and double of the last one."""
    factor = backfill.budget / seconds if seconds > 0 else 2.0
    return max(1, min(backfill.largest, int(size * min(2.0, max(0.5, factor)))))
