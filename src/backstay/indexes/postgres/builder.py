"""Making one index stand: the turn among workers, the build, its retries, and the mending of leftovers.

Why it is not simply ``CREATE INDEX CONCURRENTLY IF NOT EXISTS``: a concurrent build that fails, is cancelled,
or loses its server leaves an *invalid* index of that name behind, which slows every write, serves no query,
and would be accepted by the next ``IF NOT EXISTS``.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import asyncpg

from backstay.clock import Clock
from backstay.errors import IndexBuildFailed
from backstay.events import Emitter
from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.declared import Index, quote_identifier
from backstay.indexes.events import (
    IndexBuildRetried,
    IndexBuildStarted,
    IndexBuildWaiting,
    IndexLeftoverDropped,
)
from backstay.indexes.protocol import Blocker, EnsureOptions

from .blockers import Watcher
from .connect import Connect, Connection

# The class of our advisory locks ("bsix"), beside the table's oid: one build at a time on one table. Two
# concurrent builds on one table would only wait for each other.
_LOCK_CLASS = 0x62736978
_TURN_POLL = (0.05, 0.25)
_CLEANUP_SECONDS = 30.0
_CLEANUP_LOCK_TIMEOUT = 2.0
# What a statement that *does* block writers may wait for its lock: they queue behind it.
_BLOCKING_LOCK_TIMEOUT = 0.8
_PASSING = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class BuildRefused(Exception):
    """A build failed for good. `reason` has the server's words and what was cleaned up."""

    def __init__(self, reason: str, *, attempts: int, blockers: tuple[Blocker, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts = attempts
        self.blockers = blockers


@dataclass(slots=True, kw_only=True)
class Builder:
    """Builds on one connection of its own, watched from another. Not shared between tasks."""

    connection: Connection
    connect: Connect
    clock: Clock
    emit: Emitter
    options: EnsureOptions
    waiting_for: tuple[Blocker, ...] = field(default=())

    @asynccontextmanager
    async def turn(self, table_oid: int) -> AsyncGenerator[bool]:
        """Hold this worker's turn on a table. Yields whether it had to wait for another worker.

        The lock is *tried* again and again and never waited for: a session that waits inside the server holds
        a snapshot, and the build of the worker it waits for would in turn wait for that.
        """
        key = table_oid - (1 << 32) if table_oid >= 1 << 31 else table_oid
        waited = False
        while not await self.connection.fetchval("select pg_try_advisory_lock($1, $2)", _LOCK_CLASS, key):
            waited = True
            await self.clock.sleep(random.uniform(*_TURN_POLL))  # noqa: S311 - spreads workers, guards nothing
        try:
            yield waited
        finally:
            with anyio.move_on_after(_CLEANUP_SECONDS, shield=True):
                await self.connection.execute(f"select pg_advisory_unlock({_LOCK_CLASS}, {key})")

    async def create(self, index: Index, schema: str, *, only: bool = False) -> int:
        """Build it and see that it is valid. Returns the number of attempts.

        Raises:
            BuildRefused: it cannot be built, or others stood in the way for longer than the retries last.
        """
        concurrently = self.options.concurrently and not only
        for attempt in range(1, self.options.retries + 2):
            self.emit(
                IndexBuildStarted(
                    index=index.effective_name, table=index.table, attempt=attempt, concurrently=concurrently
                )
            )
            try:
                await self._attempt(index, schema, attempt, concurrently=concurrently, only=only)
            except _PASSING as exc:
                await self._back_off(index, schema, attempt, exc)
            except asyncpg.PostgresError as exc:
                raise BuildRefused(str(exc), attempts=attempt, blockers=self.waiting_for) from exc
            else:
                return attempt
        raise AssertionError  # the last attempt returns or raises

    async def _back_off(self, index: Index, schema: str, attempt: int, exc: asyncpg.PostgresError) -> None:
        if attempt > self.options.retries:
            names = "; ".join(map(str, self.waiting_for)) or "sessions that were gone when looked for"
            if not await self.drop_leftover(schema, index.effective_name, index.table):
                names += f"; the invalid {index.effective_name} is left, and the next run rebuilds it"
            reason = f"{exc} after {attempt} attempts; it waited for {names}"
            raise BuildRefused(reason, attempts=attempt, blockers=self.waiting_for) from exc
        delay = min(10.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        self.emit(
            IndexBuildRetried(
                index=index.effective_name, table=index.table, attempt=attempt, delay=delay, reason=str(exc)
            )
        )
        await self.clock.sleep(delay)

    async def _attempt(self, index: Index, schema: str, attempt: int, *, concurrently: bool, only: bool) -> None:
        timeout = self.options.lock_timeout * 2 ** (attempt - 1)
        if not concurrently:
            timeout = min(self.options.lock_timeout, _BLOCKING_LOCK_TIMEOUT)
        if attempt > 1 and not await self.drop_leftover(schema, index.effective_name, index.table):
            raise asyncpg.LockNotAvailableError("what the last attempt left behind could not be dropped")
        stands = False
        try:
            await self.execute(index.to_sql(concurrently=concurrently, only=only), index, timeout)
            stands = only or await self._is_valid(schema, index.effective_name)
            if not stands:
                raise BuildRefused("the server built it and left it invalid", attempts=attempt)
        finally:
            if not stands and concurrently:
                await self.drop_leftover(schema, index.effective_name, index.table)

    async def _is_valid(self, schema: str, name: str) -> bool:
        sql = "select indisvalid and indisready from pg_index where indexrelid = to_regclass($1)::oid"
        return bool(await self.connection.fetchval(sql, qualified(schema, name)))

    async def execute(self, sql: str, index: Index, lock_timeout: float) -> None:
        """Run one statement outside any transaction, and remember whom it waited for."""
        await self.connection.execute(f"set lock_timeout = {max(1, round(lock_timeout * 1000))}")
        await self.connection.execute("set statement_timeout = 0")
        watcher = Watcher(self.connect, lambda seen: self._told(index, seen), lock_timeout=lock_timeout)
        refused: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(watcher.follow, self.connection.get_server_pid())
            try:
                await self.connection.execute(sql)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as exc:
                refused = exc  # raised below: inside the group it would come out as an ExceptionGroup
            finally:
                watcher.stop.set()
        if refused is not None:
            raise refused

    def _told(self, index: Index, seen: tuple[Blocker, ...]) -> None:
        self.waiting_for = seen
        self.emit(
            IndexBuildWaiting(
                index=index.effective_name,
                table=index.table,
                pids=tuple(blocker.pid for blocker in seen),
                ours=any(blocker.ours for blocker in seen),
            )
        )

    async def drop_leftover(self, schema: str, name: str, table: str) -> bool:
        """Drop an invalid index of that name, even while being cancelled. Leaves a valid one alone.

        Returns whether none is left. When others are in the way for long it stays, invalid, and the next
        attempt or the next `ensure` mends it.
        """
        gone = False
        with anyio.move_on_after(_CLEANUP_SECONDS, shield=True):
            try:
                if await self.connection.fetchval(_LEFTOVER, qualified(schema, name)):
                    timeout = min(self.options.lock_timeout, _CLEANUP_LOCK_TIMEOUT)
                    await self.connection.execute(f"set lock_timeout = {max(1, round(timeout * 1000))}")
                    await self.connection.execute(f"drop index concurrently {qualified(schema, name)}")
                    self.emit(IndexLeftoverDropped(index=name, table=table))
                gone = True
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                gone = False
        return gone

    async def drop(self, index: CatalogIndex, lock_timeout: float) -> None:
        """Drop an index without blocking writers; a partitioned one, which cannot be, briefly.

        Raises:
            IndexBuildFailed: it backs a constraint, or the server refuses.
        """
        if index.protected is not None:
            raise IndexBuildFailed(f"{index.qualified} is not dropped: {index.protected}")
        concurrently = self.options.concurrently and not index.partitioned
        timeout = lock_timeout if concurrently else min(lock_timeout, _BLOCKING_LOCK_TIMEOUT)
        word = "concurrently " if concurrently else ""
        await self.connection.execute(f"set lock_timeout = {max(1, round(timeout * 1000))}")
        await self.connection.execute(f"drop index {word}if exists {qualified(index.schema, index.name)}")


_LEFTOVER = """
select not indisvalid and not exists (
    select from pg_stat_progress_create_index p where p.index_relid = indexrelid and p.pid <> pg_backend_pid()
) from pg_index where indexrelid = to_regclass($1)::oid
"""


def qualified(schema: str, name: str) -> str:
    """Schema and name as SQL."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"
