"""What indexes are wanted: definitions, and the registry that `create_all_indexes` reads.

A definition is a value. Two definitions are the same index when the *server* says so, whatever their names;
nothing here compares them. Names and columns are always quoted; expressions and predicates are SQL text of
the developer, checked so that they cannot leave the parentheses they are put into.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from backstay.errors import InvalidIndex

from .tokens import check_contained

_DIRECTED = re.compile(
    r"^(?P<key>.*?)(?:\s+(?P<dir>asc|desc))?(?:\s+nulls\s+(?P<nulls>first|last))?$", re.IGNORECASE | re.DOTALL
)
_OPTION = re.compile(r"^[a-z_]+$")
_OPTION_VALUE = re.compile(r"^[A-Za-z0-9_.]+$")
_NAME_BYTES = 63  # NAMEDATALEN - 1: the server cuts longer names silently, so two of them could collide


def quote_identifier(name: str) -> str:
    """The name as SQL that means exactly this name.

    Raises:
        InvalidIndex: an empty name, one with a NUL, or one longer than 63 bytes, which the server would cut.
    """
    if not name or "\0" in name:
        raise InvalidIndex(f"{name!r} cannot be an SQL name: it is empty or holds a NUL")
    try:
        length = len(name.encode())
    except UnicodeEncodeError as exc:
        raise InvalidIndex(f"{name!r} cannot be an SQL name: it is not valid Unicode") from exc
    if length > _NAME_BYTES:
        raise InvalidIndex(f"the name {name!r} has {length} bytes; PostgreSQL keeps {_NAME_BYTES}")
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of an index: a column or an expression, with its order and operator class.

    `nulls` left at None takes the server's default (last when ascending, first when descending). An `opclass` may
    have parameters: ``gist_trgm_ops(siglen=32)``.
    """

    column: str | None = None
    expression: str | None = None
    desc: bool = False
    nulls: Literal["first", "last"] | None = None
    opclass: str | None = None
    collation: str | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.expression is None):
            raise InvalidIndex("a Key is either a column or an expression: give exactly one of them")
        if self.expression is not None:
            check_contained(self.expression, "the expression")

    @classmethod
    def read(cls, text: str) -> Key:
        """A key from its short form: ``"email"``, ``"created_at desc nulls last"``, ``"lower(email)"``.

        What has an opening parenthesis is an expression; anything else is a column of exactly that name. A
        column whose own name has a parenthesis, or ends in a word of order, needs ``Key(column=…)``.
        """
        body, desc, nulls = split_order(text)
        if "(" in body:
            return cls(expression=body, desc=desc, nulls=nulls)
        return cls(column=body, desc=desc, nulls=nulls)

    @property
    def subject(self) -> str:
        """The column or the expression, as written."""
        return self.column if self.column is not None else str(self.expression)

    def to_sql(self) -> str:
        """The key as it stands inside ``CREATE INDEX … (…)``."""
        parts = [quote_identifier(self.column) if self.column is not None else f"({self.expression})"]
        if self.collation:
            parts.append(f"collate {_dotted(self.collation)}")
        if self.opclass:
            parts.append(_operator_class(self.opclass))
        if self.desc:
            parts.append("desc")
        if self.nulls:
            parts.append(f"nulls {self.nulls}")
        return " ".join(parts)


def split_order(text: str) -> tuple[str, bool, Literal["first", "last"] | None]:
    """What is before ``desc nulls last``, whether it descends, and where NULLs are if that is said.

    Raises:
        InvalidIndex: there is nothing before it.
    """
    match = _DIRECTED.match(text.strip())
    if match is None or not match["key"]:
        raise InvalidIndex(f"{text!r} is not a key: write a column, or an expression with parentheses")
    nulls: Literal["first", "last"] | None = None
    if match["nulls"]:
        nulls = "first" if match["nulls"].lower() == "first" else "last"
    return match["key"], (match["dir"] or "").lower() == "desc", nulls


def _dotted(name: str) -> str:
    return ".".join(quote_identifier(part) for part in name.split("."))


def _operator_class(text: str) -> str:
    """An operator class, which may have parameters: ``gist_trgm_ops(siglen=32)``."""
    name, opening, rest = text.partition("(")
    if not opening:
        return _dotted(name)
    pairs = [pair.partition("=") for pair in rest.strip().removesuffix(")").split(",")]
    settings = [(option.strip(), value.strip()) for option, _, value in pairs]
    if not rest.strip().endswith(")") or not all(_OPTION.match(o) and _OPTION_VALUE.match(v) for o, v in settings):
        raise InvalidIndex(f"{text!r} is not an operator class: write name or name(parameter=value)")
    return f"{_dotted(name.strip())} ({', '.join(f'{option} = {value}' for option, value in settings)})"


def _read_keys(keys: Iterable[Key | str] | Key | str) -> tuple[Key, ...]:
    given = (keys,) if isinstance(keys, (str, Key)) else tuple(keys)
    return tuple(Key.read(key) if isinstance(key, str) else key for key in given)


