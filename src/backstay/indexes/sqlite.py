"""The index planner on SQLite, over aiosqlite: what of it makes sense for one file and one writer.

SQLite keeps a definition as it was written, so two of them are compared by their columns, collations and
order from ``index_xinfo`` and by the words of their expressions. It has no concurrent builds and counts no
scans: a build holds the write lock for its duration, and no index is ever called unused.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from backstay.clock import Clock, SystemClock
from backstay.errors import (
    IndexBuildFailed,
    IndexBuildTimeout,
    IndexServerUnavailable,
    InvalidIndex,
    MissingExtraError,
)
from backstay.events import Emitter

from .catalog import CatalogIndex, CatalogKey
from .comparison import difference
from .declared import Index, Key, quote_identifier
from .events import IndexSettled
from .health import Finding, ForeignKey, HealthInput, HealthReport, IndexUse, judge
from .protocol import (
    Action,
    Comparison,
    EnsureOptions,
    EnsureReport,
    IndexDiff,
    IndexPlanner,
    Outcome,
    Status,
)
from .tokens import Token, canonical, split_top, tokenize

try:
    import aiosqlite
except ImportError as exc:
    raise MissingExtraError("sqlite", "the SQLite index planner") from exc


class SqliteIndexPlanner:
    """Plans indexes in one SQLite file.

    Each call opens a connection of its own and waits up to `busy_timeout` seconds for another writer.
    `include`, index methods other than btree, NULLS FIRST/LAST and storage parameters do not exist there and
    are refused.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        busy_timeout: float = 10.0,
        clock: Clock | None = None,
        emitter: Emitter | None = None,
    ) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._clock = clock or SystemClock()
        self._emit = emitter or Emitter()

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[aiosqlite.Connection]:
        try:
            async with aiosqlite.connect(
                self._path, timeout=self._busy_timeout, isolation_level=None
            ) as connection:
                yield connection
        except aiosqlite.Error as exc:
            raise IndexServerUnavailable(f"SQLite failed: {exc}") from exc

    async def diff(self, wanted: Iterable[Index], /) -> IndexDiff:
        """Compare with the file's schema. See `IndexPlanner.diff`."""
        async with self._session() as connection:
            return await _diff(connection, tuple(wanted))

    async def ensure(self, wanted: Iterable[Index], /, *, options: EnsureOptions | None = None) -> EnsureReport:
        """Make the file have `wanted`, in one transaction: all of them or none. See `IndexPlanner.ensure`."""
        options = options or EnsureOptions()
        indexes = tuple(wanted)
        async with self._session() as connection:
            diff = await _diff(connection, indexes)
            if not diff.clean or options.prune:
                # Whoever waited here looks again: another worker may have built them meanwhile.
                await _begin(connection)
                try:
                    diff = await _diff(connection, indexes)
                    outcomes = await self._apply(connection, diff, options)
                except BuildRefused as exc:
                    await connection.execute("rollback")
                    reason = f"nothing was changed: {exc}"
                    if options.strict:
                        raise IndexBuildFailed(reason) from exc
                    return self._report([_unchanged(comparison, reason) for comparison in diff.comparisons])
                await connection.execute("commit")
                return self._report(outcomes)
        return self._report([_outcome(comparison, Action.KEPT) for comparison in diff.comparisons])

    def _report(self, outcomes: Sequence[Outcome]) -> EnsureReport:
        for outcome in outcomes:
            self._emit(
                IndexSettled(index=outcome.index, table=outcome.table, action=outcome.action.value, seconds=0.0)
            )
        return EnsureReport(outcomes=tuple(outcomes))

    async def _apply(
        self, connection: aiosqlite.Connection, diff: IndexDiff, options: EnsureOptions
    ) -> list[Outcome]:
        outcomes = [await _settle(connection, comparison, options) for comparison in diff.comparisons]
        for index in diff.superfluous if options.prune else ():
            await connection.execute(f"drop index {quote_identifier(index.name)}")
            outcomes.append(Outcome(index=index.name, table=index.table, action=Action.DROPPED, reason=index.ddl))
        return outcomes

    async def drop(self, names: Iterable[str], /, *, lock_timeout: float = 5.0) -> tuple[str, ...]:
        """Drop by name. See `IndexPlanner.drop`."""
        wanted, undo = set(names), list[str]()
        async with self._session() as connection:
            await connection.execute(f"pragma busy_timeout = {round(lock_timeout * 1000)}")
            for index in await _all_indexes(connection):
                if index.name in wanted:
                    if index.protected:
                        raise IndexBuildFailed(f"{index.name} is not dropped: {index.protected}")
                    await connection.execute(f"drop index {quote_identifier(index.name)}")
                    undo.append(index.ddl)
        return tuple(undo)

    async def health(
        self,
        *,
        min_stats_age: timedelta = timedelta(days=14),
        replicas: Sequence[str] = (),  # noqa: ARG002 - a file has none
    ) -> HealthReport:
        """Find duplicate, redundant, mirror and missing foreign-key indexes. See `IndexPlanner.health`."""
        async with self._session() as connection:
            indexes = await _all_indexes(connection)
            foreign_keys = await _foreign_keys(connection)
        uses = tuple(IndexUse(index=index) for index in indexes)
        facts = HealthInput(uses=uses, foreign_keys=foreign_keys, min_stats_age=min_stats_age)
        report = judge(facts)
        return replace(report, findings=tuple(_in_sqlite(finding) for finding in report.findings))

    async def explain(self, query: str) -> tuple[str, ...]:
        """The lines of EXPLAIN QUERY PLAN: which indexes a query uses, and which tables it scans."""
        async with self._session() as connection:
            rows = await connection.execute_fetchall(f"explain query plan {query}")
        return tuple(str(row[3]) for row in rows)


