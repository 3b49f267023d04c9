"""The snapshot of a PostgreSQL database, read from its catalogs in one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import asyncpg

from .snapshot import Item, Snapshot
from .sql import text

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_SCHEMAS = """
    SELECT coalesce(array_agg(nspname::text), '{}') FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""


async def read_snapshot(
    connection: Connection, schemas: Sequence[str] | None = None, *, called: Mapping[str, str] | None = None
) -> Snapshot:
    """The objects of `schemas`, by default of all that are no system's.

    `called` gives schemas another name in the snapshot: it is how a copy is compared with its original.
    Must be called in a transaction where a pooler stands between.
    """
    chosen = list(schemas) if schemas is not None else await connection.fetchval(_SCHEMAS)
    rows = await connection.fetch(text("postgres_snapshot"), chosen, schemas is None)
    renamed = called or {}
    items = [Item(**{key: _renamed(value, renamed) for key, value in row.items()}) for row in rows]
    return Snapshot.of(items, dialect="postgresql", server=str(connection.get_server_version().major))


def _renamed(value: str, names: Mapping[str, str]) -> str:
    for before, after in names.items():
        value = value.replace(f"{before}.", f"{after}.")
    return value
