"""SQLAlchemy: an engine as a way to connections, metadata as declarations, and the seed's call.

`create_all_indexes` is here because it takes an engine.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from backstay.clock import Clock
from backstay.errors import ConfigError, InvalidIndex, MissingExtraError
from backstay.events import Emitter

from .declared import Index, Key, declared_indexes, split_order
from .protocol import EnsureOptions, EnsureReport, IndexPlanner
from .tokens import Token, closing, tokenize
from .workload import WorkloadRecorder

try:
    from sqlalchemy import Index as SQLAlchemyIndex
    from sqlalchemy import MetaData, event
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.exc import IdentifierError
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.schema import Column
    from sqlalchemy.sql import operators
    from sqlalchemy.sql.elements import ClauseElement, TextClause, UnaryExpression
    from sqlalchemy.util import greenlet_spawn
except ImportError as exc:
    raise MissingExtraError("postgres", "create_all_indexes with a SQLAlchemy engine") from exc

if TYPE_CHECKING:
    from .postgres.connect import Connect


# -- connections
# ------------------------------------------------------------------------------------------------


def engine_connect(engine: AsyncEngine) -> Connect:
    """Driver connections made as the engine makes its own, but outside its pool.

    Outside, because a build must not wait for a connection that the application holds, nor use one that is
    inside a transaction; both have been seen to hang a start-up for ever.
    """
    if engine.dialect.driver != "asyncpg":
        raise ConfigError(f"the index planner talks to PostgreSQL through asyncpg, not {engine.dialect.driver}")

    @asynccontextmanager
    async def connect() -> AsyncGenerator[Any]:
        from .postgres.connect import close, translated

        # The same creator, arguments and connect events; a pool that lives as long as this one connection.
        pool = engine.sync_engine.pool.recreate()
        with translated("connecting"):
            borrowed = await greenlet_spawn(pool.connect)
        connection: Any = borrowed.driver_connection
        borrowed.detach()
        try:
            yield connection
        finally:
            await close(connection)

    return connect


def planner_for(engine: AsyncEngine, *, clock: Clock | None = None, emitter: Emitter | None = None) -> IndexPlanner:
    """The planner for an engine's database: PostgreSQL over asyncpg, or SQLite over aiosqlite."""
    if engine.dialect.name == "postgresql":
        from .postgres import PostgresIndexPlanner

        return PostgresIndexPlanner(engine_connect(engine), clock=clock, emitter=emitter)
    if engine.dialect.name == "sqlite":
        from .sqlite import SqliteIndexPlanner

        database = engine.url.database
        if not database or database == ":memory:":
            raise ConfigError("an in-memory SQLite has one connection; pass SqliteIndexPlanner that connection")
        return SqliteIndexPlanner(database, clock=clock, emitter=emitter)
    raise ConfigError(f"there is no index planner for {engine.dialect.name}")


async def create_all_indexes(
    engine: AsyncEngine,
    indexes: Iterable[Index] | MetaData | None = None,
    *,
    options: EnsureOptions | None = None,
    emitter: Emitter | None = None,
) -> EnsureReport:
    """Make the database have the given indexes, or every declared one when none are given.

    Builds concurrently, so that writers go on; safe to call from every worker at start. See
    `IndexPlanner.ensure` for what it raises.
    """
    if isinstance(indexes, MetaData):
        wanted = from_metadata(indexes, engine.dialect)
    else:
        wanted = tuple(declared_indexes if indexes is None else indexes)
    return await planner_for(engine, emitter=emitter).ensure(wanted, options=options)


def record_engine(engine: AsyncEngine, recorder: WorkloadRecorder) -> Callable[[], None]:
    """Record every statement that the engine runs, with its parameters and time. Returns how to stop."""

    def before(conn: Any, *_: Any) -> None:
        conn.info.setdefault("backstay_began", []).append(time.perf_counter())

    def after(conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: Any) -> None:
        seconds = time.perf_counter() - conn.info["backstay_began"].pop()
        first = parameters[0] if many and parameters else parameters
        # A dictionary belongs to a driver with named parameters, whose statements cannot be planned again
        # here.
        recorder.record(statement, () if isinstance(first, dict) else first, seconds)

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)

    def stop() -> None:
        event.remove(engine.sync_engine, "before_cursor_execute", before)
        event.remove(engine.sync_engine, "after_cursor_execute", after)

    return stop


# -- metadata
# ---------------------------------------------------------------------------------------------------


def _dialect_of(module: Any) -> Dialect:
    made: Dialect = module.dialect()
    return made


def from_metadata(metadata: MetaData, dialect: Dialect | None = None) -> tuple[Index, ...]:
    """Every `Index` of the metadata's tables, as definitions. Constraints are not indexes and are left out.

    Raises:
        InvalidIndex: one that has no definition outside SQLAlchemy (a key of no table).
    """
    using: Dialect = dialect or _dialect_of(postgresql.asyncpg)
    # Not in the order of foreign keys, which do not matter here and of which a cycle would be warned of.
    return tuple(
        _from_sqlalchemy(index, using)
        for table in sorted(metadata.tables.values(), key=lambda table: table.key)
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    )


