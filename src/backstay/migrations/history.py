"""The history's table, row by row. Its columns stand in one order on every database."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from .model import Direction, EventKind, HistoryEvent

DURATION: Final = 8
"""Where the duration stands in a row."""


def event_from(row: Any) -> HistoryEvent:
    """A row, in the order of ``postgres_history.sql`` and ``sqlite_history.sql``, as an event."""
    at: datetime | str = row[16]  # SQLite has no type for instants
    return HistoryEvent(
        migration=row[0],
        generation=row[1],
        direction=Direction(row[2]),
        kind=EventKind(row[3]),
        statement=row[4],
        checksum=row[5],
        raw_checksum=row[6],
        digests=row[7],
        duration=row[8],
        lock_wait=row[9],
        attempts=row[10],
        app_version=row[11],
        host=row[12],
        run=row[13],
        detail=row[14],
        sources=row[15],
        at=datetime.fromisoformat(at) if isinstance(at, str) else at,
        seq=row[17],
    )


def row_from(event: HistoryEvent, *, duration: float) -> tuple[str | int | float | None, ...]:
    """What is inserted for an event, in the same order; instant and number are the database's."""
    return (
        event.migration,
        event.generation,
        event.direction.value,
        event.kind.value,
        event.statement,
        event.checksum,
        event.raw_checksum,
        event.digests,
        duration,
        event.lock_wait,
        event.attempts,
        event.app_version,
        event.host,
        event.run,
        event.detail,
        event.sources,
    )
