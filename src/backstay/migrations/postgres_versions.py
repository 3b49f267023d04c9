"""`VersionLog` on PostgreSQL: a connection for each report, so that none is held between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from backstay.errors import MigrationUnavailable
from backstay.secret import Secret

from .postgres_connection import from_dsn
from .sql import text
from .versions import VersionLog

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


class PostgresVersionLog:
    """Implements `VersionLog`."""

    def __init__(self, url: str) -> None:
        self._url = Secret(url)

    async def report(self, version: str, instance: str, /) -> None:
        """Write the row anew."""
        async with self._connection() as connection:
            try:
                await connection.execute(text("postgres_versions_report"), instance, version)
            except asyncpg.UndefinedTableError:
                # Two that create it at once collide in the catalog: the lock lets one go first.
                lock = "SELECT pg_advisory_xact_lock(hashtext('backstay_versions'))"
                await connection.execute(f"BEGIN; {lock}; {text('postgres_versions_create')}; COMMIT")
                await connection.execute(text("postgres_versions_report"), instance, version)

    async def withdraw(self, instance: str, /) -> None:
        """Take the row away."""
        async with self._connection() as connection:
            await connection.execute("DELETE FROM backstay_versions WHERE instance = $1", instance)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        try:
            async with from_dsn(self._url, "backstay version") as connection:
                yield connection
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            raise MigrationUnavailable(f"the running version could not be reported: {exc}") from exc


if TYPE_CHECKING:
    _log: type[VersionLog] = PostgresVersionLog
