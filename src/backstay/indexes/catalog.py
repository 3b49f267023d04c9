"""Indexes as the server's catalogue has them. Values and how to read them from rows; no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

DESC = 1  # indoption bits, src/include/catalog/pg_index.h
NULLS_FIRST = 2
_BOOLEANS = {"on": "true", "yes": "true", "off": "false", "no": "false"}
_SWITCHES = ("fastupdate", "deduplicate_items", "autosummarize")  # of any other parameter 0 and 1 are numbers


class Row(Protocol):
    """A row as a driver gives it: values by the names of their columns."""

    def __getitem__(self, key: str, /) -> Any:
        """The value of a column. Raises KeyError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogKey:
    """One key in the server's own words. `option` has the bits of pg_index.indoption.

    `recollated` is a column that is kept in another collation than its own.
    """

    text: str
    column: str | None
    opclass: str = ""
    collation: str = ""
    option: int = 0
    params: tuple[str, ...] = ()
    recollated: bool = False

    @property
    def desc(self) -> bool:
        """Whether it is kept in descending order."""
        return bool(self.option & DESC)

    @property
    def nulls_first(self) -> bool:
        """Whether NULLs come before everything else."""
        return bool(self.option & NULLS_FIRST)

    def mirrored(self) -> CatalogKey:
        """The same key read backwards."""
        return replace(self, option=self.option ^ (DESC | NULLS_FIRST))


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogIndex:
    """One index of the catalogue.

    `constraint` is the kind of constraint that it backs (p, u, x) or None; `referenced` says that a foreign
    key depends on it. `partitioned` is a parent without storage, `parent` the oid of the parent it is
    attached to.
    """

    schema: str
    table: str
    name: str
    method: str
    keys: tuple[CatalogKey, ...]
    include: tuple[str, ...] = ()
    predicate: str | None = None
    unique: bool = False
    nulls_not_distinct: bool = False
    immediate: bool = True
    options: tuple[str, ...] = ()
    valid: bool = True
    ready: bool = True
    constraint: str | None = None
    constraint_name: str | None = None
    referenced: bool = False
    replica_identity: bool = False
    clustered: bool = False
    partitioned: bool = False
    parent: int | None = None
    in_progress: bool = False
    size_bytes: int = 0
    oid: int = 0
    table_oid: int = 0
    ddl: str = ""
    columns: frozenset[str] = field(default=frozenset())

    @property
    def shape(self) -> tuple[object, ...]:
        """What makes two indexes the same structure; storage parameters and names left out."""
        return (
            self.method,
            self.unique,
            self.nulls_not_distinct and self.unique,
            self.keys,
            tuple(sorted(self.include)),
            self.predicate,
        )

    def is_what(self, wanted: CatalogIndex) -> bool:
        """Whether it is what another one, as the server wrote that down, asks for.

        Storage parameters that are not asked for are somebody's tuning, and no reason to build a second index. The
        index of a deferrable constraint lets duplicates stand until the commit, and serves no ON CONFLICT.
        """
        return (
            (*self.shape, self.include) == (*wanted.shape, wanted.include)
            and set(wanted.options) <= set(self.options)
            and (self.immediate or not self.unique)
        )

    @property
    def qualified(self) -> str:
        """``schema.name``, for reading only."""
        return f"{self.schema}.{self.name}"

    @property
    def protected(self) -> str | None:
        """Why it must not be dropped by itself, or None."""
        if self.constraint is not None:
            kinds = {"p": "primary key", "u": "unique constraint", "x": "exclusion constraint"}
            return f"it is the index of the {kinds.get(self.constraint, 'constraint')} {self.constraint_name}"
        if self.referenced:
            return "a foreign key refers to it"
        if self.replica_identity:
            return "it is the replica identity of its table"
        if self.parent is not None:
            return "it is a part of a partitioned index"
        return None


def read_index(row: Row) -> CatalogIndex:
    """An index from one row of ``catalog.sql``."""
    keys = tuple(_read_key(key) for key in _loaded(row["keys"]))
    return CatalogIndex(
        schema=row["schema_name"],
        table=row["table_name"],
        name=row["index_name"],
        method=row["method"],
        keys=keys[: row["key_count"]],
        include=tuple(key.text for key in keys[row["key_count"] :]),
        predicate=row["predicate"],
        unique=row["is_unique"],
        nulls_not_distinct=row["nulls_not_distinct"],
        immediate=row["is_immediate"],
        options=tuple(sorted(map(_plain_option, row["options"] or ()))),
        valid=row["is_valid"],
        ready=row["is_ready"],
        constraint=row["constraint_kind"],
        constraint_name=row["constraint_name"],
        referenced=row["is_referenced"],
        replica_identity=row["is_replica_identity"],
        clustered=row["is_clustered"],
        partitioned=row["is_partitioned"],
        parent=row["parent_oid"],
        in_progress=row["in_progress"],
        size_bytes=row["size_bytes"] or 0,
        oid=row["index_oid"],
        table_oid=row["table_oid"],
        ddl=row["ddl"],
        columns=frozenset(row["columns"] or ()),
    )


def _loaded(value: str | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    # asyncpg hands json out as text unless the application has set a codec of its own on the connection.
    return json.loads(value) if isinstance(value, str) else value


def _plain_option(option: str) -> str:
    """A storage parameter in one spelling: the server keeps `off` and `false` as they were written."""
    name, _, value = option.partition("=")
    if name in _SWITCHES:
        value = {"1": "true", "0": "false"}.get(value, value.lower())
    return f"{name}={_BOOLEANS.get(value.lower(), value)}"


def _read_key(key: Mapping[str, Any]) -> CatalogKey:
    return CatalogKey(
        text=key["text"],
        column=key["column"],
        opclass=key["opclass"] or "",
        collation=key["collation"] or "",
        option=key["option"] or 0,
        params=tuple(key["params"] or ()),
        recollated=bool(key["recollated"]),
    )


def read_indexes(rows: Iterable[Row]) -> tuple[CatalogIndex, ...]:
    """Indexes from the rows of ``catalog.sql``. One that was dropped while they were read has no definition."""
    return tuple(read_index(row) for row in rows if row["ddl"] is not None)
