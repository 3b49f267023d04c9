"""Runs a `Backfill` on PostgreSQL: resumable, at boot or as a worker, by as many workers as like to."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg

from backstay.clock import Clock, SystemClock
from backstay.errors import InvalidMigration, MigrationFailed
from backstay.events import Emitter, Listener

from .backfill import Backfill, BackfillPaused, Progress, next_batch
from .postgres_connection import query
from .quoting import literal, quoted
from .sql import text

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


async def run_backfill(
    url: str, backfill: Backfill, *, clock: Clock | None = None, listeners: Iterable[Listener] = ()
) -> Progress:
    """Go on where the last run stopped, until all rows are done.

    Each batch and its progress are one transaction, so a cancellation or a crash loses at most the batch at
    hand. Two workers take turns and do no row twice.

    Raises:
        InvalidMigration: there is no such table or key.
        MigrationFailed: a batch failed; those before it stand.
    """
    # No statement cache: a migration may change the table meanwhile, and a pooler may change the server.
    plain = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    connection = await asyncpg.connect(plain, statement_cache_size=0)
    try:
        return await _Run(connection, backfill, clock or SystemClock(), Emitter(listeners)).to_the_end()
    except asyncpg.PostgresError as exc:
        raise MigrationFailed(
            f"backfill {backfill.name}: {exc}; what was done before stands, run it again"
        ) from exc
    finally:
        connection.terminate()


class _Run:
    def __init__(self, connection: Connection, backfill: Backfill, clock: Clock, emit: Emitter) -> None:
        self._connection = connection
        self._backfill = backfill
        self._clock = clock
        self._emit = emit

    async def to_the_end(self) -> Progress:
        backfill = self._backfill
        # Two workers that create the table at once collide in the catalog: one of them is content.
        with suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
            await self._connection.execute(text("postgres_backfill_create"))
        await self._connection.execute(
            "INSERT INTO backstay_backfills (name) VALUES ($1) ON CONFLICT DO NOTHING", backfill.name
        )
        found = await query(self._connection, text("postgres_backfill_key"), backfill.table, backfill.key)
        if not found:
            raise InvalidMigration(
                f"backfill {backfill.name}: no column {backfill.key} in a table {backfill.table}"
            )
        row, size = found[0], backfill.batch
        while True:
            await self._wait_for_calm()
            began = self._clock.monotonic()
            async with self._connection.transaction():
                done, finished = await self._batch(size, row["type"])
            seconds = self._clock.monotonic() - began
            progress = Progress(
                name=backfill.name, rows=done, of=row["rows"], batch=size, seconds=seconds, finished=finished
            )
            self._emit(progress)
            if finished:
                return progress
            size = next_batch(backfill, size=size, seconds=seconds)
            await self._clock.sleep(backfill.pause)

    async def _batch(self, size: int, kind: str) -> tuple[int, bool]:
        """One batch: rows gone through so far, and whether that was the end."""
        connection, backfill, key = self._connection, self._backfill, quoted(self._backfill.key)
        # The row lock makes a second worker wait, and then see where this one has come.
        state = await connection.fetchrow(
            "SELECT last_key, rows_done, finished FROM backstay_backfills WHERE name = $1 FOR UPDATE",
            backfill.name,
        )
        if state is None or state["finished"]:
            return (state["rows_done"] if state else 0), True
        last = f"{literal(state['last_key'])}::text::{kind}" if state["last_key"] is not None else f"NULL::{kind}"
        above = f"WHERE {key} > {last}" if state["last_key"] is not None else ""
        bound = await connection.fetchrow(
            f"SELECT (max(k))::text AS last, count(*) AS rows FROM "  # noqa: S608 - quoted, or cast from a literal
            f"(SELECT {key} AS k FROM {backfill.table} {above} ORDER BY {key} LIMIT {size}) AS batch"
        )
        if bound is None or not bound["rows"]:
            await self._note("finished = true", "")
            return state["rows_done"], True
        low = await connection.fetchval(f"SELECT {last}")
        high = await connection.fetchval(f"SELECT {literal(bound['last'])}::text::{kind}")
        await connection.execute(backfill.sql, low, high)
        await self._note(f"rows_done = rows_done + {bound['rows']}, batches = batches + 1", bound["last"])
        return state["rows_done"] + bound["rows"], False

    async def _note(self, change: str, last: str) -> None:
        moved = f", last_key = {literal(last)}" if last else ""
        await self._connection.execute(
            f"UPDATE backstay_backfills SET {change}{moved}, updated_at = clock_timestamp() "  # noqa: S608
            f"WHERE name = {literal(self._backfill.name)}"
        )

    async def _wait_for_calm(self) -> None:
        backfill = self._backfill
        while True:
            (row,) = await query(self._connection, text("postgres_backfill_pressure"))
            if row["lag"] <= backfill.max_replica_lag and row["active"] <= backfill.max_active:
                return
            self._emit(BackfillPaused(name=backfill.name, lag=row["lag"], active=row["active"]))
            await self._clock.sleep(1.0)