def _in_sqlite(finding: Finding) -> Finding:
    """The finding with statements that SQLite takes: no schema and no CONCURRENTLY."""
    if finding.missing is not None:
        drop = f"drop index {quote_identifier(finding.missing.effective_name)}"
        return replace(finding, remedy=create_sql(finding.missing), undo=drop)
    if finding.remedy is None:
        return finding
    return replace(finding, remedy=f"drop index {quote_identifier(finding.index)}")


class BuildRefused(Exception):
    """A build failed; the transaction around it is rolled back."""


async def _begin(connection: aiosqlite.Connection) -> None:
    try:
        await connection.execute("begin immediate")
    except aiosqlite.OperationalError as exc:
        raise IndexBuildTimeout(f"another writer held the file for too long: {exc}") from exc


async def _settle(connection: aiosqlite.Connection, comparison: Comparison, options: EnsureOptions) -> Outcome:
    wanted, found = comparison.wanted, comparison.found
    if comparison.satisfied:
        return _outcome(comparison, Action.KEPT)
    action = Action.CREATED
    if comparison.status is Status.CONFLICT and found is not None:
        if not options.replace:
            raise BuildRefused(f"{found.name} exists with another definition: {found.ddl}")
        await connection.execute(f"drop index {quote_identifier(found.name)}")
        action = Action.REPLACED
    try:
        await connection.execute(create_sql(wanted))
    except aiosqlite.Error as exc:
        raise BuildRefused(f"{wanted.effective_name} on {wanted.table}: {exc}") from exc
    return _outcome(comparison, action)


def _unchanged(comparison: Comparison, reason: str) -> Outcome:
    """What a transaction that was rolled back left of one index."""
    if comparison.satisfied:
        return _outcome(comparison, Action.KEPT)
    wanted = comparison.wanted
    return Outcome(index=wanted.effective_name, table=wanted.table, action=Action.FAILED, reason=reason)


def _outcome(comparison: Comparison, action: Action) -> Outcome:
    found = comparison.found
    name = found.name if found is not None and action is Action.KEPT else comparison.wanted.effective_name
    return Outcome(index=name, table=comparison.wanted.table, action=action)


def create_sql(index: Index) -> str:
    """The statement that creates it in SQLite.

    Raises:
        InvalidIndex: it asks for something that SQLite does not have.
    """
    if index.include or index.method != "btree" or index.options or index.nulls_not_distinct:
        raise InvalidIndex(f"{index.effective_name}: SQLite has no include, method, options or NULLS DISTINCT")
    if any(key.nulls or key.opclass for key in index.keys):
        raise InvalidIndex(f"{index.effective_name}: SQLite orders no NULLs and has no operator classes")
    unique = "unique " if index.unique else ""
    keys = ", ".join(_key_sql(key) for key in index.keys)
    where = f" where {index.where}" if index.where else ""
    name = quote_identifier(index.effective_name)
    return f"create {unique}index {name} on {quote_identifier(index.table)} ({keys}){where}"


def _key_sql(key: Key) -> str:
    # An expression keeps no outer parentheses: SQLite would take (a) for an expression and not for the
    # column.
    text = quote_identifier(key.column) if key.column is not None else str(key.expression)
    collate = f" collate {quote_identifier(key.collation)}" if key.collation else ""
    return f"{text}{collate}{' desc' if key.desc else ''}"


async def _diff(connection: aiosqlite.Connection, wanted: Sequence[Index]) -> IndexDiff:
    existing: dict[str, list[CatalogIndex]] = {}
    for index in wanted:
        existing.setdefault(index.qualified_table, await _indexes_of(connection, index.table))
    normalised = [await _normalised(connection, index) for index in wanted]
    return difference(wanted, normalised, existing)


