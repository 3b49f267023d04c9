"""Connections to PostgreSQL, opened by us or lent by an engine, and queries that a pooler cannot tear apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from backstay.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    Connection = asyncpg.Connection[asyncpg.Record]


@asynccontextmanager
async def from_dsn(dsn: Secret, application: str) -> AsyncGenerator[Connection]:
    """A connection of our own, to which the server knows us as `application`."""
    url = dsn.reveal().replace("postgresql+asyncpg://", "postgresql://", 1)
    # No statement cache: behind a pooler the next transaction may be on another server connection.
    connection = await asyncpg.connect(
        url, statement_cache_size=0, server_settings={"application_name": application}, timeout=30
    )
    try:
        yield connection
    finally:
        await _end(connection)


@asynccontextmanager
async def from_engine(
    engine: AsyncEngine, application: str, run_sync: dict[Connection, Any]
) -> AsyncGenerator[Connection]:
    """The driver's connection behind one of an engine's; `run_sync` learns how to run synchronous code on it."""
    async with engine.connect() as checked_out:
        # Transactions are begun and ended by the session, on the driver's connection.
        await checked_out.execution_options(isolation_level="AUTOCOMMIT")
        raw: Any = (await checked_out.get_raw_connection()).driver_connection
        await raw.execute(f"SET application_name = '{application}'")
        run_sync[raw] = checked_out.run_sync
        try:
            yield raw
        finally:
            del run_sync[raw]
            # Settings were changed and a step may stand half-way: the pool must not get this one back.
            await _end(raw)
            await checked_out.invalidate()


async def _end(connection: Connection) -> None:
    """Close, and wait for the server to hear of it: after a cancellation its statement would else run on."""
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        await _close(connection)
        return
    # Loaded only now: it takes as long as all the rest of a start that finds nothing to do.
    import anyio

    with anyio.CancelScope(shield=True):
        await _close(connection)


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


async def query(connection: Connection, sql: str, *args: object) -> list[asyncpg.Record]:
    """Rows, read in a transaction: behind a pooler, parse and execute must meet the same server."""
    if connection.is_in_transaction():
        return await connection.fetch(sql, *args)
    async with connection.transaction():
        return await connection.fetch(sql, *args)
