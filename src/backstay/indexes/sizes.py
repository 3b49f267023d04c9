"""How big an index will be, from the table's statistics. Pure.

The server's own what-if sizes ignore that a btree stores equal keys once since PostgreSQL 13; measured on
real indexes they were up to 4.6 times too big. This model follows how the server packs a page; see
`benchmarks/indexes` for modelled beside built.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .catalog import Row
from .conditions import names_in

BLOCK = 8192
_HEADER = 8  # of an index tuple, src/include/access/itup.h
_POINTER = 4  # a line pointer
_TID = 6  # a heap pointer in a posting list
_MAX_POSTING = 812  # the longest posting list that a build makes: a tenth of a page, nbtsort.c
_LEAF = 0.9 * BLOCK  # btree's default fillfactor for leaf pages
_INNER = 0.7 * BLOCK
_ALIGN = {"c": 1, "s": 2, "i": 4, "d": 8}
_BRIN_RANGE = 128  # heap pages a BRIN summary covers
_TEXTS = ("text", "character varying", "bytea", "json")  # their values differ in width
_SAME_LENGTH = ("lower", "upper", "btrim", "ltrim", "rtrim", "reverse")
_MOST_WIDTHS = 64
_LONG = 20.0  # rows with one value
_ALONE = 0.01  # more than one, and there is next to nothing to share
_HALVINGS = 40
# Types whose equal values may look different (1.0 and 1.00), so that a btree stores each: their operator
# classes have no "equalimage" support function.
_NEVER_EQUAL = ("numeric", "real", "double precision", "interval", "json", "jsonb", "money", "character")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """What the statistics say of a column.

    `distinct` is as in pg_stats: a count, or minus a fraction of the rows. `common` has the
    shares of frequent values where there are few of them.
    """

    name: str
    type: str = "text"
    width: float = 8.0
    align: int = 8
    fixed: bool = True
    distinct: float = -1.0
    null_fraction: float = 0.0
    not_null: bool = False
    correlation: float = 0.0
    known: bool = True
    common: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def deduplicates(self) -> bool:
        """Whether a btree stores equal values of this type once."""
        return self.type not in _NEVER_EQUAL and not self.type.endswith(("[]", "range"))

    @property
    def padded(self) -> bool:
        """Whether blanks at the end of a value mean nothing."""
        return self.type == "character"

    def distinct_of(self, rows: float) -> float:
        """The number of different values among so many rows, at least 1."""
        count = -self.distinct * rows if self.distinct < 0 else self.distinct
        return max(1.0, min(count, rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What the statistics say of a table and of the writes on it."""

    schema: str
    name: str
    oid: int = 0
    rows: float = 0.0
    pages: float = 1.0
    partitioned: bool = False
    inserted: float = 0.0
    updated: float = 0.0
    hot_updated: float = 0.0
    deleted: float = 0.0
    columns: Mapping[str, ColumnFacts] = field(default_factory=dict[str, ColumnFacts])
    shares: Mapping[str, float] = field(default_factory=dict[str, float])
    """The fraction of rows that meet a predicate of which the statistics say nothing, where that was counted."""
    combinations: Mapping[frozenset[str], float] = field(default_factory=dict[frozenset[str], float])
    """How many different values some columns have together, where that was counted."""
    expressions: Mapping[str, ColumnFacts] = field(default_factory=dict[str, ColumnFacts])
    """What expressions are like, where that was counted."""

    @property
    def written(self) -> float:
        """Rows written since the statistics began."""
        return self.inserted + self.updated + self.deleted

    def column(self, name: str) -> ColumnFacts:
        """Facts of a column or a counted expression; for another expression, a cautious guess."""
        found = self.columns.get(name) or self.expressions.get(name)
        if found is not None:
            return found
        if name.lstrip("(").startswith(tuple(f"{function}(" for function in _SAME_LENGTH)):
            inner = [self.columns[word] for word in names_in(name) & self.columns.keys()]
            if len(inner) == 1:
                return replace(inner[0], name=name, type="text", fixed=False, known=False, common={})
        return ColumnFacts(name=name, width=12.0, align=4, fixed=False, distinct=-0.9, known=False)


