"""Wanted indexes in the server's own words: built on empty clones in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import anyio
import asyncpg

from backstay.errors import InvalidIndex
from backstay.indexes.catalog import CatalogIndex, read_indexes
from backstay.indexes.comparison import difference
from backstay.indexes.declared import Index, quote_identifier
from backstay.indexes.protocol import IndexDiff
from backstay.indexes.statements import statement
from backstay.indexes.tokens import tokenize

from .connect import Connection

T = TypeVar("T")

_CLONE = "backstay_clone_"
_LOCK_TIMEOUT = 5.0
_READINGS = 5
# What a role or a database may have set for its requests, and what would end a build in the middle or a session
# while it waits for its turn. Some of them are younger than PostgreSQL 13.
_TIMEOUTS = (
    "'statement_timeout', 'transaction_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout'"
)
_EACH = f"from pg_settings where name in ({_TIMEOUTS})"
UNHURRIED = f"set jit = off; select set_config(name, '0', false) {_EACH}"
HURRIED = f"reset lock_timeout; reset jit; select set_config(name, reset_val, false) {_EACH}"


def clone_script(wanted: Sequence[Index], lock_timeout: float = _LOCK_TIMEOUT) -> str:
    """One script that makes an empty clone of each table and builds each wanted index on its clone.

    The clones are temporary tables: nothing locks the real ones beyond a moment of ACCESS SHARE. Each has the
    name of its table until its indexes are built, if an expression names that (``lower(users.email)``).
    """
    tables: dict[str, list[tuple[int, Index]]] = {}
    for number, index in enumerate(wanted):
        tables.setdefault(index.qualified_table, []).append((number, index))
    # Compiling the catalogue query took the server two seconds, running it some milliseconds: hence no JIT.
    lines = ["begin", f"set local lock_timeout = {max(1, round(lock_timeout * 1000))}", "set local jit = off"]
    lines += ["set local statement_timeout = 0", "set local idle_in_transaction_session_timeout = 0"]
    for place, (table, indexes) in enumerate(tables.items()):
        named = any(_names_table(index) for _, index in indexes)
        clone = quote_identifier(indexes[0][1].table) if named else f"{_CLONE}{place}"
        lines.append(f"create temporary table {clone} (like {table}) on commit drop")
        for number, index in indexes:
            unique = "unique " if index.unique else ""
            lines.append(f"create {unique}index {_CLONE}index_{number} on pg_temp.{clone} {index.body_sql()}")
        if named:
            lines.append(f"alter table pg_temp.{clone} rename to {_CLONE}{place}")
    return ";\n".join(lines)


def _names_table(index: Index) -> bool:
    texts = [key.expression for key in index.keys] + [index.where]
    return any(token.is_name and token.value == index.table for text in texts if text for token in tokenize(text))


async def read_diff(
    connection: Connection, wanted: Sequence[Index], *, lock_timeout: float = _LOCK_TIMEOUT
) -> IndexDiff:
    """Compare with the catalogue in three round trips: build clones, read both sides, roll back.

    Raises:
        InvalidIndex: a definition that its table cannot have.
    """
    if not wanted:
        return IndexDiff(comparisons=())
    return await rereading(lambda: _read_diff(connection, wanted, lock_timeout))


async def rereading(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` finds in the catalogue, read again where an index was dropped under its eyes.

    The server deparses indexes that a statement's snapshot still has and that are gone by then; it calls that an
    internal error ("cache lookup failed").
    """
    for _ in range(_READINGS - 1):
        with suppress(asyncpg.InternalServerError):
            return await read()
    return await read()


async def _read_diff(connection: Connection, wanted: Sequence[Index], lock_timeout: float) -> IndexDiff:
    tables = list(dict.fromkeys(index.qualified_table for index in wanted))
    refused: asyncpg.PostgresError | None = None
    rows: list[asyncpg.Record] = []
    try:
        await connection.execute(clone_script(wanted, lock_timeout))
        rows = await connection.fetch(_catalog_with_tables(), tables)
    except asyncpg.PostgresError as exc:
        if not _is_about_definition(exc):
            raise
        refused = exc
    finally:
        with anyio.CancelScope(shield=True):
            if not connection.is_closed():
                await connection.execute("rollback")
    if refused is not None:
        raise await _blame(connection, wanted, refused)
    return _assemble(wanted, tables, rows)


async def read_catalog(connection: Connection, tables: Sequence[str] | None = None) -> tuple[CatalogIndex, ...]:
    """The indexes of these tables (as SQL), or of all of the user's."""
    return read_indexes(await rereading(lambda: connection.fetch(statement("catalog"), tables)))


async def read_named(connection: Connection, table: str, name: str) -> CatalogIndex | None:
    """The index of that name on a table (as SQL), or None: also if it is another table's."""
    found = await read_catalog(connection, [table])
    return next((index for index in found if index.name == name and not index.table.startswith(_CLONE)), None)


def _catalog_with_tables() -> str:
    # Which of the requested spellings a row belongs to; the catalogue alone cannot tell "public"."t" from
    # "t".
    inner = statement("catalog").rstrip()
    asked = "array(select x from unnest($1::text[]) as x where to_regclass(x)::oid = q.table_oid)"
    return f"select q.*, {asked} as asked from ({inner}) as q"  # noqa: S608 - both parts are constants of ours


def _assemble(wanted: Sequence[Index], tables: list[str], rows: Sequence[asyncpg.Record]) -> IndexDiff:
    clones: dict[str, CatalogIndex] = {}
    existing: dict[str, list[CatalogIndex]] = {table: [] for table in tables}
    standing = [row for row in rows if row["ddl"] is not None]
    for row, index in zip(standing, read_indexes(standing), strict=True):
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
