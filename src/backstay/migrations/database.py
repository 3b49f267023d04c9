"""What the step loop needs of a database. PostgreSQL and SQLite each implement it once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:  # a start that finds nothing to do loads none of what reads SQL
    from .model import Blocker, HistoryEvent
    from .protocol import MigrationConnection
    from .snapshot import Snapshot
    from .splitting import Statement

ASK_AGAIN: Final = 0.5
"""Seconds after which a runner that waits for the lock asks whether there is still something to do."""
Done = Callable[[], Awaitable[bool]]
PythonStep = Callable[["MigrationConnection"], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one transaction runs: SQL as it stands in its file, or a Python step. Timeouts in seconds."""

    sql: str = ""
    python: PythonStep | None = None
    lock_timeout: float = 0.1
    statement_timeout: float | None = None
    leaves_settings: bool = False
    """Whether it changes settings of the session, which must not reach the next step."""


class Busy(Exception):
    """Taken back for a reason that passes: a lock timeout, a deadlock, a serialization failure."""


class DoneByAnother(Exception):
    """While this runner waited for the lock, another has done all that it came for."""


class Rejected(Exception):
    """A statement was refused, or a Python step raised. `offset` counts characters of the work's SQL."""

    def __init__(self, message: str, *, code: str = "", offset: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.offset = offset
        self.hint = hint


class Session(Protocol):
    """The lock is held and one connection works. Every record that is written checks the lock."""

    @property
    def waited(self) -> float:
        """Seconds spent waiting for another runner."""
        ...

    async def history(self) -> Sequence[HistoryEvent]:
        """What the history says now that nobody else can write to it. Creates it where there is none."""
        ...

    async def transact(self, work: Work, event: HistoryEvent, /) -> float:
        """Run the work and write the event, both or neither. Measures the duration and returns it.

        Raises Busy, Rejected, MigrationLockLost.
        """
        ...

    async def rehearse(self, work: Work, /) -> tuple[float, tuple[str, ...]]:
        """Run the work and take it back. Returns the seconds it took and the locks it held at its end."""
        ...

    async def send_alone(self, statement: Statement, /, *, resumed: bool) -> None:
        """Run one statement outside any transaction, cleaning up before it what a crash left behind.

        `resumed` says that an earlier run may already have completed it. Raises as `transact` does.
        """
        ...

    async def run_python(self, step: PythonStep, /) -> None:
        """Run a Python step outside any transaction: each of its statements is one. Raises Busy, Rejected."""
        ...

    async def record(self, *events: HistoryEvent) -> None:
        """Write events of their own. Raises MigrationLockLost."""
        ...

    async def blockers(self, relations: Sequence[str], /, *, older_than: float) -> Sequence[Blocker]:
        """Who holds locks on these relations in a transaction older than that many seconds."""
        ...


class Database(Protocol):
    """One database with its history."""

    @property
    def dialect(self) -> str:
        """``postgresql`` or ``sqlite``."""
        ...

    async def history(self, *, unless: str | None = None) -> Sequence[HistoryEvent]:
        """One query and no lock. Empty where nothing was ever written.

        Where the newest entry was written with the digest `unless` for its `sources`, only that entry: what
        came before it has not to be read.
        """
        ...

    async def columns(self, tables: Sequence[str], /) -> Mapping[str, frozenset[str]]:
        """The columns of those of the tables that exist."""
        ...

    async def rows(self, sql: str, /) -> Sequence[Mapping[str, Any]]:
        """Read with one query of our own."""
        ...

    async def snapshot(self) -> Snapshot:
        """Every object of the schema, see `backstay.migrations.snapshot`. Reads only."""
        ...

    def exclusively(self, *, done: Done | None = None) -> AbstractAsyncContextManager[Session]:
        """Wait for the lock and hold it, until the block ends or this process dies.

        `done` is asked now and then while waiting. Raises DoneByAnother as soon as it says so: of many runners that
        start together, those that come too late need not queue for the lock to learn that.
        """
        ...
