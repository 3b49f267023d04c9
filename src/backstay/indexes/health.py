"""Which indexes earn their keep. A pure judgement over the catalogue and what the server counted.

Every finding says what it was seen by, whether the index may be dropped and why, and how to take the drop
back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum

from .catalog import CatalogIndex
from .declared import Index, Key, quote_identifier
from .sizes import BLOCK, TableFacts, btree_bytes, depth
from .tokens import Token, split_top, stripped, tokenize

_BLOAT_RATIO = 2.0
_BLOAT_BYTES = 1 << 20
_GROWN = 1.5


class Trouble(Enum):
    """What is wrong with an index, or with the want of one."""

    DUPLICATE = "duplicate"
    REDUNDANT = "redundant prefix"
    MIRROR = "mirror"
    INVALID = "invalid"
    UNUSED = "unused"
    BLOATED = "bloated"
    MISSING_FK = "foreign key without index"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUse:
    """What the server counted for one index. `scans` sums the primary and the replicas that were asked."""

    index: CatalogIndex
    scans: int = 0
    index_rows: float = -1.0
    table_rows: float = 0.0
    heap_pages: float = 0.0
    inserted: int = 0
    updated: int = 0
    hot_updated: int = 0
    deleted: int = 0

    @property
    def write_cost(self) -> float:
        """Pages touched to keep it up since the statistics began: entries written times the depth."""
        return (self.inserted + self.updated - self.hot_updated) * depth(max(self.index.size_bytes, BLOCK))

    @property
    def lost_hot(self) -> int:
        """Updates that had to write into every index, because one of them holds a changed column."""
        return self.updated - self.hot_updated


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key, seen from the table that refers."""

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    referenced: str
    partitioned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong. `index` is empty where an index is missing; `related` names what it is judged against.

    `remedy` is the statement to run, `undo` the one that takes it back.
    """

    trouble: Trouble
    table: str
    index: str
    evidence: tuple[str, ...]
    droppable: bool
    reason: str
    remedy: str | None = None
    undo: str | None = None
    related: str | None = None
    missing: Index | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthInput:
    """Everything the judgement looks at. `stats_age` of None means that it is not known."""

    uses: tuple[IndexUse, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    tables: Mapping[int, TableFacts] = field(default_factory=dict[int, TableFacts])
    stats_age: timedelta | None = None
    min_stats_age: timedelta = timedelta(days=14)
    replicas: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """What was found, and what every index was used for and costs."""

    findings: tuple[Finding, ...]
    uses: tuple[IndexUse, ...] = ()
    stats_age: timedelta | None = None

    def of(self, trouble: Trouble) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.trouble is trouble)

    @property
    def reclaimable_bytes(self) -> int:
        """What dropping every droppable index would give back."""
        droppable = {finding.index: finding.size_bytes for finding in self.findings if finding.droppable}
        return sum(droppable.values())


def judge(facts: HealthInput) -> HealthReport:
    """Find everything that is wrong, in the order of the `Trouble`s."""
    findings = [
        *_overlaps(facts.uses),
        *_invalid(facts.uses),
        *_unused(facts),
        *_bloated(facts),
        *_missing(facts),
    ]
    findings.sort(key=lambda finding: (list(Trouble).index(finding.trouble), finding.table, finding.index))
    return HealthReport(findings=tuple(findings), uses=facts.uses, stats_age=facts.stats_age)


# -- overlaps
# ---------------------------------------------------------------------------------------------------


def _overlaps(uses: Sequence[IndexUse]) -> Iterator[Finding]:
    """Each index that another one of its table can stand in for, with the strongest of those."""
    by_table: dict[int, list[IndexUse]] = {}
    for use in uses:
        if use.index.valid:
            by_table.setdefault(use.index.table_oid, []).append(use)
    for group in by_table.values():
        for use in group:
            if use.index.parent is not None:  # it goes with its parent; it may stand in for others, though
                continue
            stand_ins = [
                (trouble, other.index)
                for other in group
                if (trouble := overlap(use.index, other.index)) is not None
            ]
            if stand_ins:
                trouble, other = max(stand_ins, key=lambda pair: (_strength(pair[1]), -pair[1].oid))
                yield _overlap_finding(use, trouble, other)


def _strength(index: CatalogIndex) -> tuple[bool, bool, int, int]:
    """Which of two equivalent indexes stays: what must stay, what guards uniqueness, what covers more."""
    stays = index.protected is not None or index.clustered
    return (stays, index.unique, len(index.keys), len(index.include))


def overlap(one: CatalogIndex, other: CatalogIndex) -> Trouble | None:
    """Why `one` can go in favour of `other`, or None.

    Of two equal ones exactly one can go, so that dropping whatever is found never leaves neither.
    """
    if one.oid == other.oid or one.method != other.method or one.predicate != other.predicate:
        return None
    same, mirror = _leads(one, other)
    if not (same or mirror) or not _covers(one, other):
        return None
    whole = len(one.keys) == len(other.keys)
    if whole and set(one.include) == set(other.include):
        if one.unique == other.unique and not _yields(one, other):
            return None
        return Trouble.DUPLICATE if same else Trouble.MIRROR
    # What a constraint needs is no trouble because a wider index begins like it: neither of the two can go.
    return Trouble.REDUNDANT if one.protected is None else None


def _leads(one: CatalogIndex, other: CatalogIndex) -> tuple[bool, bool]:
    head = other.keys[: len(one.keys)]
    if one.method != "btree":
        # Only a btree is kept in order of its leading keys; other methods must have the very same keys.
        return one.keys == other.keys, False
    return one.keys == head, tuple(key.mirrored() for key in one.keys) == head


def _covers(one: CatalogIndex, other: CatalogIndex) -> bool:
    """Whether `other` also guards what `one` guards, and stores what it stores."""
    if one.constraint == "x":  # what an exclusion constraint guards is in its operators, not in its keys
        return False
    if one.unique and not (other.unique and len(one.keys) == len(other.keys)):
        return False
    if one.unique and one.nulls_not_distinct != other.nulls_not_distinct:
        return False
    if one.unique and one.immediate and not other.immediate:  # ON CONFLICT and foreign keys want the immediate one
        return False
    stored = {key.text for key in other.keys} | set(other.include)
    return set(one.include) <= stored


def _yields(one: CatalogIndex, other: CatalogIndex) -> bool:
    mine, theirs = _strength(one), _strength(other)
    return mine < theirs or (mine == theirs and one.oid > other.oid)


def _overlap_finding(use: IndexUse, trouble: Trouble, other: CatalogIndex) -> Finding:
    words = {
        Trouble.DUPLICATE: "has the same keys as",
        Trouble.MIRROR: "is read backwards by",
        Trouble.REDUNDANT: "is the leading part of",
    }
    evidence = (
        f"{use.index.ddl}",
        f"{words[trouble]} {other.ddl}",
        f"{use.scans} scans since the statistics began",
    )
    reason = f"{other.name} serves every query that it serves"
    return _drop_finding(use.index, trouble, evidence, reason, related=other.name)


def _drop_finding(
    index: CatalogIndex,
    trouble: Trouble,
    evidence: tuple[str, ...],
    reason: str,
    *,
    related: str | None = None,
) -> Finding:
    protected = index.protected
    if protected is None and index.clustered:
        protected = "its table is clustered on it"
    return Finding(
        trouble=trouble,
        table=f"{index.schema}.{index.table}",
        index=index.name,
        evidence=evidence,
        droppable=protected is None,
        reason=reason if protected is None else protected,
        remedy=_drop_sql(index) if protected is None else None,
        undo=f"{index.ddl}" if protected is None else None,
        related=related,
        size_bytes=index.size_bytes,
    )


def _drop_sql(index: CatalogIndex) -> str:
    return _drop_words(index.schema, index.name, concurrently=not index.partitioned)


def _drop_words(schema: str, name: str, *, concurrently: bool) -> str:
    return f"drop index {'concurrently ' if concurrently else ''}{_qualified(schema, name)}"


def _qualified(schema: str, name: str) -> str:
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


# -- state ---------------------------------------------------------------------------------------------------


def _invalid(uses: Iterable[IndexUse]) -> Iterator[Finding]:
    for use in uses:
        index = use.index
        # A partitioned parent is invalid until every partition has its part; a build in flight is nobody's
        # error.
        if index.valid or index.partitioned or index.in_progress:
            continue
        evidence = ("pg_index.indisvalid is false and no session builds it", index.ddl)
        found = _drop_finding(index, Trouble.INVALID, evidence, "it serves no query and slows every write")
        if index.parent is not None:  # it was attached as it is, and keeps the whole invalid
            found = replace(found, remedy=f"reindex index concurrently {_qualified(index.schema, index.name)}")
        yield found


def _unused(facts: HealthInput) -> Iterator[Finding]:
    if facts.stats_age is None or facts.stats_age < facts.min_stats_age:
        return
    guards = [(fk.schema, fk.table, frozenset(fk.columns)) for fk in facts.foreign_keys]
    scans = _total_scans(facts.uses)
    for use in facts.uses:
        index = use.index
        if scans[index.oid] or not index.valid or index.unique or index.clustered or index.protected is not None:
            continue
        if any(serves_key(index, *guard) for guard in guards):
            continue
        days = facts.stats_age / timedelta(days=1)
        evidence = (
            f"no scan in {days:.1f} days on {1 + facts.replicas} servers",
            f"{use.inserted + use.updated - use.hot_updated} entries written in that time",
        )
        yield _drop_finding(index, Trouble.UNUSED, evidence, "nothing read it; a job that runs more rarely might")


def _total_scans(uses: Iterable[IndexUse]) -> dict[int, int]:
    """Scans of each index, those of a partitioned one being the sum of its parts."""
    known = {use.index.oid: use for use in uses}
    total = dict.fromkeys(known, 0)
    for use in known.values():
        place: int | None = use.index.oid
        while place is not None and place in known:
            total[place] += use.scans
            place = known[place].index.parent
    return total


def _bloated(facts: HealthInput) -> Iterator[Finding]:
    for use in facts.uses:
        index, table = use.index, facts.tables.get(use.index.table_oid)
        if index.method != "btree" or not index.valid or index.partitioned or table is None:
            continue
        keys = [table.column(key.column or key.text) for key in index.keys]
        include = [table.column(name.strip('"')) for name in index.include]
        rows = _entries(use, table)
        if rows is None or (rows and not all(column.known for column in (*keys, *include))):
            continue
        fresh = btree_bytes(rows, keys, include)
        wasted = index.size_bytes - fresh
        if index.size_bytes / fresh < _BLOAT_RATIO or wasted < _BLOAT_BYTES:
            continue
        yield Finding(
            trouble=Trouble.BLOATED,
            table=f"{index.schema}.{index.table}",
            index=index.name,
            evidence=(f"{index.size_bytes} bytes, about {fresh:.0f} when built anew over {rows:.0f} rows",),
            droppable=False,
            reason="it is needed, but smaller: rebuild it",
            remedy=f"reindex index concurrently {_qualified(index.schema, index.name)}",
            size_bytes=index.size_bytes,
        )


def _entries(use: IndexUse, table: TableFacts) -> float | None:
    """How many entries an index has, or None: what was counted before a load, which is in new pages, is old."""
    counted = use.index_rows if use.index_rows >= 0 else table.rows or None
    grown = max(1.0, use.heap_pages / table.pages)
    return None if counted is None or grown > (_GROWN if counted else 1.0) else counted * grown


# -- foreign keys
# -----------------------------------------------------------------------------------------------


def _missing(facts: HealthInput) -> Iterator[Finding]:
    indexes = [use.index for use in facts.uses]
    for fk in facts.foreign_keys:
        columns = frozenset(fk.columns)
        if any(serves_key(index, fk.schema, fk.table, columns) for index in indexes):
            continue
        index = Index(fk.table, tuple(_column_keys(fk.columns)), schema=fk.schema)
        yield Finding(
            trouble=Trouble.MISSING_FK,
            table=f"{fk.schema}.{fk.table}",
            index="",
            evidence=(
                f"{fk.name}: ({', '.join(fk.columns)}) refers to {fk.referenced}",
                "no index begins with those columns",
            ),
            droppable=False,
            reason=f"deleting from {fk.referenced} or changing its key reads all of {fk.table}",
            missing=index,
            remedy=index.to_sql(concurrently=not fk.partitioned),
            undo=_drop_words(fk.schema, index.effective_name, concurrently=not fk.partitioned),
        )


def _column_keys(columns: Iterable[str]) -> Iterator[Key]:
    return (Key(column=column) for column in columns)


def serves_key(index: CatalogIndex, schema: str, table: str, columns: frozenset[str]) -> bool:
    """Whether a look-up by these columns can use the index: they are its leading keys, in any order."""
    if (index.schema, index.table) != (schema, table) or not index.valid or index.method not in ("btree", "hash"):
        return False
    if index.predicate is not None and not _only_not_null(index.predicate, columns):
        return False
    head = index.keys[: len(columns)]
    # What the server compares for a foreign key, it compares in the column's own collation.
    return columns == frozenset(key.column or key.text for key in head) and not any(k.recollated for k in head)


def _only_not_null(predicate: str, columns: frozenset[str]) -> bool:
    parts = split_top(stripped(tokenize(predicate)), "and")
    return all(_is_not_null(stripped(part), columns) for part in parts)


def _is_not_null(part: tuple[Token, ...], columns: frozenset[str]) -> bool:
    words = [token.value for token in part]
    return words[1:] == ["is", "not", "null"] and words[0] in columns
