"""`PostgresRunner`: the step loop on PostgreSQL, over asyncpg or a SQLAlchemy ``AsyncEngine`` on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from backstay.clock import Clock, SystemClock
from backstay.errors import MigrationUnavailable, MissingExtraError
from backstay.events import Listener
from backstay.secret import Secret

try:
    import asyncpg
except ModuleNotFoundError as exc:
    raise MissingExtraError("postgres", "PostgresRunner") from exc

from .database import Database, Done, Session
from .directives import Phase
from .history import event_from
from .model import HistoryEvent
from .postgres_connection import from_dsn, from_engine, query
from .postgres_lock import Names, hold_lock
from .protocol import MigrationRunner
from .runner import DEFAULT_DEADLINE, DEFAULT_LOCK_TIMEOUT, Checker, StepRunner, refuse_dangers
from .sources import Source
from .sql import text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from .snapshot import Snapshot

    Connection = asyncpg.Connection[asyncpg.Record]


class PostgresDatabase:
    """One PostgreSQL database. Works through a transaction-mode PgBouncer: nothing relies on a session."""

    dialect = "postgresql"

    def __init__(
        self,
        target: str | Secret | AsyncEngine,
        *,
        table: str = "backstay_migrations",
        schema: str | None = None,
        clock: Clock | None = None,
        wait: float = DEFAULT_DEADLINE,
    ) -> None:
        """`table` holds the history, in `schema` or where ``search_path`` puts it; `wait` in seconds."""
        self._target = Secret(target) if isinstance(target, str) else target
        self._names = Names(table=table, schema=schema)
        self._clock = clock or SystemClock()
        self._wait = wait
        # Of the connections that an engine lent us: how to run synchronous SQLAlchemy code on them.
        self._run_sync: dict[Connection, Any] = {}

    async def history(self, *, unless: str | None = None) -> Sequence[HistoryEvent]:
        """One query and no lock."""
        async with self._connection(f"backstay migrations {self._names.key:x} look") as connection:
            try:
                rows = await query(connection, text("postgres_history").format(history=self._names.found), unless)
            except asyncpg.UndefinedTableError:
                return ()
        return [event_from(row) for row in rows]

    async def columns(self, tables: Sequence[str], /) -> Mapping[str, frozenset[str]]:
        """The columns of those of the tables that exist."""
        async with self._connection(f"backstay migrations {self._names.key:x} look") as connection:
            found = await query(connection, text("postgres_tables"), list(tables))
        return {row["name"]: frozenset(row["columns"]) for row in found}

    async def rows(self, sql: str, /) -> Sequence[Mapping[str, Any]]:
        """Read with one query."""
        async with self._connection(f"backstay migrations {self._names.key:x} look") as connection:
            return [dict(row) for row in await query(connection, sql)]

    async def snapshot(self) -> Snapshot:
        """Every object of every schema that is no system's."""
        from .postgres_snapshot import read_snapshot

        async with (
            self._connection(f"backstay migrations {self._names.key:x} look") as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await read_snapshot(connection)

    @asynccontextmanager
    async def exclusively(self, *, done: Done | None = None) -> AsyncGenerator[Session]:
        """Hold the lock on one connection and work on another."""
        from .postgres_session import PostgresSession

        name = f"backstay migrations {self._names.key:x}"
        async with (
            self._connection(f"{name} lock") as lock,
            hold_lock(lock, self._names, worker=name, clock=self._clock, wait=self._wait, done=done) as held,
            self._connection(name) as connection,
        ):
            run_sync = self._run_sync.get(connection)
            yield PostgresSession(connection, held, run_sync=run_sync)

    @asynccontextmanager
    async def _connection(self, application: str) -> AsyncGenerator[Connection]:
        try:
            async with self._opened(application) as connection:
                yield connection
        except MigrationUnavailable:
            raise  # an OSError as well, and said already
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError) as exc:
            raise MigrationUnavailable(f"the database could not be reached, or went away: {exc}") from exc
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as exc:
            raise MigrationUnavailable(f"the database refused the connection: {exc}") from exc

    def _opened(self, application: str) -> AbstractAsyncContextManager[Connection]:
        if isinstance(self._target, Secret):
            return from_dsn(self._target, application)
        return from_engine(self._target, application, self._run_sync)


class PostgresRunner(StepRunner):
    """A `MigrationRunner` on PostgreSQL 13 or newer."""

    def __init__(
        self,
        target: str | Secret | AsyncEngine,
        sources: Sequence[Source],
        *,
        table: str = "backstay_migrations",
        schema: str | None = None,
        lock_timeout: float = DEFAULT_LOCK_TIMEOUT,
        deadline: float = DEFAULT_DEADLINE,
        out_of_order: bool = False,
        phase: Phase | None = None,
        checker: Checker | None = refuse_dangers,
        app_version: str = "",
        clock: Clock | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        """A runner; nothing is connected yet.

        Args:
            target: A connection string, or an ``AsyncEngine`` on asyncpg with room for two connections.
            sources: Where the migrations come from.
            table: The table of the history.
            schema: Its schema; None leaves it to ``search_path``.
            lock_timeout: See `StepRunner`; seconds.
            deadline: See `StepRunner`; seconds. Also how long another runner is waited for.
            out_of_order: See `StepRunner`.
            phase: See `StepRunner`.
            checker: See `StepRunner`; by default the linter, which a file can answer with ``allow``.
            app_version: See `StepRunner`.
            clock: See `StepRunner`.
            listeners: See `StepRunner`.
        """
        super().__init__(
            PostgresDatabase(target, table=table, schema=schema, clock=clock, wait=deadline),
            sources,
            lock_timeout=lock_timeout,
            deadline=deadline,
            out_of_order=out_of_order,
            phase=phase,
            checker=checker,
            app_version=app_version,
            clock=clock,
            listeners=listeners,
        )


if TYPE_CHECKING:
    _runner: type[MigrationRunner] = PostgresRunner
    _database: type[Database] = PostgresDatabase
