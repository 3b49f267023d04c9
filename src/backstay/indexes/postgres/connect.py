"""Ways to a PostgreSQL connection of one's own, and the wrapping of what the driver raises."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from backstay.errors import BackstayError, IndexServerUnavailable, MissingExtraError
from backstay.secret import Secret

try:
    import asyncpg
except ImportError as exc:
    raise MissingExtraError("postgres", "the PostgreSQL index planner") from exc

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a connection that nobody else uses for as long as the block lasts, outside any transaction."""


def connect_dsn(dsn: str | Secret) -> Connect:
    """Connections opened from a connection string and closed after use."""
    secret = dsn if isinstance(dsn, Secret) else Secret(dsn)

    @asynccontextmanager
    async def connect() -> AsyncGenerator[Connection]:
        with translated("connecting"):
            connection = await asyncpg.connect(secret.reveal().replace("postgresql+asyncpg://", "postgresql://", 1))
        try:
            yield connection
        finally:
            await close(connection)

    return connect


async def close(connection: Connection) -> None:
    """Close politely, also while being cancelled; whatever does not answer within two seconds is cut off."""
    with anyio.CancelScope(shield=True):
        try:
            await connection.close(timeout=2.0)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()


def connect_pool(pool: Pool) -> Connect:
    """Connections borrowed from an asyncpg pool. A build keeps two of them for as long as it runs."""

    @asynccontextmanager
    async def connect() -> AsyncGenerator[Connection]:
        with translated("taking a connection from the pool"):
            proxy: Any = await pool.acquire(timeout=10.0)
        try:
            yield proxy
        finally:
            await pool.release(proxy)

    return connect


@contextmanager
def translated(doing: str) -> Generator[None]:
    """Turn what the driver raises into `IndexServerUnavailable`, naming what was being done."""
    try:
        yield
    except BackstayError:
        raise  # some of them are TimeoutErrors, and so OSErrors
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as exc:
        said = str(exc) or type(exc).__name__
        remedy = next((f"; {words}" for kind, words in _REMEDIES.items() if isinstance(exc, kind)), "")
        raise IndexServerUnavailable(f"PostgreSQL failed while {doing}: {said}{remedy}") from exc


_REMEDIES = {
    asyncpg.ReadOnlySQLTransactionError: (
        "it is a standby, or default_transaction_read_only is on: connect to the primary, as a role that may write"
    ),
    asyncpg.InsufficientPrivilegeError: (
        "comparing needs SELECT on the tables and TEMPORARY on the database, and building needs their owner"
    ),
    asyncpg.LockNotAvailableError: "another session holds a table or an index exclusively: try again later",
}
