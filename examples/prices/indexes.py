"""The indexes that the service wants beyond those of its migrations, and the call that makes them stand."""

from __future__ import annotations

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from backstay import Index, create_all_indexes
from backstay.indexes import EnsureReport

WANTED = (Index("users", "created_at desc", name="users_newest"),)
"""The newest users first: what an administrator looks at."""

_DRIVERS = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}


async def create_indexes(database_url: str) -> EnsureReport:
    """Build what is missing, without blocking writers. Every worker may call it at start; one of them builds."""
    url = make_url(database_url)
    engine = create_async_engine(url.set(drivername=_DRIVERS[url.get_backend_name()]))
    try:
        return await create_all_indexes(engine, WANTED)
    finally:
        await engine.dispose()