async def _normalised(connection: aiosqlite.Connection, wanted: Index) -> CatalogIndex:
    sql = create_sql(wanted)
    columns = await connection.execute_fetchall(
        "select name, type from pragma_table_xinfo(?) where hidden <> 1", (wanted.table,)
    )
    if not columns:
        raise InvalidIndex(f"there is no table {wanted.table!r}")
    known = {str(row[0]).casefold() for row in columns}
    for name in (key.column for key in wanted.keys if key.column is not None):
        if name.casefold() not in known:
            raise InvalidIndex(f"the table {wanted.table!r} has no column {name!r}")
    return _read(wanted.effective_name, wanted.table, sql, unique=wanted.unique, origin="c", oid=0)


async def _indexes_of(connection: aiosqlite.Connection, table: str) -> list[CatalogIndex]:
    rows = await connection.execute_fetchall(
        'select l.name, l."unique", l.origin, m.sql, m.rootpage from pragma_index_list(?) l '
        "join sqlite_master m on m.type = 'index' and m.name = l.name",
        (table,),
    )
    found: list[CatalogIndex] = []
    for name, unique, origin, sql, oid in rows:
        text = sql or await _constraint_sql(connection, str(name), table)
        found.append(_read(str(name), table, text, unique=bool(unique), origin=str(origin), oid=int(oid)))
    return found


async def _constraint_sql(connection: aiosqlite.Connection, name: str, table: str) -> str:
    rows = await connection.execute_fetchall("select name from pragma_index_info(?) order by seqno", (name,))
    keys = ", ".join(quote_identifier(str(row[0])) for row in rows)
    return f"create unique index {quote_identifier(name)} on {quote_identifier(table)} ({keys})"


async def _all_indexes(connection: aiosqlite.Connection) -> list[CatalogIndex]:
    tables = await connection.execute_fetchall(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' "
        "order by name"
    )
    return [index for (table,) in tables for index in await _indexes_of(connection, str(table))]


async def _foreign_keys(connection: aiosqlite.Connection) -> tuple[ForeignKey, ...]:
    rows = await connection.execute_fetchall(
        'select m.name, f.id, f."table", group_concat(f."from", char(31)) from sqlite_master m, '
        "pragma_foreign_key_list(m.name) f where m.type = 'table' group by m.name, f.id order by m.name, f.id"
    )
    return tuple(
        ForeignKey(
            schema="main",
            table=str(table),
            name=f"foreign key {number}",
            columns=tuple(str(columns).split("\x1f")),
            referenced=str(referenced),
        )
        for table, number, referenced, columns in rows
    )


# -- definitions
# ------------------------------------------------------------------------------------------------


def _read(name: str, table: str, sql: str, *, unique: bool, origin: str, oid: int) -> CatalogIndex:
    keys, predicate = _parts(sql)
    return CatalogIndex(
        schema="main",
        table=table,
        name=name,
        method="btree",
        keys=keys,
        predicate=predicate,
        unique=unique,
        constraint={"pk": "p", "u": "u"}.get(origin),
        constraint_name=name,
        oid=oid,
        # A table's name stands for its oid here, so that indexes of one table are found together.
        table_oid=hash(table),
        ddl=sql,
    )


def _parts(sql: str) -> tuple[tuple[CatalogKey, ...], str | None]:
    """The keys and the predicate of a CREATE INDEX statement that SQLite has already accepted."""
    tokens = tokenize(sql)
    opening = next(place for place, token in enumerate(tokens) if token.text == "(")
    depth, closing = 0, opening
    for closing in range(opening, len(tokens)):
        depth += (tokens[closing].text == "(") - (tokens[closing].text == ")")
        if depth == 0:
            break
    keys = tuple(_read_key(part) for part in split_top(tokens[opening + 1 : closing], ","))
    rest = tokens[closing + 1 :]
    predicate = canonical(sql[rest[1].start :]) if rest and rest[0].value == "where" else None
    return keys, predicate


def _read_key(part: tuple[Token, ...]) -> CatalogKey:
    words, option, collation = list(part), 0, ""
    if words[-1].value in ("asc", "desc"):
        option = int(words.pop().value == "desc")
    if len(words) > 2 and words[-2].value == "collate":
        collation = words[-1].value.casefold()
        del words[-2:]
    column = words[0].value if len(words) == 1 and words[0].is_name else None
    text = column.casefold() if column else " ".join(t.value.casefold() if t.is_name else t.text for t in words)
    # DESC without NULLS FIRST: SQLite puts NULLs first ascending and last descending, a plain mirror.
    return CatalogKey(text=text, column=column, collation=collation, option=3 if option else 0)


if TYPE_CHECKING:
    _planner: type[IndexPlanner] = SqliteIndexPlanner
