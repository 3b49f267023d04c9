"""One runner at a time: a lock that lives with concurrent index builds and with transaction-mode poolers.

It is a transaction-level advisory lock, held by a READ COMMITTED transaction that stays idle on a connection
of its own. Idle, such a transaction has no snapshot, so CREATE INDEX CONCURRENTLY does not wait for it;
being a transaction, a pooler leaves it its server connection; and the server frees it with its holder's end.
Waiters poll: whoever blocks in a statement has a snapshot, and an index build would wait for that.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from backstay.clock import Clock
from backstay.errors import MigrationUnavailable

from .database import ASK_AGAIN, Done, DoneByAnother
from .model import Blocker
from .quoting import quoted
from .sql import text

_POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The history's table, as it is looked for, and the key of the lock that goes with it."""

    table: str
    schema: str | None

    @property
    def found(self) -> str:
        """The table as a name in SQL, left to ``search_path`` where no schema is given."""
        return f"{quoted(self.schema)}.{quoted(self.table)}" if self.schema else quoted(self.table)

    @property
    def key(self) -> int:
        """63 bits of a hash: advisory locks belong to one database, so the name is enough."""
        return int.from_bytes(hashlib.sha256(f"backstay.migrations:{self.found}".encode()).digest()[:8]) >> 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLock:
    """A lock that is held, and how a statement on any other connection sees that it still is."""

    names: Names
    schema: str
    pid: int
    transaction: str
    waited: float
    connection: asyncpg.Connection[asyncpg.Record]

    @property
    def history(self) -> str:
        """The history's table, qualified."""
        return f"{quoted(self.schema)}.{quoted(self.names.table)}"

    @property
    def fence(self) -> str:
        """An SQL expression: the holder's pid while it holds the lock, NULL after."""
        return (
            text("postgres_fence")
            .strip()
            .format(
                high=self.names.key >> 32,
                low=self.names.key & 0xFFFFFFFF,
                pid=self.pid,
                transaction=self.transaction,
            )
        )


@asynccontextmanager
async def hold_lock(
    connection: asyncpg.Connection[asyncpg.Record],
    names: Names,
    *,
    worker: str,
    clock: Clock,
    wait: float,
    done: Done | None,
) -> AsyncGenerator[HeldLock]:
    """Wait for the lock, then for whatever a dead runner's backend is still doing. Held until the block ends.

    Raises:
        MigrationUnavailable: neither came to an end within `wait` seconds.
        DoneByAnother: `done` says so.
    """
    began = asked = clock.monotonic()
    while (row := await _try(connection, names)) is None:
        now = clock.monotonic()
        if now - began > wait:
            raise MigrationUnavailable(f"another runner has held the lock for {wait:g} s; look at pg_locks")
        if done is not None and now - asked > ASK_AGAIN:
            asked = now
            if await done():
                raise DoneByAnother
        await clock.sleep(random.uniform(_POLL / 2, _POLL))  # noqa: S311 - jitter
    while orphans := [Blocker(**found) for found in await connection.fetch(text("postgres_orphans"), worker)]:
        if clock.monotonic() - began > wait:
            raise MigrationUnavailable(f"a statement of an earlier runner still runs: {orphans[0]}")
        await _let_go_of_snapshot(connection)
        await clock.sleep(_POLL)
    await _let_go_of_snapshot(connection)
    yield HeldLock(
        names=names,
        schema=row["schema"],
        pid=row["pid"],
        transaction=row["transaction"],
        waited=clock.monotonic() - began,
        connection=connection,
    )


async def _try(connection: asyncpg.Connection[asyncpg.Record], names: Names) -> asyncpg.Record | None:
    await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    row = await connection.fetchrow(text("postgres_lock"), names.key, names.found, names.schema)
    if row is not None and row["held"]:
        await connection.fetch(
            "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN "
            "('transaction_timeout', 'idle_in_transaction_session_timeout', 'statement_timeout')"
        )
        return row
    await connection.execute("ROLLBACK")
    return None


async def _let_go_of_snapshot(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """The extended protocol leaves a portal open, and with it a snapshot; the next simple query closes it."""
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
