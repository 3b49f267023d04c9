"""`PostgresIndexPlanner`: the protocol's calls, each on a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from backstay.clock import Clock, SystemClock
from backstay.errors import IndexBuildFailed
from backstay.events import Emitter
from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.declared import Index, quote_identifier
from backstay.indexes.health import HealthReport
from backstay.indexes.protocol import (
    BuildProgress,
    EnsureOptions,
    EnsureReport,
    IndexDiff,
    IndexPlanner,
    SupportsProgress,
)
from backstay.secret import Secret

from .blockers import read_progress
from .builder import Builder, qualified
from .connect import Connect, Connection, Pool, connect_dsn, connect_pool, translated
from .definitions import HURRIED, UNHURRIED, read_catalog, read_diff
from .ensure import EnsureRun
from .health import read_health

# A size is read under a lock, which a session that rewrites the table may keep for hours.
READING = "set jit = off; set lock_timeout = '5s'"


class PostgresIndexPlanner:
    """Plans and builds indexes on PostgreSQL 13 and later.

    Each call opens a connection of its own, and `ensure` a second one while it builds, to see whom it waits
    for. Not promised: anything through a proxy that pools transactions (PgBouncer in transaction mode); a
    build and its turn among workers belong to one session.
    """

    def __init__(self, connect: Connect, *, clock: Clock | None = None, emitter: Emitter | None = None) -> None:
        """`connect` opens connections; see `from_dsn` and `from_pool` for the usual ones."""
        self._connect = connect
        self._clock = clock or SystemClock()
        self._emit = emitter or Emitter()

    @classmethod
    def from_dsn(
        cls, dsn: str | Secret, *, clock: Clock | None = None, emitter: Emitter | None = None
    ) -> PostgresIndexPlanner:
        """A planner on connections that it opens and closes itself."""
        return cls(connect_dsn(dsn), clock=clock, emitter=emitter)

    @classmethod
    def from_pool(
        cls, pool: Pool, *, clock: Clock | None = None, emitter: Emitter | None = None
    ) -> PostgresIndexPlanner:
        """A planner that borrows from an asyncpg pool, which must have two connections to spare."""
        return cls(connect_pool(pool), clock=clock, emitter=emitter)

    @property
    def connect(self) -> Connect:
        """How it opens connections."""
        return self._connect

    @asynccontextmanager
    async def _session(self, doing: str) -> AsyncGenerator[Connection]:
        with translated(doing):
            async with self._connect() as connection:
                try:
                    yield connection
                finally:
                    if not connection.is_closed():
                        await connection.execute(HURRIED)

    async def diff(self, wanted: Iterable[Index], /) -> IndexDiff:
        """Compare with the catalogue, in three round trips. See `IndexPlanner.diff`."""
        async with self._session("comparing indexes") as connection:
            return await read_diff(connection, tuple(wanted))

    async def ensure(self, wanted: Iterable[Index], /, *, options: EnsureOptions | None = None) -> EnsureReport:
        """Make the catalogue contain `wanted`. See `IndexPlanner.ensure`."""
        options = options or EnsureOptions()
        async with self._session("building indexes") as connection:
            return await self._run(connection, options).settle_all(tuple(wanted))

    def _run(self, connection: Connection, options: EnsureOptions) -> EnsureRun:
        builder = Builder(
            connection=connection, connect=self._connect, clock=self._clock, emit=self._emit, options=options
        )
        return EnsureRun(builder=builder, clock=self._clock, emit=self._emit, options=options)

    async def drop(self, names: Iterable[str], /, *, lock_timeout: float = 5.0) -> tuple[str, ...]:
        """Drop by ``name`` or ``schema.name``. See `IndexPlanner.drop`.

        A bare name that several schemas have means the one on the search path.
        """
        undo: list[str] = []
        async with self._session("dropping indexes") as connection:
            builder = self._run(connection, EnsureOptions(lock_timeout=lock_timeout)).builder
            existing = await self._indexes(connection)
            await connection.execute(UNHURRIED)
            for name in dict.fromkeys(names):
                index = await _meant(connection, name, existing)
                if index is None:
                    continue
                try:
                    await builder.drop(index, lock_timeout)
                except asyncpg.PostgresError as exc:
                    waited = f"; it waited for {builder.names()}" if builder.waiting_for else ""
                    raise IndexBuildFailed(f"{index.qualified} could not be dropped: {exc}{waited}") from exc
                undo.append(index.ddl)
        return tuple(undo)

    async def indexes(self) -> tuple[CatalogIndex, ...]:
        """Every index of the user's tables."""
        async with self._session("reading the catalogue") as connection:
            return await self._indexes(connection)

    async def _indexes(self, connection: Connection) -> tuple[CatalogIndex, ...]:
        await connection.execute(READING)
        return await read_catalog(connection)

    async def health(
        self, *, min_stats_age: timedelta = timedelta(days=14), replicas: Sequence[str] = ()
    ) -> HealthReport:
        """Judge every index of the user's tables. See `IndexPlanner.health`."""
        async with self._session("reading the health of indexes") as connection:
            await connection.execute(READING)
            return await read_health(connection, self._clock.now(), min_stats_age, replicas)

    async def progress(self, *, interval: float = 0.5) -> AsyncGenerator[tuple[BuildProgress, ...]]:
        """The builds in flight in this database, every `interval` seconds, until there are none."""
        async with self._session("reading the progress of builds") as connection:
            while builds := await read_progress(connection):
                yield builds
                await self._clock.sleep(interval)


async def _meant(connection: Connection, name: str, existing: Iterable[CatalogIndex]) -> CatalogIndex | None:
    """The index of that name, bare or after its schema.

    Raises:
        IndexBuildFailed: several schemas outside the search path have it.
    """
    found = [index for index in existing if name in (index.name, index.qualified)]
    if len(found) > 1:
        oid = await connection.fetchval("select to_regclass($1)::oid", quote_identifier(name))
        found = [index for index in found if index.oid == oid] or found
    if len(found) > 1:
        places = ", ".join(qualified(index.schema, index.name) for index in found)
        raise IndexBuildFailed(f"{name} is not dropped: it could be any of {places}; name its schema")
    return found[0] if found else None


if TYPE_CHECKING:
    _planner: type[IndexPlanner] = PostgresIndexPlanner
    _progress: type[SupportsProgress] = PostgresIndexPlanner
