"""Wanted indexes in the server's own words: built on empty clones in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import asyncpg

from backstay.errors import InvalidIndex
from backstay.indexes.catalog import CatalogIndex, read_indexes
from backstay.indexes.comparison import difference
from backstay.indexes.declared import Index
from backstay.indexes.protocol import IndexDiff
from backstay.indexes.statements import statement

from .connect import Connection

_CLONE = "backstay_clone_"


def clone_script(wanted: Sequence[Index]) -> str:
    """One script that makes an empty clone of each table and builds each wanted index on its clone.

    The clones are temporary tables: nothing locks the real ones beyond a moment of ACCESS SHARE.
    """
    tables = list(dict.fromkeys(index.qualified_table for index in wanted))
    # Compiling the catalogue query took the server two seconds, running it some milliseconds: hence no JIT.
    lines = ["begin", "set local lock_timeout = '5s'", "set local jit = off"]
    for number, table in enumerate(tables):
        lines.append(f"create temporary table {_CLONE}{number} (like {table}) on commit drop")
    for number, index in enumerate(wanted):
        clone = f"pg_temp.{_CLONE}{tables.index(index.qualified_table)}"
        unique = "unique " if index.unique else ""
        lines.append(f"create {unique}index {_CLONE}index_{number} on {clone} {index.body_sql()}")
    return ";\n".join(lines)


async def read_diff(connection: Connection, wanted: Sequence[Index]) -> IndexDiff:
    """Compare with the catalogue in three round trips: build clones, read both sides, roll back.

    Raises:
        InvalidIndex: a definition that its table cannot have.
    """
    if not wanted:
        return IndexDiff(comparisons=())
    tables = list(dict.fromkeys(index.qualified_table for index in wanted))
    refused: asyncpg.PostgresError | None = None
    rows: list[asyncpg.Record] = []
    try:
        await connection.execute(clone_script(wanted))
        rows = await connection.fetch(_catalog_with_tables(), tables)
    except asyncpg.PostgresError as exc:
        if not _is_about_definition(exc):
            raise
        refused = exc
    finally:
        with anyio.CancelScope(shield=True):
            await connection.execute("rollback")
    if refused is not None:
        raise await _blame(connection, wanted, refused)
    return _assemble(wanted, tables, rows)


def _catalog_with_tables() -> str:
    # Which of the requested spellings a row belongs to; the catalogue alone cannot tell "public"."t" from
    # "t".
    inner = statement("catalog").rstrip()
    asked = "array(select x from unnest($1::text[]) as x where to_regclass(x)::oid = q.table_oid)"
    return f"select q.*, {asked} as asked from ({inner}) as q"  # noqa: S608 - both parts are constants of ours


def _assemble(wanted: Sequence[Index], tables: list[str], rows: Sequence[asyncpg.Record]) -> IndexDiff:
    clones: dict[str, CatalogIndex] = {}
    existing: dict[str, list[CatalogIndex]] = {table: [] for table in tables}
    for row, index in zip(rows, read_indexes(rows), strict=True):
        if index.table.startswith(_CLONE):
            clones[index.name] = index
        for table in row["asked"]:
            existing[table].append(index)
    normalised = [clones[f"{_CLONE}index_{number}"] for number in range(len(wanted))]
    return difference(wanted, normalised, existing)


def _is_about_definition(exc: asyncpg.PostgresError) -> bool:
    # 42: syntax error or access rule violation; 0A: feature not supported; 22: data exception in an
    # expression.
    return (exc.sqlstate or "")[:2] in ("42", "0A", "22", "54") and exc.sqlstate != "42501"


async def _blame(connection: Connection, wanted: Sequence[Index], refused: asyncpg.PostgresError) -> InvalidIndex:
    """The error for the first definition that the server refuses by itself."""
    for index in wanted:
        try:
            await connection.execute(clone_script([index]))
        except asyncpg.PostgresError as exc:
            return InvalidIndex(f"the index {index.effective_name!r} on {index.table!r} is refused: {exc}")
        finally:
            with anyio.CancelScope(shield=True):
                await connection.execute("rollback")
    return InvalidIndex(f"these indexes are refused together: {refused}")
