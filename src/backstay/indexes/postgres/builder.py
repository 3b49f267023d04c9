"""Making one index stand: the turn among workers, the build, its retries, and the mending of leftovers.

Why it is not simply ``CREATE INDEX CONCURRENTLY IF NOT EXISTS``: a concurrent build that fails, is cancelled,
or loses its server leaves an *invalid* index of that name behind, which slows every write, serves no query,
and would be accepted by the next ``IF NOT EXISTS``.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

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
from backstay.indexes.protocol import Blocker, Comparison, EnsureOptions, IndexDiff, Status

from .blockers import LOCK_CLASS, Watcher, read_holders
from .connect import Connect, Connection
from .definitions import read_diff, read_named

T = TypeVar("T")

_TURN_POLL = (0.05, 0.25)
_TURN_PATIENCE = 1.0
_CLEANUP_SECONDS = 30.0
_CLEANUP_LOCK_TIMEOUT = 2.0
# What a statement that *does* block writers may wait for its lock: they queue behind it.
_BLOCKING_LOCK_TIMEOUT = 0.8
_BLOCKING_SECONDS = 0.95  # and how long all of it may take
_PASSING = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


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
    told_of: frozenset[int] = field(default=frozenset())

    @asynccontextmanager
    async def turn(self, table_oid: int, name: str, table: str) -> AsyncGenerator[None]:
        """Hold this worker's turn on a table, for the sake of the index of that name.

        The lock is *tried* again and again and never waited for: a session that waits inside the server holds
        a snapshot, and the build of the worker it waits for would in turn wait for that.
        """
        key = table_oid - (1 << 32) if table_oid >= 1 << 31 else table_oid
        began = self.clock.monotonic()
        while not await self.connection.fetchval("select pg_try_advisory_lock($1, $2)", LOCK_CLASS, key):
            await self._see_holders(table_oid, name, table, began)
            await self.clock.sleep(random.uniform(*_TURN_POLL))  # noqa: S311 - spreads workers, guards nothing
        self.forget()
        try:
            yield
        finally:
            with anyio.move_on_after(_CLEANUP_SECONDS, shield=True), suppress(*REFUSALS):
                # A session that is gone has given up its turn, and what ended it is being raised.
                await self.connection.execute(f"select pg_advisory_unlock({LOCK_CLASS}, {key})")

    async def _see_holders(self, table_oid: int, name: str, table: str, since: float) -> None:
        """Remember who keeps the table, and tell it when they have become others.

        Not before they have kept it for a while: workers who take turns at a start are nothing to be warned of.
        """
        self.waiting_for = await read_holders(self.connection, table_oid)
        pids = frozenset(blocker.pid for blocker in self.waiting_for)
        if pids != self.told_of and self.clock.monotonic() - since >= _TURN_PATIENCE:
            self.told_of = pids
            self._told(name, table, self.waiting_for)

    async def compare(self, index: Index) -> Comparison:
        """One index beside the catalogue, once nobody else is building it."""
        began = self.clock.monotonic()
        while True:
            (comparison,) = (await read_diff(self.connection, [index])).comparisons
            if comparison.status is not Status.IN_PROGRESS or comparison.found is None:
                return comparison
            await self._see_holders(comparison.found.table_oid, index.effective_name, index.table, began)
            await self.clock.sleep(0.25)

    async def compare_all(self, wanted: Sequence[Index]) -> IndexDiff:
        """All indexes beside the catalogue, outlasting a session that holds a table exclusively.

        Raises:
            BuildRefused: it holds it for longer than the retries last.
        """
        if not wanted:
            return IndexDiff(comparisons=())
        for attempt in range(1, self.options.retries + 2):
            timeout = self.options.lock_timeout * 2 ** (attempt - 1)  # a wait for ACCESS SHARE blocks nobody
            try:
                reading = read_diff(self.connection, wanted, lock_timeout=timeout)
                return await self._watched(reading, wanted[0].effective_name, wanted[0].table, timeout)
            except _PASSING as exc:
                if attempt > self.options.retries:
                    reason = f"its table could not be read: {exc}; it waited for {self.names()}"
                    raise BuildRefused(reason, attempts=attempt, blockers=self.waiting_for) from exc
        raise AssertionError  # the last attempt returns or raises

    def forget(self) -> None:
        """Begin something new: whom the last step waited for is no matter."""
        self.waiting_for, self.told_of = (), frozenset()

    def names(self) -> str:
        """Whom it waited for, in words."""
        return "; ".join(map(str, self.waiting_for)) or "sessions that were gone when looked for"

    async def create(self, index: Index, schema: str, *, only: bool = False, gathering: bool = False) -> int:
        """Build it and see that it is valid. Returns the number of attempts.

        `only` makes it on a partitioned table without parts; `gathering` makes it of parts that stand already, and
        gives up rather than build one while writers wait.

        Raises:
            BuildRefused: it cannot be built, or others stood in the way for longer than the retries last.
        """
        concurrently = self.options.concurrently and not only and not gathering
        for attempt in range(1, self.options.retries + 2):
            self.emit(
                IndexBuildStarted(
                    index=index.effective_name, table=index.table, attempt=attempt, concurrently=concurrently
                )
            )
            try:
                limit = _BLOCKING_SECONDS if gathering and self.options.concurrently else 0.0
                await self._attempt(index, schema, attempt, concurrently=concurrently, only=only, limit=limit)
            except _PASSING as exc:
                await self._back_off(index, schema, attempt, exc)
            except REFUSALS as exc:
                raise BuildRefused(refusal(exc, index), attempts=attempt, blockers=self.waiting_for) from exc
            else:
                return attempt
        raise AssertionError  # the last attempt returns or raises

    async def _back_off(self, index: Index, schema: str, attempt: int, exc: asyncpg.PostgresError) -> None:
        if attempt > self.options.retries:
            names = self.names()
            if not await self.drop_leftover(schema, index.effective_name, index):
                names += f"; the invalid {index.effective_name} is left, and the next run rebuilds it"
            reason = f"{exc} after {attempt} attempts; it waited for {names}"
            raise BuildRefused(reason, attempts=attempt, blockers=self.waiting_for) from exc
        delay = _delay(attempt)
        self.emit(
            IndexBuildRetried(
                index=index.effective_name, table=index.table, attempt=attempt, delay=delay, reason=str(exc)
            )
        )
        await self.clock.sleep(delay)

    async def _attempt(
        self, index: Index, schema: str, attempt: int, *, concurrently: bool, only: bool, limit: float
    ) -> None:
        timeout = self.options.lock_timeout * 2 ** (attempt - 1)
        if not concurrently:
            timeout = min(self.options.lock_timeout, _BLOCKING_LOCK_TIMEOUT)
        if attempt > 1 and not await self.drop_leftover(schema, index.effective_name, index):
            raise asyncpg.LockNotAvailableError("what the last attempt left behind could not be dropped")
        stands = False
        try:
            sql = index.to_sql(concurrently=concurrently, only=only)
            await self.execute(sql, index.effective_name, index.table, timeout, limit=limit)
            stands = only or await self._is_valid(schema, index.effective_name)
            if not stands:
                raise BuildRefused("the server built it and left it invalid", attempts=attempt)
        finally:
            if not stands and concurrently:
                await self.drop_leftover(schema, index.effective_name, index)

    async def _is_valid(self, schema: str, name: str) -> bool:
        sql = "select indisvalid and indisready from pg_index where indexrelid = to_regclass($1)::oid"
        return bool(await self.connection.fetchval(sql, qualified(schema, name)))

    async def execute(self, sql: str, index: str, table: str, lock_timeout: float, *, limit: float = 0.0) -> None:
        """Run one statement outside any transaction and remember whom it waited for. No `limit` (seconds) is 0."""
        await self.connection.execute(f"set lock_timeout = {max(1, round(lock_timeout * 1000))}")
        await self.connection.execute(f"set statement_timeout = {round(limit * 1000)}")
        await self._watched(self.connection.execute(sql), index, table, lock_timeout)

    async def _watched(self, work: Awaitable[T], index: str, table: str, lock_timeout: float) -> T:
        watcher = Watcher(self.connect, lambda seen: self._told(index, table, seen), lock_timeout=lock_timeout)
        refused: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(watcher.follow, self.connection.get_server_pid())
            try:
                return await work
            except Exception as exc:  # noqa: BLE001 - raised below: here it would come out as an ExceptionGroup
                refused = exc
            finally:
                watcher.stop.set()
        if refused is None:
            raise AssertionError  # then it had returned
        raise refused

    def _told(self, index: str, table: str, seen: tuple[Blocker, ...]) -> None:
        self.waiting_for = seen
        if seen:
            pids, ours = tuple(blocker.pid for blocker in seen), any(blocker.ours for blocker in seen)
            self.emit(IndexBuildWaiting(index=index, table=table, pids=pids, ours=ours))

    async def drop_leftover(self, schema: str, name: str, index: Index) -> bool:
        """Drop an invalid index of that name on the table of `index`, even while being cancelled.

        A valid one is left alone, and so is what somebody builds, or what belongs to another table.

        Returns whether none is left. When others are in the way for long it stays, invalid, and the next
        attempt or the next `ensure` mends it.
        """
        gone, waited_for = False, self.waiting_for
        with anyio.move_on_after(_CLEANUP_SECONDS, shield=True):
            try:
                found = await read_named(self.connection, index.qualified_table, name)
                if found is not None and not found.valid and not found.in_progress:
                    timeout = min(self.options.lock_timeout, _CLEANUP_LOCK_TIMEOUT)
                    word = "" if found.partitioned else "concurrently "
                    await self.execute(
                        f"drop index {word}if exists {qualified(schema, name)}", name, index.table, timeout
                    )
                    self.emit(IndexLeftoverDropped(index=name, table=index.table))
                gone = True
            except REFUSALS:
                gone = False
        self.waiting_for = waited_for or self.waiting_for  # whom the build waited for is what matters
        return gone

    async def clear(self, schema: str, name: str, index: Index) -> None:
        """Drop an invalid index of that name, outlasting those who are in the way as a build does.

        Raises:
            BuildRefused: they are in the way for longer than the retries last.
        """
        self.forget()
        attempt = 1
        while not await self.drop_leftover(schema, name, index):
            if attempt > self.options.retries or self.connection.is_closed():
                reason = (
                    f"the invalid {qualified(schema, name)} could not be dropped yet; it waited for {self.names()}"
                )
                raise BuildRefused(reason, attempts=attempt, blockers=self.waiting_for)
            await self.clock.sleep(_delay(attempt))
            attempt += 1

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
        sql = f"drop index {word}if exists {qualified(index.schema, index.name)}"
        await self.execute(sql, index.name, index.table, timeout)


def _delay(attempt: int) -> float:
    return float(min(10.0, 0.1 * 2**attempt)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def refusal(exc: Exception, index: Index) -> str:
    """What the server said, without the values that it quotes, and what to do where that is known."""
    said = str(exc.args[0]) if exc.args else type(exc).__name__
    if isinstance(exc, asyncpg.UniqueViolationError):
        keys = ", ".join(key.expression or quote_identifier(str(key.column)) for key in index.keys)
        where = f" where {index.where}" if index.where else ""
        query = f"select {keys}, count(*) from {index.qualified_table}{where} group by {keys} having count(*) > 1"  # noqa: S608 - it is shown, not run
        return f"{said}: rows of {index.table} share a key; find them with: {query}"
    if isinstance(exc, asyncpg.DuplicateTableError):
        return f"{said}, but not as an index of {index.table}: give this one another name"
    detail = getattr(exc, "detail", None)
    return f"{said} ({detail})" if detail else said


def qualified(schema: str, name: str) -> str:
    """Schema and name as SQL."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"
