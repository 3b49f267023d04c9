"""`SqliteRunner`: the step loop on SQLite, over the standard library's driver in a worker thread.

DDL is transactional in SQLite, so nearly every step is one ``BEGIN IMMEDIATE … COMMIT``. The runner's lock
is an exclusive transaction on an empty database beside the real one: the operating system frees it when its
holder dies, and it is not in the way of readers.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread

from backstay.clock import Clock, SystemClock
from backstay.errors import ConfigError, MigrationUnavailable
from backstay.events import Listener

from .database import ASK_AGAIN, Busy, Database, Done, DoneByAnother, PythonStep, Rejected, Session, Work
from .directives import Phase
from .history import event_from, row_from
from .model import Blocker, HistoryEvent
from .protocol import MigrationConnection, MigrationRunner
from .quoting import quoted
from .runner import DEFAULT_DEADLINE, Checker, StepRunner
from .sources import Source
from .splitting import Statement
from .sql import text

if TYPE_CHECKING:
    from .snapshot import Snapshot

T = TypeVar("T")
_POLL: Final = 0.05
_URLS: Final = ("sqlite+aiosqlite:///", "sqlite+pysqlite:///", "sqlite:///")


class SqliteDatabase:
    """One SQLite file."""

    dialect = "sqlite"

    def __init__(
        self,
        target: Path | str,
        *,
        table: str = "backstay_migrations",
        clock: Clock | None = None,
        wait: float = DEFAULT_DEADLINE,
    ) -> None:
        """`target` is a path or a ``sqlite:///`` URL; `wait` for another runner is in seconds."""
        self._path = path_of(target)
        self._table = table
        self._clock = clock or SystemClock()
        self._wait = wait

    async def history(self, *, unless: str | None = None) -> Sequence[HistoryEvent]:
        """One query and no lock. A file that is not there yet is not made."""
        if not await anyio.Path(self._path).exists():
            return ()
        connection = await _in_thread(_open, self._path)
        try:
            return await _in_thread(_read, connection, self._table, unless)
        finally:
            connection.close()

    async def columns(self, tables: Sequence[str], /) -> Mapping[str, frozenset[str]]:
        """The columns of those of the tables that exist."""
        found: dict[str, frozenset[str]] = {}
        for table in tables:
            if rows := await self.rows(f"PRAGMA table_info({quoted(table)})"):
                found[table] = frozenset(str(row["name"]) for row in rows)
        return found

    async def rows(self, sql: str, /) -> Sequence[Mapping[str, Any]]:
        """Read with one query."""
        with closing(await _in_thread(_open, self._path)) as connection:
            return await StepConnection(connection).fetch(sql)

    async def snapshot(self) -> Snapshot:
        """Every table, view, index and trigger; nothing where there is no file yet."""
        from .sqlite_snapshot import read_snapshot

        path = self._path if await anyio.Path(self._path).exists() else ":memory:"
        with closing(await _in_thread(_open, path)) as connection:
            return await _in_thread(read_snapshot, connection)

    @asynccontextmanager
    async def exclusively(self, *, done: Done | None = None) -> AsyncGenerator[Session]:
        """Hold the lock file and work on the database."""
        began = asked = self._clock.monotonic()
        with closing(await _in_thread(_open, f"{self._path}-migrations-lock")) as lock:
            while not await _in_thread(_try, lock):
                now = self._clock.monotonic()
                if now - began > self._wait:
                    raise MigrationUnavailable(f"another runner has held the lock for {self._wait:g} s")
                if done is not None and now - asked > ASK_AGAIN:
                    asked = now
                    if await done():
                        raise DoneByAnother
                await self._clock.sleep(_POLL)
            with closing(await _in_thread(_open, self._path)) as connection:
                yield SqliteSession(connection, table=self._table, waited=self._clock.monotonic() - began)


