"""Template databases on PostgreSQL: made once for each version of their content, and cloned."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

_LOCK = "SELECT pg_advisory_lock(hashtext($1))"


async def template(server: str, label: str, version: str, fill: Callable[[str], Awaitable[None]]) -> str:
    """The template of that label and version; made, filled and taken for complete if there is none yet."""
    name = f"backstay_template_{label}_{version}"
    async with _administering(server) as connection:
        await connection.execute(_LOCK, f"backstay_template_{label}")
        made = "SELECT datname FROM pg_database WHERE datname LIKE $1 AND datistemplate"
        kept = [row["datname"] for row in await connection.fetch(made, f"backstay\\_template\\_{label}\\_%")]
        if name in kept:
            return name
        for old in kept:
            await connection.execute(f'ALTER DATABASE "{old}" IS_TEMPLATE false')
            await connection.execute(f'DROP DATABASE "{old}"')
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')  # half filled: its maker died
        await connection.execute(f'CREATE DATABASE "{name}"')
        await fill(_url(server, name))
        await connection.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true')
    return name


async def cloned(server: str, template_name: str, name: str) -> str:
    """A new database like the template; its URL."""
    async with _administering(server) as connection:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template_name}"')
    return _url(server, name)


async def dropped(server: str, name: str) -> None:
    """The database is gone, and whoever was connected to it with it."""
    async with _administering(server) as connection:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@asynccontextmanager
async def _administering(server: str) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(server.replace("postgresql+asyncpg://", "postgresql://", 1))
    try:
        yield connection
    finally:
        await connection.close()


def _url(server: str, database: str) -> str:
    return f"{server.rpartition('/')[0]}/{database}"