def _aligned(offset: float, align: int) -> float:
    return -(-offset // align) * align


def _data_width(columns: Iterable[ColumnFacts]) -> float:
    offset = 0.0
    for column in columns:
        # A short variable-length value carries a one-byte header and is not aligned.
        offset = _aligned(offset, column.align) + column.width if column.fixed else offset + column.width
    return offset


def tuple_width(columns: Iterable[ColumnFacts]) -> float:
    """The mean width of one entry's data, padded to eight bytes; by half of them where there is text."""
    listed = list(columns)
    if any(column.type.startswith(_TEXTS) for column in listed):
        return max(8.0, _data_width(listed) + 3.5)
    mean, choices = 0.0, [_widths(column) for column in listed]
    if math.prod(map(len, choices)) > _MOST_WIDTHS:
        return _aligned(_data_width(listed), 8)
    for widths in itertools.product(*choices):
        columns_so = [replace(column, width=width) for column, (width, _) in zip(listed, widths, strict=True)]
        mean += _aligned(_data_width(columns_so), 8) * math.prod(share for _, share in widths)
    return mean


def _widths(column: ColumnFacts) -> list[tuple[float, float]]:
    """The widths of its values, and the share of each.

    A number of arbitrary precision takes an odd number of bytes, and the statistics have the mean without its
    fraction: 8 is 7 for some and 9 for most, and then it matters what a byte more is padded to.
    """
    if column.type != "numeric" or not column.known:
        return [(column.width, 1.0)]
    less = column.width - 1.0 if column.width % 2 == 0 else column.width
    more = min(1.0, (column.width + 0.5 - less) / 2.0)
    return [(less, 1.0 - more), (less + 2.0, more)]


def btree_bytes(
    rows: float,
    keys: Sequence[ColumnFacts],
    include: Sequence[ColumnFacts] = (),
    *,
    fraction: float = 1.0,
    together: float | None = None,
) -> float:
    """The size of a freshly built btree over `fraction` of so many rows.

    `together` is how many different values the keys have in the whole table; if not known, it is what the
    statistics say of each, and columns are taken to be independent.
    """
    entries = max(0.0, rows * fraction)
    plain = _HEADER + tuple_width([*keys, *include])
    if include or any(not key.deduplicates for key in keys):
        leaves = entries * (plain + _POINTER)
    else:
        if together is not None and len(keys) == 1:
            keys, together = [replace(keys[0], distinct=together)], None
        known = [(entries, _thinned(together, rows, fraction))] if together is not None else None
        groups = _groups(entries, keys, fraction) if known is None else known
        leaves = sum(_group(*group, plain) for group in groups)
    pages = leaves / (_LEAF - plain - _POINTER)  # each page has its upper bound as one entry more
    inner = pages * (_HEADER + tuple_width(keys) + _POINTER) / _INNER
    return BLOCK * (1.0 + math.ceil(pages) + (math.ceil(inner) if pages > 1 else 0))


def _group(entries: float, values: float, plain: float) -> float:
    """The bytes of so many entries that share so many values: equal ones become posting lists."""
    if entries <= 0:
        return 0.0
    each = max(1.0, entries / max(values, 1.0))
    return entries / each * sum(share * _posting(count, plain) for count, share in _lengths(each))


def _lengths(mean: float) -> Iterator[tuple[int, float]]:
    """How long the lists are that are so long on average, and the share of each length.

    Short ones as chance spreads rows over values (Poisson, none of them empty): a list of one costs more than half
    of one of two. Long ones are as good as all alike.
    """
    low = math.floor(mean)
    if mean >= _LONG or mean - 1.0 < _ALONE:
        yield low, 1.0 - (mean - low)
        yield low + 1, mean - low
        return
    rate, most = 0.0, mean
    for _ in range(_HALVINGS):
        middle = (rate + most) / 2
        rate, most = (middle, most) if middle / -math.expm1(-middle) < mean else (rate, middle)
    share = math.exp(-rate) / -math.expm1(-rate)
    for count in range(1, int(_LONG * 3)):
        share *= rate / count
        yield count, share


def _posting(count: int, plain: float) -> float:
    """The bytes of `count` entries with one value, line pointers included."""
    if count <= 1:
        return plain + _POINTER
    most = max(2, int((_MAX_POSTING - plain) // _TID))
    full, rest = divmod(count, most)
    size = full * (_aligned(plain + most * _TID, 8) + _POINTER)
    if rest:
        size += _POINTER + (plain if rest == 1 else _aligned(plain + rest * _TID, 8))
    return size


def _groups(entries: float, keys: Sequence[ColumnFacts], fraction: float) -> Iterator[tuple[float, float]]:
    """(entries, different values) for each combination of the frequent values among the keys.

    Columns are taken to be independent: so many entries thrown into so many cells. A column alone has the
    number of values that the statistics tell, thinned out by a predicate.
    """
    shares, cells = [1.0], 1.0
    for key in keys:
        if key.common and len(keys) > 1:
            rest = max(0.0, 1.0 - sum(key.common.values()))
            shares = [share * part for share in shares for part in (*key.common.values(), rest) if part > 0]
        else:
            cells *= key.distinct_of(max(entries / max(fraction, 1e-9), 1.0)) + (key.null_fraction > 0)
        if len(shares) > 1000:
            shares = [1.0]
    nulls = keys[0].null_fraction if len(keys) == 1 else 0.0
    if nulls:
        yield entries * nulls, 1.0
    for share in shares:
        held = entries * share * (1.0 - nulls)
        if len(keys) == 1:
            yield held, _thinned(cells, held / max(fraction, 1e-9), fraction)
        else:
            yield held, cells * -math.expm1(-held / cells)


def _thinned(values: float, rows: float, fraction: float) -> float:
    """How many of so many values are left in a fraction of the rows."""
    missing: float = (1.0 - min(fraction, 1.0)) ** max(1.0, rows / max(values, 1.0))
    return values * (1.0 - missing)


def gist_bytes(rows: float, keys: Sequence[ColumnFacts]) -> float:
    """A rule of thumb for GiST: a place is kept as the box around it, and pages are seven tenths full."""
    width = sum(32.0 if key.type in ("point", "circle", "polygon") else key.width for key in keys)
    return max(2.0 * BLOCK, rows * (_HEADER + _aligned(width, 8) + _POINTER) / 0.7)


def brin_bytes(pages: float, keys: Sequence[ColumnFacts]) -> float:
    """BRIN keeps two values for each range of heap pages."""
    return 3.0 * BLOCK + pages / _BRIN_RANGE * (16.0 + 2.0 * tuple_width(keys))


def depth(size_bytes: float) -> int:
    """How many pages a descent reads, with a few hundred entries a page."""
    levels, pages = 1, size_bytes / BLOCK
    while pages > 1:
        pages /= 250
        levels += 1
    return levels


def read_tables(rows: Iterable[Row]) -> dict[int, TableFacts]:
    """Facts by table oid, from the rows of ``tables.sql``."""
    return {row["table_oid"]: _read_table(row) for row in rows}


def _read_table(row: Row) -> TableFacts:
    raw = row["columns"]
    columns: Sequence[Mapping[str, Any]] = (json.loads(raw) if isinstance(raw, str) else raw) or ()
    return TableFacts(
        schema=row["schema_name"],
        name=row["table_name"],
        oid=row["table_oid"],
        rows=row["row_count"],
        pages=row["page_count"],
        partitioned=row["is_partitioned"],
        inserted=row["inserted"],
        updated=row["updated"],
        hot_updated=row["hot_updated"],
        deleted=row["deleted"],
        columns={column["name"]: read_column(column) for column in columns},
    )


def read_column(column: Mapping[str, Any]) -> ColumnFacts:
    """Facts of one column, as ``tables.sql`` has them."""
    fixed = column["length"] > 0
    width = column["width"] if column["width"] is not None else (column["length"] if fixed else 16)
    return ColumnFacts(
        name=column["name"],
        type=column["type"],
        width=float(width),
        align=_ALIGN.get(column["align"], 8),
        fixed=fixed,
        distinct=column["distinct"] if column["distinct"] is not None else -0.5,
        null_fraction=column["null_fraction"] or 0.0,
        not_null=column["not_null"],
        correlation=column["correlation"] or 0.0,
        known=column["width"] is not None,
        common=dict(zip(column["common"] or (), column["frequencies"] or (), strict=False)),
    )