def path_of(target: Path | str) -> str:
    """The file that a path or a ``sqlite:///`` URL names. Raises ConfigError for a database in memory."""
    path = str(target)
    for prefix in _URLS:
        path = path.removeprefix(prefix)
    if path in ("", ":memory:") or "mode=memory" in path:
        raise ConfigError("migrations need an SQLite file: a database in memory is gone with its connection")
    return path


class SqliteSession:
    """Implements `Session`. Every call is one hop to a worker thread, which a cancellation waits for."""

    def __init__(self, connection: sqlite3.Connection, *, table: str, waited: float) -> None:
        self._connection = connection
        self._table = table
        self._waited = waited

    @property
    def waited(self) -> float:
        """Seconds spent waiting for another runner."""
        return self._waited

    async def history(self) -> Sequence[HistoryEvent]:
        """The history as it is under the lock; its table is created where there is none."""
        return await _in_thread(self._create_and_read)

    def _create_and_read(self) -> Sequence[HistoryEvent]:
        names = {"history": quoted(self._table), "once": quoted(f"{self._table}_once")}
        for name in ("sqlite_create", "sqlite_create_once"):
            self._connection.execute(text(name).format(**names))
        return _read(self._connection, self._table, None)

    async def transact(self, work: Work, event: HistoryEvent, /) -> float:
        """Run the work and write the event in one immediate transaction."""
        began = time.monotonic()
        try:
            await self._work(work)
            duration = time.monotonic() - began
            await _in_thread(self._commit_with, event, duration)
        finally:
            await self._take_back()
        return duration

    async def rehearse(self, work: Work, /) -> tuple[float, tuple[str, ...]]:
        """Run the work and take it back. SQLite has one lock, on the whole database."""
        began = time.monotonic()
        try:
            await self._work(work)
            return time.monotonic() - began, ("RESERVED on the database",)
        finally:
            await self._take_back()

    async def _work(self, work: Work) -> None:
        if work.python is None:
            await _in_thread(self._script, f"BEGIN IMMEDIATE;\n{work.sql}\n;")
        else:
            await _in_thread(self._script, "BEGIN IMMEDIATE;")
            await self.run_python(work.python)

    def _script(self, sql: str) -> None:
        with _translated():
            self._connection.executescript(sql)

    def _commit_with(self, event: HistoryEvent, duration: float) -> None:
        with _translated():
            self._insert(event, duration)
            self._connection.execute("COMMIT")

    async def _take_back(self) -> None:
        # No await where there is nothing to do: after a cancellation an await would be cancelled again.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    async def send_alone(self, statement: Statement, /, *, resumed: bool) -> None:
        """Run one statement outside transactions. All that SQLite has of these may be repeated."""
        del resumed
        await _in_thread(self._alone, statement.text)

    def _alone(self, sql: str) -> None:
        with _translated():
            self._connection.execute(sql)

    async def run_python(self, step: PythonStep, /) -> None:
        """Run a Python step in whatever transaction is open."""
        try:
            await step(StepConnection(self._connection))
        except sqlite3.Error as exc:
            raise _refusal(exc) from exc
        except Exception as exc:  # the step is the user's code and may raise anything
            raise Rejected(f"it raised {type(exc).__name__}: {exc}") from exc

    async def record(self, *events: HistoryEvent) -> None:
        """Write events in a transaction of their own."""
        await _in_thread(self._record, events)

    def _record(self, events: Sequence[HistoryEvent]) -> None:
        with _translated():
            self._connection.execute("BEGIN IMMEDIATE")
            for event in events:
                self._insert(event, event.duration)
            self._connection.execute("COMMIT")

    def _insert(self, event: HistoryEvent, duration: float) -> None:
        self._connection.execute(
            text("sqlite_insert").format(history=quoted(self._table)),
            row_from(event, duration=duration),
        )

    async def blockers(self, relations: Sequence[str], /, *, older_than: float) -> Sequence[Blocker]:
        """SQLite does not tell who holds its lock."""
        del relations, older_than
        return ()


