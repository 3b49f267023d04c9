"""Which versions of the application run now: each reports itself, and a contract migration waits for the old ones.

A migration of ``phase: contract`` takes away what only older versions use. Whether one still runs is not known to
any file; the versions themselves say so, in a table of the database that is migrated. A version that does not
report itself is not waited for, and one that starts after a contract migration has begun is not seen.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import anyio

from backstay.clock import Clock, SystemClock
from backstay.errors import MigrationUnavailable
from backstay.events import Emitter, Event, Listener
from backstay.tasks import TaskOwner

ALIVE_FOR: Final = 60.0
"""Seconds after its last report for which a version is taken to be running."""
_LONGEST: Final = 5.0
TABLE: Final = "backstay_versions"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningVersion:
    """One process that reported itself lately."""

    version: str
    instance: str
    """Host, process and a random part."""
    seconds: float
    """Since its last report, by the database's clock."""

    def __str__(self) -> str:
        return f"{self.version or 'an unnamed version'} on {self.instance}, {self.seconds:.0f} s ago"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNotReported(Event):
    """A report could not be written; it is tried again. After `ALIVE_FOR` nobody waits for this process."""

    level: ClassVar[int] = 30

    version: str
    reason: str


class VersionLog(Protocol):
    """Where versions report themselves. Each call is one transaction, and may raise MigrationUnavailable."""

    async def report(self, version: str, instance: str, /) -> None:
        """This instance runs now. Makes the table where there is none, and forgets instances long gone."""
        ...

    async def withdraw(self, instance: str, /) -> None:
        """This instance ends."""
        ...


def is_older(version: str, *, than: str) -> bool:
    """Whether a contract migration of version `than` has to wait for `version`.

    Versions made of numbers are compared as such. Of two others, such as commits, it cannot be told which is older:
    every version that is not ours is waited for.
    """
    numbers, ours = _numbers(version), _numbers(than)
    return version != than if numbers is None or ours is None else numbers < ours


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.removeprefix("v").split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else None


@asynccontextmanager
async def reporting_version(
    url: str,
    version: str,
    *,
    every: float = ALIVE_FOR / 4,
    clock: Clock | None = None,
    listeners: Iterable[Listener] = (),
) -> AsyncGenerator[None]:
    """Report that this version of the application runs, for as long as the block does.

    The first report is written before the block begins. A database that is away, or takes more than five seconds,
    does not end the block: that is told to the listeners, and tried again.

    Args:
        url: The database that is migrated, ``postgresql://…`` or ``sqlite:///path``.
        version: What the runner has for `app_version`.
        every: Seconds between reports; well below `ALIVE_FOR`.
        clock: Where time comes from.
        listeners: Told of reports that failed.
    """
    log, instance = _log_for(url), f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    ticking, emit = clock or SystemClock(), Emitter(listeners)

    async def told(saying: Awaitable[None]) -> None:
        try:
            with anyio.fail_after(_LONGEST):
                await saying
        except (MigrationUnavailable, TimeoutError) as exc:
            reason = str(exc) or f"the database did not answer within {_LONGEST:g} s"
            emit(VersionNotReported(version=version, reason=reason))

    async def keep_reporting() -> None:
        while True:
            await ticking.sleep(every)
            await told(log.report(version, instance))

    owner = TaskOwner()
    await told(log.report(version, instance))
    try:
        owner.start(keep_reporting, "backstay version reports")
        yield
    finally:
        await owner.aclose()
        with anyio.CancelScope(shield=True):
            await told(log.withdraw(instance))


def _log_for(url: str) -> VersionLog:
    if url.startswith("sqlite"):
        from .sqlite_versions import SqliteVersionLog

        return SqliteVersionLog(url)
    from .postgres_versions import PostgresVersionLog

    return PostgresVersionLog(url)
