"""Steps on PostgreSQL: each transaction is one round trip, and its entry in the history is part of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg

from backstay.errors import InvalidMigration, MigrationLockLost, MigrationUnavailable

from .database import Busy, PythonStep, Rejected, Session, Work
from .history import DURATION, event_from, row_from
from .model import Blocker, HistoryEvent
from .postgres_connection import query
from .postgres_lock import HeldLock
from .protocol import MigrationConnection
from .quoting import literal, quoted
from .splitting import Statement
from .sql import text
from .statements import IndexName, concurrent_index, head

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

# lock_not_available, deadlock_detected, serialization_failure: what passes by itself.
_PASSING = frozenset({"55P03", "40P01", "40001"})
# What "it is there already" and "it is gone already" look like for a statement that may have been completed.
_DONE_ALREADY = frozenset({"42P04", "42P07", "42710", "42704", "3D000", "55000"})


class PostgresSession:
    """Implements `Session`."""

    def __init__(
        self,
        connection: Connection,
        lock: HeldLock,
        *,
        run_sync: Callable[..., Awaitable[Any]] | None = None,
    ) -> None:
        self._run_sync = run_sync
        self._connection = connection
        self._lock = lock
        self._fence = lock.fence

    @property
    def waited(self) -> float:
        """Seconds spent waiting for another runner."""
        return self._lock.waited

    async def history(self) -> Sequence[HistoryEvent]:
        """The history as it is under the lock; its table is created where there is none."""
        table = self._lock.names.table
        names = {
            "history": self._lock.history,
            "fence": quoted(f"{table}_fence"),
            "once": quoted(f"{table}_once"),
        }
        select = text("postgres_history").format(**names)
        with suppress(asyncpg.UndefinedTableError):
            return [event_from(row) for row in await query(self._connection, select, None)]
        create = [text(name).format(**names) for name in ("postgres_create", "postgres_create_once")]
        await self._send("BEGIN;\n" + ";\n".join(create) + ";\nCOMMIT")
        return ()

    async def transact(self, work: Work, event: HistoryEvent, /) -> float:
        """One simple query: begin, the step as it stands, its entry, commit."""
        began = time.monotonic()
        if work.python is not None:
            await self._begin(work)
            await self._call(work.python)
            duration = time.monotonic() - began
            await self._send(f"{self._insert([event], duration=repr(duration))};\nCOMMIT")
        else:
            prefix = f"BEGIN;{_settings(work)}\n"
            # transaction_timestamp() is when BEGIN was received: the server itself measures the step.
            measured = "extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp())"
            record = self._insert([event], duration=measured)
            await self._send(f"{prefix}{work.sql}\n;{record};COMMIT", before=len(prefix))
        if work.leaves_settings:
            await self._connection.execute("RESET ALL")
        return time.monotonic() - began

    async def rehearse(self, work: Work, /) -> tuple[float, tuple[str, ...]]:
        """Run the work, read the locks it holds, take it back."""
        began = time.monotonic()
        prefix = f"BEGIN;{_settings(work)}\n"
        if work.python is not None:
            await self._begin(work)
            await self._call(work.python)
        else:
            await self._send(prefix + work.sql, before=len(prefix))
        duration = time.monotonic() - began
        held = await self._connection.fetch(text("postgres_held"))
        await self._connection.execute("ROLLBACK")
        return duration, tuple(row["held"] for row in held)

    async def run_python(self, step: PythonStep, /) -> None:
        """Run a Python step with every statement a transaction of its own."""
        await self._check_fence()
        await self._call(step)

    async def send_alone(self, statement: Statement, /, *, resumed: bool) -> None:
        """Run a statement outside transactions; an index that it leaves invalid is dropped."""
        await self._check_fence()
        index = concurrent_index(statement)
        if index is None and head(statement, 4).startswith(("CREATE INDEX CONCURRENTLY", "CREATE UNIQUE INDEX")):
            raise Rejected("an index that is built concurrently needs a name, so that a crash can be cleaned up")
        if index is not None and await self._is_done(index, resumed=resumed):
            return
        try:
            await self._send(statement.text)
        except Rejected as exc:
            if not resumed or exc.code not in _DONE_ALREADY:
                await self._drop_invalid(index)
                raise
        except Busy:
            await self._drop_invalid(index)
            raise
        if index is not None and index.verb == "CREATE" and not await self._drop_invalid(index):
            raise Rejected(f"the index {index.name} came out invalid and was dropped; look at the server's log")

    async def _is_done(self, index: IndexName, *, resumed: bool) -> bool:
        """Clean up what an earlier attempt left; True if that attempt had in fact completed the statement."""
        await self._drop_invalid(index)
        exists = bool(await self._indexes(index))
        return resumed and ((index.verb == "CREATE" and exists) or (index.verb == "DROP" and not exists))

    async def _drop_invalid(self, index: IndexName | None) -> bool:
        """Drop what is invalid of that name; True if a valid index of that name stands."""
        valid = False
        for found in await self._indexes(index) if index else ():
            if found["valid"]:
                valid = valid or found["bare"] == (index.name if index else "")
            elif index is not None and (index.verb != "REINDEX" or found["bare"] != index.name):
                await self._send(f"DROP INDEX CONCURRENTLY IF EXISTS {found['name']}")
        return valid

    async def _indexes(self, index: IndexName) -> Sequence[asyncpg.Record]:
        reindexed = index.verb == "REINDEX"
        sql = text("postgres_index")
        return await query(self._connection, sql, index.name, index.schema, index.table, reindexed)

    async def record(self, *events: HistoryEvent) -> None:
        """Write events in a transaction of their own."""
        if events:
            await self._send(self._insert(events))

    async def blockers(self, relations: Sequence[str], /, *, older_than: float) -> Sequence[Blocker]:
        """Look in pg_locks. Takes no lock on the relations itself."""
        rows = await query(self._connection, text("postgres_blockers"), list(relations), older_than)
        return [Blocker(**row) for row in rows]

    async def _check_fence(self) -> None:
        if self._lock.connection.is_closed():
            raise MigrationLockLost("the connection that held the lock is gone; run again")
        rows = await query(self._connection, f"SELECT {self._fence} AS pid")
        if rows[0]["pid"] is None:
            raise MigrationLockLost("the lock on the history is gone; run again")

    def _insert(self, events: Sequence[HistoryEvent], *, duration: str | None = None) -> str:
        values = ",\n".join(self._values(event, duration) for event in events)
        return text("postgres_insert").format(history=self._lock.history, values=values)

    def _values(self, event: HistoryEvent, duration: str | None) -> str:
        row = [_as_literal(value) for value in row_from(event, duration=event.duration)]
        if duration is not None:
            row[DURATION] = duration
        return f"({', '.join(row)}, {self._fence})"

    async def _begin(self, work: Work) -> None:
        await self._send(f"BEGIN;{_settings(work)}")

    async def _call(self, step: PythonStep) -> None:
        try:
            await step(StepConnection(self._connection, run_sync=self._run_sync))
        except asyncpg.PostgresError as exc:
            await self._take_back()
            raise self._refusal(exc, 0) from exc
        except (OSError, asyncpg.InterfaceError) as exc:
            raise MigrationUnavailable(f"the connection went away during the step: {exc}") from exc
        except InvalidMigration:
            raise
        except Exception as exc:  # the step is the user's code and may raise anything
            await self._take_back()
            raise Rejected(f"it raised {type(exc).__name__}: {exc}") from exc

    async def _send(self, sql: str, *, before: int = 0) -> None:
        """One simple query. After a failure no transaction is left open."""
        try:
            await self._connection.execute(sql)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as exc:
            await self._take_back()
            raise self._refusal(exc, before) from exc

    async def _take_back(self) -> None:
        if not self._connection.is_closed() and self._connection.is_in_transaction():
            await self._connection.execute("ROLLBACK")

    def _refusal(self, exc: asyncpg.PostgresError, before: int) -> Busy | Rejected | MigrationLockLost:
        details = exc.as_dict()
        code = details.get("sqlstate") or ""
        if code in _PASSING:
            return Busy(str(exc))
        if code == "23502" and details.get("table_name") == self._lock.names.table:
            return MigrationLockLost(
                "the lock on the history went while the step ran; it was taken back. Run again"
            )
        if code in ("25001", "2D000"):
            details["hint"] = "declare '-- backstay: no-transaction' in the file's header"
        offset = int(details["position"]) - 1 - before if details.get("position") else None
        words = [exc.args[0] if exc.args else str(exc), details.get("detail") or ""]
        message = ". ".join(word.rstrip(".") for word in words if word) + (f" [{code}]" if code else "")
        return Rejected(message, code=code, offset=offset, hint=details.get("hint") or "")


def _as_literal(value: str | float | None) -> str:
    if isinstance(value, str):
        return literal(value)
    return "NULL" if value is None else repr(value)


def _settings(work: Work) -> str:
    sql = f"SET LOCAL lock_timeout = {round(work.lock_timeout * 1000)};"
    if work.statement_timeout is not None:
        sql += f"SET LOCAL statement_timeout = {round(work.statement_timeout * 1000)};"
    return sql


class StepConnection:
    """What a Python step is given. Implements `MigrationConnection`."""

    dialect = "postgresql"

    def __init__(self, connection: Connection, *, run_sync: Callable[..., Awaitable[Any]] | None = None) -> None:
        self._connection = connection
        self._run_sync = run_sync

    async def run_sync(self, function: Callable[[Any], object], /) -> None:
        """Run synchronous code on the step's SQLAlchemy ``Connection``; needs a runner on an engine."""
        if self._run_sync is None:
            raise TypeError("this runner was given a connection string: give it an AsyncEngine for run_sync")
        await self._run_sync(function)

    async def execute(self, sql: str, /, *args: object) -> None:
        """Run SQL; several statements are fine where there are no arguments."""
        await self._connection.execute(sql, *args)

    async def fetch(self, sql: str, /, *args: object) -> Sequence[Mapping[str, Any]]:
        """All rows."""
        return [dict(row) for row in await query(self._connection, sql, *args)]

    async def fetchval(self, sql: str, /, *args: object) -> Any:
        """The first column of the first row, or None."""
        rows = await query(self._connection, sql, *args)
        return rows[0][0] if rows else None


if TYPE_CHECKING:
    _session: type[Session] = PostgresSession
    _connection: type[MigrationConnection] = StepConnection