class _translated:  # noqa: N801 - used like a function
    """Turns the driver's exceptions into the outcomes that the step loop knows."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: object, trace: object) -> None:
        if isinstance(exc, (sqlite3.Error, sqlite3.Warning)):
            raise _refusal(exc) from exc


def _refusal(exc: sqlite3.Error | sqlite3.Warning) -> Busy | Rejected:
    name: str = getattr(exc, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy(str(exc))
    return Rejected(str(exc), code=name)


async def _in_thread(function: Callable[..., T], *args: object) -> T:
    return await anyio.to_thread.run_sync(partial(function, *args))


def _open(path: str) -> sqlite3.Connection:
    """`timeout` stays short: the step loop waits outside the driver, where it can be seen and cancelled."""
    try:
        return sqlite3.connect(path, timeout=0.1, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise MigrationUnavailable(f"{path}: {exc}") from exc


def _try(lock: sqlite3.Connection) -> bool:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as exc:
        if isinstance(_refusal(exc), Busy):
            return False
        raise MigrationUnavailable(f"the lock file cannot be used: {exc}") from exc
    return True


def _read(connection: sqlite3.Connection, table: str, unless: str | None) -> tuple[HistoryEvent, ...]:
    try:
        rows: Iterable[Sequence[Any]] = connection.execute(
            text("sqlite_history").format(history=quoted(table)), (unless,)
        )
        return tuple(event_from(row) for row in rows)
    except sqlite3.OperationalError as exc:
        if "no such table" in str(exc):
            return ()
        raise MigrationUnavailable(f"the history cannot be read: {exc}") from exc


class StepConnection:
    """What a Python step is given. Implements `MigrationConnection`; placeholders are ``?``."""

    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def execute(self, sql: str, /, *args: object) -> None:
        """Run one statement."""
        await _in_thread(self._connection.execute, sql, args)

    async def fetch(self, sql: str, /, *args: object) -> Sequence[Mapping[str, Any]]:
        """All rows."""
        return await _in_thread(self._fetch, sql, args)

    def _fetch(self, sql: str, args: Sequence[Any]) -> list[dict[str, Any]]:
        cursor = self._connection.execute(sql, args)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    async def fetchval(self, sql: str, /, *args: object) -> Any:
        """The first column of the first row, or None."""
        for row in await self.fetch(sql, *args):
            return next(iter(row.values()))
        return None


class SqliteRunner(StepRunner):
    """A `MigrationRunner` on an SQLite file."""

    def __init__(
        self,
        target: Path | str,
        sources: Sequence[Source],
        *,
        table: str = "backstay_migrations",
        deadline: float = DEFAULT_DEADLINE,
        out_of_order: bool = False,
        phase: Phase | None = None,
        checker: Checker | None = None,
        app_version: str = "",
        clock: Clock | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        """A runner; nothing is opened yet. The options are those of `StepRunner`.

        Args:
            target: A path or a ``sqlite:///`` URL.
            sources: Where the migrations come from.
            table: The table of the history.
            deadline: Seconds that one step may wait for the database, and a runner for another.
            out_of_order: See `StepRunner`.
            phase: See `StepRunner`.
            checker: See `StepRunner`.
            app_version: See `StepRunner`.
            clock: See `StepRunner`.
            listeners: See `StepRunner`.
        """
        super().__init__(
            SqliteDatabase(target, table=table, clock=clock, wait=deadline),
            sources,
            deadline=deadline,
            out_of_order=out_of_order,
            phase=phase,
            checker=checker,
            app_version=app_version,
            clock=clock,
            listeners=listeners,
        )


if TYPE_CHECKING:
    _runner: type[MigrationRunner] = SqliteRunner
    _database: type[Database] = SqliteDatabase
    _session: type[Session] = SqliteSession
    _connection: type[MigrationConnection] = StepConnection