def _from_sqlalchemy(index: SQLAlchemyIndex, dialect: Dialect) -> Index:
    if index.table is None:
        raise InvalidIndex(f"the index {index.name!r} belongs to no table")
    options: dict[str, Any] = dict(index.dialect_options[dialect.name])
    where = options.get("where")
    opclasses: dict[str, str] = options.get("ops") or {}
    return Index(
        index.table.name,
        tuple(_key(expression, opclasses, dialect) for expression in index.expressions),
        include=tuple(_stored(index.table, column) for column in options.get("include") or ()),
        where=None if where is None else _compiled(where, dialect),
        method=options.get("using") or "btree",
        unique=bool(index.unique),
        nulls_not_distinct=bool(options.get("nulls_not_distinct")),
        options=options.get("with") or {},
        name=_name(index, dialect),
        schema=index.table.schema,
    )


def _name(index: SQLAlchemyIndex, dialect: Dialect) -> str | None:
    """Its name as SQLAlchemy writes it: one made by a naming convention is cut where the server would cut it."""
    if index.name is None:
        return None
    try:
        written = dialect.identifier_preparer.format_constraint(index)
    except IdentifierError as exc:
        raise InvalidIndex(f"the name of the index {index.name!r} is refused: {exc}") from exc
    if written is not None and written.startswith('"'):
        return written[1:-1].replace('""', '"')
    return written


def _stored(table: Any, column: Any) -> str:
    """The name of an included column, which may be given by its key."""
    if isinstance(column, str):
        column = table.c.get(column, column)
    return str(getattr(column, "name", column))


_ORDER = {
    operators.desc_op: ("desc", True),
    operators.asc_op: ("desc", False),
    operators.nulls_first_op: ("nulls", "first"),
    operators.nulls_last_op: ("nulls", "last"),
}


def _modifier(expression: Any) -> Any:
    return expression.modifier if isinstance(expression, UnaryExpression) else None


def _key(element: Any, opclasses: dict[str, str], dialect: Dialect) -> Key:
    found: dict[str, Any] = {}
    expression: Any = element
    while (modifier := _modifier(expression)) in _ORDER:
        name, value = _ORDER[modifier]
        found[name] = value
        expression = expression.element
    if isinstance(expression, str):
        return Key(column=expression, **found)
    opclass = opclasses.get(getattr(expression, "key", None) or "")
    if isinstance(expression, TextClause):
        return _written_key(_compiled(expression, dialect))
    if isinstance(expression, Column):
        return Key(column=expression.name, opclass=opclass, **found)
    return Key(expression=_compiled(expression, dialect), opclass=opclass, **found)


def _compiled(clause: Any, dialect: Dialect) -> str:
    if not isinstance(clause, ClauseElement):
        return str(clause)
    options = {"literal_binds": True, "include_table": False}
    return _LITERAL.sub(_with_escapes, str(clause.compile(dialect=dialect, compile_kwargs=options)))


_LITERAL = re.compile(r"""\b[eE]'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|'(?P<plain>(?:[^']|'')*)'""", re.DOTALL)


def _with_escapes(literal: re.Match[str]) -> str:
    """A string constant whose backslashes mean themselves, in the spelling in which they do so on any server."""
    plain = literal["plain"]
    if plain is None or "\\" not in plain:
        return literal[0]
    return "E'" + plain.replace("\\", "\\\\") + "'"


def _written_key(text: str) -> Key:
    """A key written as ``text()``, which SQLAlchemy puts into the statement as it is.

    So it has the grammar of ``CREATE INDEX``: a column or a call or parentheses, then perhaps a collation, an
    operator class and an order. What is none of that is an expression whose parentheses were left out.
    """
    body, desc, nulls = split_order(text)
    tokens = tokenize(body)
    end = _subject_end(tokens)
    rest, collation = tokens[end:], None
    if len(rest) > 1 and rest[0].value == "collate":
        length = _dotted_end(rest, 1)
        collation, rest = ".".join(token.value for token in rest[1:length:2]), rest[length:]
    length = _dotted_end(rest, 0)
    opclass = ".".join(token.value for token in rest[:length:2]) or None
    if opclass and length < len(rest) and rest[length].text == "(" and closing(rest, length) == len(rest) - 1:
        opclass, length = opclass + body[rest[length].start :], len(rest)
    if length < len(rest):
        return Key(expression=body, desc=desc, nulls=nulls)
    subject = body[: tokens[end - 1].end]
    return Key(expression=subject, collation=collation, opclass=opclass, desc=desc, nulls=nulls)


def _subject_end(tokens: tuple[Token, ...]) -> int:
    """Where the column, the call or the parentheses that begin a key end."""
    end = _dotted_end(tokens, 0)
    if end < len(tokens) and tokens[end].text == "(":
        end = closing(tokens, end) + 1
    return end or len(tokens)


def _dotted_end(tokens: tuple[Token, ...], start: int) -> int:
    """Where a name, which may have a schema before it, ends; `start` if there is none."""
    end = start
    while end < len(tokens) and tokens[end].is_name:
        end += 1
        if end == len(tokens) or tokens[end].text != ".":
            break
        end += 1
    return end
