"""Runs migrations in a scratch database on a real server, and watches: locks, rewrites, scans.

A database and not a schema, so that a statement which names a schema cannot reach what is real.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from backstay.errors import MigrationFailed, MigrationUnavailable

from .files import Migration, Script
from .model import Direction
from .postgres_session import StepConnection
from .python_step import load_step
from .splitting import Statement
from .sql import text
from .statements import runs_outside_transaction
from .trace import STRONG, Observed

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    _Relations = dict[int, asyncpg.Record]


async def trace(url: str, migrations: Sequence[Migration], *, watched: Collection[str]) -> list[Observed]:
    """Run migrations, from the first one on, in a database that is made for it beside `url` and dropped after.

    Args:
        url: A database on the server, as a user that may create databases.
        migrations: All of them, in order: those before are needed for the tables they make.
        watched: The ids of those whose statements are looked at.

    Raises:
        MigrationFailed: a statement failed; names file, line and column.
        MigrationUnavailable: the server cannot be reached, or refuses to make a database.
    """
    async with _scratch(url) as connection:
        observed: list[Observed] = []
        for migration in migrations:
            watch = _Watch(connection, migration.up) if migration.id in watched else None
            try:
                await _run(connection, migration, watch)
            except asyncpg.PostgresError as exc:
                raise MigrationFailed(f"{migration.up.name}: in the scratch database: {exc}") from exc
            observed += watch.observed if watch else ()
        return observed


async def _run(connection: Connection, migration: Migration, watch: _Watch | None) -> None:
    script = migration.up
    if script.is_python:
        step = load_step(script, Direction.UP)
        async with connection.transaction():
            await step(StepConnection(connection))
    elif not script.in_transaction():
        for statement in script.statements:
            await _alone(connection, statement, watch)
    elif watch is None:
        async with connection.transaction():
            await connection.execute(script.text)
    else:
        async with connection.transaction():
            before = await watch.begin()
            for statement in script.statements:
                before = await watch.execute(statement, before)


async def _alone(connection: Connection, statement: Statement, watch: _Watch | None) -> None:
    if watch is None or runs_outside_transaction(statement):
        await connection.execute(statement.text)  # those that must be outside take no strong lock for long
        return
    async with connection.transaction():
        await watch.execute(statement, await watch.begin())


class _Watch:
    """Looks before and after each statement of one file."""

    def __init__(self, connection: Connection, script: Script) -> None:
        self._connection = connection
        self._script = script
        self._old: frozenset[int] = frozenset()
        self.observed: list[Observed] = []

    async def begin(self) -> _Relations:
        """What there is when a transaction begins: what it creates itself, nobody else waits for."""
        found = await self._look()
        self._old = frozenset(found)
        return found

    async def execute(self, statement: Statement, before: _Relations) -> _Relations:
        """Run it; what there is after it."""
        await self._connection.execute(statement.text)
        after = await self._look()
        both = [(before[id_], after[id_]) for id_ in after if id_ in self._old and id_ in before]
        held = {new["id"]: sorted(STRONG & set(new["locks"])) for _, new in both}
        self.observed.append(
            Observed(
                file=self._script.name,
                line=statement.line,
                column=statement.column,
                sql=statement.text,
                allow=self._script.directives.allow,
                locks=tuple(f"{mode} on {new['name']}" for _, new in both for mode in held[new["id"]]),
                rewritten=tuple(new["name"] for old, new in both if old["storage"] != new["storage"]),
                scanned=tuple(
                    new["name"]
                    for old, new in both
                    if new["is_table"] and new["scans"] > old["scans"] and held[new["id"]]
                ),
            )
        )
        return after

    async def _look(self) -> _Relations:
        return {row["id"]: row for row in await self._connection.fetch(text("postgres_trace"))}


@asynccontextmanager
async def _scratch(url: str) -> AsyncGenerator[Connection]:
    plain = url.replace("postgresql+asyncpg://", "postgresql://", 1)
    name = f"backstay_trace_{secrets.token_hex(6)}"
    try:
        admin = await asyncpg.connect(plain)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise MigrationUnavailable(f"no server for a scratch database: {exc}") from exc
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
        connection = await asyncpg.connect(plain, database=name, statement_cache_size=0)
        try:
            yield connection
        finally:
            await connection.close()
    except asyncpg.InsufficientPrivilegeError as exc:
        raise MigrationUnavailable(f"a scratch database cannot be made: {exc}") from exc
    finally:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.close()
