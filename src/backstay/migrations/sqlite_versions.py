"""`VersionLog` on an SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio.to_thread

from backstay.errors import MigrationUnavailable

from .sql import text
from .sqlite import path_of
from .versions import VersionLog


class SqliteVersionLog:
    """Implements `VersionLog`."""

    def __init__(self, url: str) -> None:
        self._path = path_of(url)

    async def report(self, version: str, instance: str, /) -> None:
        """Write the row anew."""
        await anyio.to_thread.run_sync(self._write, text("sqlite_versions_report"), (instance, version))

    async def withdraw(self, instance: str, /) -> None:
        """Take the row away."""
        await anyio.to_thread.run_sync(self._write, "DELETE FROM backstay_versions WHERE instance = ?", (instance,))

    def _write(self, sql: str, args: tuple[str, ...]) -> None:
        try:
            with closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as connection:
                connection.execute(text("sqlite_versions_create"))
                connection.execute(sql, args)
        except sqlite3.Error as exc:
            raise MigrationUnavailable(f"the running version could not be reported: {exc}") from exc


if TYPE_CHECKING:
    _log: type[VersionLog] = SqliteVersionLog
