"""What SQLAlchemy metadata would make of a database: made for real where nobody sees it, and read back.

So that types, defaults and expressions are put in the database's own words on both sides, and nothing has to be
known here about how SQLAlchemy spells them.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from backstay.errors import MigrationUnavailable, MissingExtraError

try:
    from sqlalchemy import MetaData, create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
except ModuleNotFoundError as exc:
    raise MissingExtraError("postgres", "comparing with SQLAlchemy metadata") from exc

from .drift import Drift, compare_declared
from .snapshot import OWN_TABLES, Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection

_SHADOW = "backstay_shadow"


async def metadata_drift(metadata: MetaData, url: str, *, ignore: Collection[str] = ()) -> tuple[Drift, ...]:
    """How the database at `url` differs from the metadata in tables, columns, constraints, indexes and types.

    On PostgreSQL the metadata is made in schemas that live only in a transaction which is rolled back: it takes the
    right to create a schema, and no lock on anything that is there. For SQLite it is made in memory.

    Args:
        metadata: What the application declares.
        url: ``postgresql://…`` or ``sqlite:///path``.
        ignore: Tables that are nobody's business here, as patterns; those of migration tools always are.

    Raises:
        MigrationUnavailable: the database cannot be reached, or does not let the metadata be made.
    """
    read = _on_sqlite if url.startswith("sqlite") else _on_postgres
    expected, found = await read(metadata, url)
    ignored = (*OWN_TABLES, *ignore)
    return compare_declared(expected.without(ignored), found.without(ignored))


async def _on_postgres(metadata: MetaData, url: str) -> tuple[Snapshot, Snapshot]:
    engine = create_async_engine(_with_driver(url))
    try:
        async with engine.connect() as connection:
            try:
                return await _made_and_read(metadata, connection)
            finally:
                await connection.rollback()
    except (SQLAlchemyError, OSError) as exc:
        raise MigrationUnavailable(f"the metadata could not be made beside the database: {exc}") from exc
    finally:
        await engine.dispose()


async def _made_and_read(metadata: MetaData, connection: AsyncConnection) -> tuple[Snapshot, Snapshot]:
    from .postgres_snapshot import read_snapshot

    home = (await connection.execute(text("SELECT current_schema()"))).scalar_one()
    names = {table.schema or home for table in metadata.tables.values()} | {home}
    shadows = {name: f"{_SHADOW}_{number}" for number, name in enumerate(sorted(names))}
    driver: Any = (await connection.get_raw_connection()).driver_connection
    found = await read_snapshot(driver, sorted(names))
    for shadow in shadows.values():
        await connection.execute(text(f"CREATE SCHEMA {shadow}"))
    # The real home stays findable behind its shadow: types of extensions live there.
    await connection.execute(text(f'SET LOCAL search_path = {shadows[home]}, "{home}"'))
    translated: dict[str | None, str] = {None: shadows[home], **shadows}
    shadowed = await connection.execution_options(schema_translate_map=translated)
    await shadowed.run_sync(metadata.create_all, checkfirst=False)
    called = {shadow: name for name, shadow in shadows.items()}
    return await read_snapshot(driver, sorted(called), called=called), found


async def _on_sqlite(metadata: MetaData, url: str) -> tuple[Snapshot, Snapshot]:
    from .sqlite import SqliteDatabase
    from .sqlite_snapshot import read_snapshot

    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            metadata.create_all(connection)
            made = connection.connection.driver_connection
            assert isinstance(made, sqlite3.Connection)  # noqa: S101 - what the engine above was asked for
            return read_snapshot(made), await SqliteDatabase(url).snapshot()
    finally:
        engine.dispose()


def _with_driver(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"postgresql+asyncpg://{rest}" if scheme in ("postgresql", "postgres") else url
