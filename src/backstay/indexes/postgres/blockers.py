"""Whom a build waits for, watched from a second connection while the first one is busy."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import asyncpg

from backstay.indexes.protocol import Blocker, BuildProgress
from backstay.indexes.statements import statement

from .connect import Connect, Connection

_EVERY = 0.2
LOCK_CLASS = 0x62736978
"""The class of our advisory locks ("bsix"), beside the table's oid: one build at a time on one table.

Two concurrent builds on one table would only wait for each other.
"""


async def read_blockers(connection: Connection, pid: int) -> tuple[Blocker, ...]:
    """The sessions that `pid` waits for right now."""
    return tuple(map(_blocker, await connection.fetch(statement("blockers"), pid)))


async def read_holders(connection: Connection, table_oid: int) -> tuple[Blocker, ...]:
    """The sessions that keep a table from being built on. Waits for no lock."""
    return tuple(map(_blocker, await connection.fetch(statement("holders"), table_oid, LOCK_CLASS)))


def _blocker(row: asyncpg.Record) -> Blocker:
    return Blocker(
        pid=row["pid"],
        user=row["user_name"],
        application=row["application"],
        state=row["state"],
        waiting_since=row["since"],
        ours=row["ours"],
    )


async def read_progress(connection: Connection) -> tuple[BuildProgress, ...]:
    """The builds in flight in this database, each with whom it waits for."""
    found: list[BuildProgress] = []
    for row in await connection.fetch(statement("progress")):
        done, total, elapsed = row["done"], row["total"], row["elapsed"]
        found.append(
            BuildProgress(
                pid=row["pid"],
                table=row["table_name"],
                index=row["index_name"],
                phase=row["phase"],
                done=done,
                total=total,
                blockers=await read_blockers(connection, row["pid"]),
                eta=elapsed * (total - done) / done if 0 < done <= total else None,
            )
        )
    return tuple(found)


class Watcher:
    """Remembers the last blockers seen of a session, and tells `changed` when they become others.

    What goes wrong while watching is not the build's concern: the watcher then merely sees nobody.
    """

    def __init__(
        self, connect: Connect, changed: Callable[[tuple[Blocker, ...]], None], *, lock_timeout: float
    ) -> None:
        """`lock_timeout` is when the session gives up: it must be looked at before that."""
        self._patience = min(_EVERY, lock_timeout / 4)
        self._connect = connect
        self._changed = changed
        self.last: tuple[Blocker, ...] = ()
        self.stop = anyio.Event()

    async def follow(self, pid: int) -> None:
        """Watch until told to stop. A build that is over at once costs no second connection."""
        if await self._stopped(self._patience):
            return
        try:
            async with self._connect() as connection:
                await self._look(connection, pid)
                while not await self._stopped(_EVERY):
                    await self._look(connection, pid)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return

    async def _stopped(self, seconds: float) -> bool:
        # Told and not cancelled: a cancelled query would cost the connection a cancel request of its own.
        with anyio.move_on_after(seconds):
            await self.stop.wait()
        return self.stop.is_set()

    async def _look(self, connection: Connection, pid: int) -> None:
        seen = await read_blockers(connection, pid)
        if {blocker.pid for blocker in seen} != {blocker.pid for blocker in self.last} and seen:
            self._changed(seen)
        if seen:
            self.last = seen