@dataclass(frozen=True, slots=True, init=False)
class Index:
    """A wanted index, by definition.

    `keys` takes `Key`s and their short forms, `include` columns that are stored but not searched, `where` the
    predicate of a partial index, `options` storage parameters such as ``{"fillfactor": 80}``. A `name` is
    optional: without one it is made from the definition, the same each time. `schema` left at None means the
    first table of that name on the connection's search path.

    Raises:
        InvalidIndex: a definition that no server would take, or that could not be quoted.
    """

    table: str
    keys: tuple[Key, ...] = field(default=())
    include: tuple[str, ...] = field(default=(), kw_only=True)
    where: str | None = field(default=None, kw_only=True)
    method: str = field(default="btree", kw_only=True)
    unique: bool = field(default=False, kw_only=True)
    nulls_not_distinct: bool = field(default=False, kw_only=True)
    options: Mapping[str, str | int | float | bool] = field(
        default_factory=dict[str, "str | int | float | bool"], kw_only=True, hash=False
    )
    name: str | None = field(default=None, kw_only=True)
    schema: str | None = field(default=None, kw_only=True)

    def __init__(
        self,
        table: str,
        keys: Iterable[Key | str] | Key | str,
        *,
        include: Iterable[str] = (),
        where: str | None = None,
        method: str = "btree",
        unique: bool = False,
        nulls_not_distinct: bool = False,
        options: Mapping[str, str | int | float | bool] | None = None,
        name: str | None = None,
        schema: str | None = None,
    ) -> None:
        values = {
            "table": table,
            "keys": _read_keys(keys),
            "include": (include,) if isinstance(include, str) else tuple(include),
            "where": where,
            "method": method,
            "unique": unique,
            "nulls_not_distinct": nulls_not_distinct,
            "options": dict(options or {}),
            "name": name,
            "schema": schema,
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)
        self._check()

    def _check(self) -> None:
        if not self.keys:
            raise InvalidIndex(f"an index on {self.table!r} needs at least one key")
        for name in (self.table, self.name, self.schema, self.method, *self.include):
            if name is not None:
                quote_identifier(name)
        for key in self.keys:
            key.to_sql()
        if self.where is not None:
            check_contained(self.where, "the predicate")
        for option, value in self.options.items():
            if not _OPTION.match(option) or not _OPTION_VALUE.match(str(value)):
                raise InvalidIndex(f"{option}={value!r} is not a storage parameter")
        if self.nulls_not_distinct and not self.unique:
            raise InvalidIndex("nulls_not_distinct says something only of a unique index")

    @property
    def effective_name(self) -> str:
        """The name given, or the one made from the definition."""
        return self.name or generated_name(self)

    @property
    def qualified_name(self) -> str:
        """``schema.name`` as `IndexPlanner.drop` takes it, or the bare name where no schema was given."""
        return f"{self.schema}.{self.effective_name}" if self.schema else self.effective_name

    @property
    def qualified_table(self) -> str:
        """The table as SQL."""
        table = quote_identifier(self.table)
        return f"{quote_identifier(self.schema)}.{table}" if self.schema else table

    def named(self, name: str | None) -> Index:
        """The same definition under another name."""
        return replace_index(self, name=name)

    def body_sql(self) -> str:
        """What follows the table in ``CREATE INDEX``: method, keys, include, options, predicate."""
        parts = [f"using {quote_identifier(self.method)} ({', '.join(key.to_sql() for key in self.keys)})"]
        if self.include:
            parts.append(f"include ({', '.join(map(quote_identifier, self.include))})")
        if self.nulls_not_distinct:
            parts.append("nulls not distinct")
        if self.options:
            parts.append(f"with ({', '.join(f'{k} = {_option(v)}' for k, v in sorted(self.options.items()))})")
        if self.where is not None:
            parts.append(f"where ({self.where})")
        return " ".join(parts)

    def to_sql(self, *, concurrently: bool = True, only: bool = False) -> str:
        """The statement that creates it, never ``IF NOT EXISTS``: that accepts an invalid leftover."""
        words = ["create", "unique" if self.unique else "", "index", "concurrently" if concurrently else ""]
        words += [quote_identifier(self.effective_name), "on", "only" if only else "", self.qualified_table]
        return " ".join([*(word for word in words if word), self.body_sql()])


def replace_index(index: Index, *, name: str | None) -> Index:
    """The definition of `index` under `name`."""
    return Index(
        index.table,
        index.keys,
        include=index.include,
        where=index.where,
        method=index.method,
        unique=index.unique,
        nulls_not_distinct=index.nulls_not_distinct,
        options=index.options,
        name=name,
        schema=index.schema,
    )


def _option(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def generated_name(index: Index) -> str:
    """A readable name that is the same in every process: ``ix_table_columns_digest``.

    The digest of the whole definition keeps apart what the readable part does not tell (a predicate, an
    order).
    """
    subjects = "_".join(re.sub(r"\W+", "_", key.subject).strip("_") for key in index.keys)
    digest = hashlib.sha256(f"{index.unique} {index.body_sql()}".encode()).hexdigest()[:6]
    readable = f"{'ux' if index.unique else 'ix'}_{index.table}_{subjects}"
    cut = readable.encode()[: _NAME_BYTES - 7].decode(errors="ignore")
    return f"{cut}_{digest}"


class Registry:
    """Declared indexes, in the order of their declaration. Declaring an equal one again changes nothing."""

    __slots__ = ("_indexes",)

    def __init__(self, indexes: Iterable[Index] = ()) -> None:
        self._indexes: list[Index] = []
        self.add(*indexes)

    def add(self, *indexes: Index) -> None:
        """Declare indexes."""
        for index in indexes:
            if index not in self._indexes:
                self._indexes.append(index)

    def clear(self) -> None:
        """Forget every declaration."""
        self._indexes.clear()

    def __iter__(self) -> Iterator[Index]:
        return iter(tuple(self._indexes))

    def __len__(self) -> int:
        return len(self._indexes)


declared_indexes = Registry()
"""What `declare` fills and ``create_all_indexes(engine)`` reads."""


def declare(*indexes: Index) -> None:
    """Declare indexes in the process-wide registry, usually beside the model that they serve."""
    declared_indexes.add(*indexes)
