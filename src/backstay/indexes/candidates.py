"""From what plans ask of relations to indexes that might serve them. Pure.

Each access is read as a partial order: columns compared for equality in any order, then one range, or the
order that is wanted. Which of the equal columns comes first is decided over all queries at once, so that one
index can serve several of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from backstay.errors import InvalidIndex

from .conditions import SortKey, Term, Use, plain_text
from .declared import Index, Key
from .plans import Access
from .sizes import ItemSample, TableFacts, brin_bytes, btree_bytes, gin_bytes, gist_bytes

_MAX_KEYS = 4
_MAX_INCLUDED = 4
_MAX_WIDTH = 120.0  # bytes of an entry; wider ones fill pages faster than they save reads
_FEW_VALUES = 50  # a column with at most so many values may have its constants in a predicate
_RARE = 0.2  # a predicate must leave out at least four rows in five to be worth an index of its own
_RARE_CONSTANT = 0.1  # and nine in ten if it is about one value of many: other values may be asked for tomorrow
_MIN_PAGES = 4  # a table that is read in so many pages needs no index
_BRIN_PAGES = 4096
_BRIN_CORRELATION = 0.95
_TEXTS = ("text", "character varying", "character")
_NETWORKS = ("inet", "cidr")  # GiST knows them by an operator class that is not the default
_SPATIAL = ("point", "box", "circle", "polygon", *_NETWORKS)
_NEAREST_COST = 100.0  # of the first few rows by distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An index that might pay, what it was derived from, and how big it would be.

    `subjects` are its key columns and expressions in order. `by_rule` marks the methods that cannot be asked
    about (GIN, GiST); `saves` is then the cost that it saves each query.
    """

    index: Index
    table: tuple[str, str]
    subjects: tuple[str, ...]
    size_bytes: float
    origin: str = field(compare=False, default="")
    predicate_only: bool = field(compare=False, default=False)
    by_rule: bool = field(compare=False, default=False)
    saves: Mapping[str, float] = field(compare=False, default_factory=dict[str, float], hash=False)

    def __hash__(self) -> int:
        return hash((self.table, self.subjects, self.index.include, self.index.where, self.index.method))

    @property
    def definition(self) -> str:
        """The definition without its name."""
        return f"{self.table[0]}.{self.table[1]} {self.index.body_sql()}"


@dataclass(slots=True)
class Harvest:
    """Accesses of all queries, by the root table that they concern."""

    tables: Mapping[tuple[str, str], TableFacts]
    roots: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict[tuple[str, str], tuple[str, str]])
    has_trigram: bool = False
    samples: Mapping[tuple[tuple[str, str], Key], ItemSample] = field(
        default_factory=dict[tuple[tuple[str, str], Key], ItemSample]
    )
    """What rows hold of what a GIN index would keep, by table and key."""
    frequency: Counter[tuple[tuple[str, str], str]] = field(default_factory=Counter[tuple[tuple[str, str], str]])

    def root(self, access: Access) -> tuple[str, str]:
        """The table that an index is declared on: the top of a partition tree."""
        name = (access.schema, access.table)
        return self.roots.get(name, name)

    def note(self, accesses: Iterable[Access]) -> None:
        """Count how many accesses compare each column for equality: shared ones come first in an index."""
        for access in accesses:
            table = self.root(access)
            for subject in {term.subject for term in access.terms if term.use in (Use.EQUAL, Use.NULL)}:
                self.frequency[table, subject] += 1

    def candidates(self, access: Access) -> list[Candidate]:
        """Every candidate for one access, without repetition."""
        facts = self.tables.get(self.root(access))
        if facts is None or (facts.pages < _MIN_PAGES and not facts.partitioned):
            return []
        found: dict[tuple[object, ...], Candidate] = {}
        for shape in _Shapes(self, access, facts).all():
            key = (
                shape.subjects,
                shape.index.keys,
                shape.index.include,
                shape.index.where,
                shape.index.method,
            )
            found.setdefault(key, shape)
        return list(found.values())


def _key(subject: str, is_column: bool, **options: object) -> Key:
    if is_column:
        return Key(column=subject, **options)  # type: ignore[arg-type]
    return Key(expression=subject, **options)  # type: ignore[arg-type]


class _Shapes:
    """The candidates of one access."""

    def __init__(self, harvest: Harvest, access: Access, facts: TableFacts) -> None:
        self.harvest = harvest
        self.access = access
        self.facts = facts
        self.table = harvest.root(access)
        plain = [term for term in access.terms if not term.branch]
        self.columns = {term.subject: term.is_column for term in access.terms}
        self.columns.update({key.subject: key.is_column for key in (*access.order, *access.group)})
        self.filters = self._ordered(t.subject for t in plain if t.use in (Use.EQUAL, Use.NULL) and not t.join)
        self.joins = self._ordered(t.subject for t in plain if t.use is Use.EQUAL and t.join)
        self.ranges = list(dict.fromkeys(t.subject for t in plain if t.use is Use.RANGE))

    def _ordered(self, subjects: Iterable[str]) -> list[str]:
        def rank(subject: str) -> tuple[int, float, str]:
            distinct = self.facts.column(subject).distinct_of(max(self.facts.rows, 1.0))
            return (-self.harvest.frequency[self.table, subject], -distinct, subject)

        return sorted(set(subjects), key=rank)

    def all(self) -> Iterator[Candidate]:
        """Plain, covering and partial btrees; then what other methods can do."""
        for keys in self._key_lists():
            yield from self._with_covering(keys, None)
        for predicate, subject in self._predicates():
            rest = [keys for keys in self._key_lists(without=subject) if keys]
            for keys in rest or [(_key(subject, self.columns.get(subject, True)),)]:
                yield from self._with_covering(keys, predicate, subject)
        yield from self._branches()
        yield from self._patterns()
        yield from self._members()
        yield from self._spatial()
        yield from self._brin()

    def _key_lists(self, without: str | None = None) -> Iterator[tuple[Key, ...]]:
        filters = [subject for subject in self.filters if subject != without]
        joins = [subject for subject in self.joins if subject != without]
        heads = [filters, [*filters, *joins], [*joins, *filters], joins, *([one] for one in (*joins, *filters))]
        if len(filters) > 1:
            by_selectivity = sorted(
                filters, key=lambda s: -self.facts.column(s).distinct_of(max(self.facts.rows, 1))
            )
            heads.append(by_selectivity)
        for head in [*heads, []]:
            for tail in self._tails(set(head) | {without or ""}):
                keys = (*(_key(s, self.columns.get(s, True)) for s in dict.fromkeys(head)), *tail)
                if keys and len(keys) <= _MAX_KEYS:
                    yield keys

    def _tails(self, used: set[str]) -> Iterator[tuple[Key, ...]]:
        yield ()
        yield from self._range_tails(used)
        order = [key for key in self.access.order if key.subject not in used]
        if order and not any(key.nearest for key in order):
            yield _order_keys(order)
            for subject in self.ranges:
                if subject not in used and all(key.subject != subject for key in order):
                    yield (*_order_keys(order), _key(subject, self.columns[subject]))
        group = [key for key in self.access.group if key.subject not in used]
        extremes = [Key(column=subject) for subject in self.access.extremes if subject not in used]
        if group:
            yield _order_keys(group)
            for extreme in extremes:
                yield (*_order_keys(group), extreme)
        for extreme in extremes:
            yield (extreme,)

    def _range_tails(self, used: set[str]) -> Iterator[tuple[Key, ...]]:
        ranges = [_key(subject, self.columns[subject]) for subject in self.ranges if subject not in used]
        for key in ranges:
            yield (key,)
        if len(ranges) == 2:  # the second one is compared in the index as well, entry by entry
            yield tuple(ranges)
            yield tuple(reversed(ranges))

    def _with_covering(
        self, keys: tuple[Key, ...], predicate: tuple[str, float] | None, about: str = ""
    ) -> Iterator[Candidate]:
        yield from self._make(keys, (), predicate)
        held = {key.column for key in keys if key.column is not None}
        # The column of a predicate need not be in the index to be answered from it.
        for spared in (frozenset([about]), frozenset[str]()) if about else (frozenset[str](),):
            rest = sorted((self.access.needed & self.facts.columns.keys()) - held - spared)
            if rest and len(rest) <= _MAX_INCLUDED and not self._is_whole_table(held | {*rest}):
                width = sum(self.facts.column(name).width for name in (*held, *rest) if name)
                if width <= _MAX_WIDTH:
                    yield from self._make(keys, tuple(rest), predicate)

    def _is_whole_table(self, columns: Collection[str | None]) -> bool:
        """Whether an index would hold every column of a table that is more than a pair of keys: a second copy."""
        return len(self.facts.columns) > 2 and self.facts.columns.keys() <= set(columns)

    def _make(
        self,
        keys: tuple[Key, ...],
        include: tuple[str, ...] = (),
        predicate: tuple[str, float] | None = None,
        *,
        method: str = "btree",
        saves: Mapping[str, float] | None = None,
        origin: str = "",
    ) -> Iterator[Candidate]:
        schema, table = self.table
        try:
            index = Index(
                table,
                keys,
                include=include,
                where=predicate[0] if predicate else None,
                method=method,
                schema=schema,
            )
        except InvalidIndex:
            return
        facts = [self.facts.column(key.subject) for key in keys]
        included = [self.facts.column(name) for name in include]
        if any(not fact.fixed and fact.width > 600 for fact in facts) and method == "btree":
            return
        if any(fact.type in ("json", "jsonb", "xml", "point", "tsvector") for fact in facts) and method == "btree":
            return
        sizes = {
            "btree": lambda: btree_bytes(
                self.facts.rows, facts, included, fraction=predicate[1] if predicate else 1
            ),
            "gin": lambda: gin_bytes(
                self.facts.rows,
                self.facts.pages,
                facts[0],
                trigrams=keys[0].opclass == "gin_trgm_ops",
                sample=self.harvest.samples.get((self.table, keys[0])),
            ),
            "gist": lambda: gist_bytes(self.facts.rows, facts),
            "brin": lambda: brin_bytes(self.facts.pages, facts),
        }
        yield Candidate(
            index=index,
            table=self.table,
            subjects=tuple(key.subject for key in keys),
            size_bytes=sizes[method](),
            origin=origin or self._origin(),
            by_rule=saves is not None,
            saves=saves or {},
        )

    def _origin(self) -> str:
        conditions = "; ".join(dict.fromkeys(term.text for term in self.access.terms))
        order = ", ".join(key.subject + (" desc" if key.desc else "") for key in self.access.order)
        parts = [f"{self.access.node} on {self.access.table} as {self.access.alias}", conditions]
        return ": ".join(part for part in (*parts, f"sorted by {order}" if order else "") if part)

    # -- predicates
    # -------------------------------------------------------------------------------------------

    def _predicates(self) -> Iterator[tuple[tuple[str, float], str]]:
        """Predicates with the fraction of rows that they leave, and the subject that they are about."""
        for term in self.access.terms:
            if term.branch or not term.is_column or term.subject not in self.facts.columns:
                continue
            found = self._predicate(term)
            if found is not None and found[1] <= _RARE:
                yield found, term.subject

    def _predicate(self, term: Term) -> tuple[str, float] | None:
        fact = self.facts.column(term.subject)
        name = Key(column=term.subject).to_sql()
        match term.use:
            case Use.NULL:
                return f"{name} is null", fact.null_fraction
            case Use.NOT_NULL:
                return f"{name} is not null", 1.0 - fact.null_fraction
            case Use.TRUE:
                return name, self._share(term, "t")
            case Use.FALSE:
                return f"not {name}", self._share(term, "f")
            case Use.EQUAL if term.literal is not None and not term.join:
                # Only where the constant belongs to the statement's meaning (a status), never one of many
                # values: an index for one user's name would serve that user alone.
                few = fact.known and fact.distinct_of(max(self.facts.rows, 1.0)) <= _FEW_VALUES
                share = self._share(term, plain_text(term.literal))
                return (f"{name} = {term.literal}", share) if few and share <= _RARE_CONSTANT else None
            case _:
                return None

    def _share(self, term: Term, value: str) -> float:
        """The fraction of rows with this value, by the statistics; a value that they miss is rare."""
        fact = self.facts.column(term.subject)
        if not fact.common:
            return 1.0
        # A char(n) is padded in the statistics and not in the condition.
        found = {text.rstrip(): share for text, share in fact.common.items()} if fact.padded else fact.common
        return found.get(
            value.rstrip() if fact.padded else value,
            max(0.001, 1.0 - fact.null_fraction - sum(fact.common.values())),
        )

    # -- other shapes
    # -----------------------------------------------------------------------------------------

    def _branches(self) -> Iterator[Candidate]:
        for term in self.access.terms:
            if term.branch and term.use in (Use.EQUAL, Use.RANGE, Use.NULL):
                yield from self._make((_key(term.subject, term.is_column),))

    def _patterns(self) -> Iterator[Candidate]:
        for term in self.access.terms:
            if term.use is Use.PREFIX:
                yield from self._make((_key(term.subject, term.is_column, opclass="text_pattern_ops"),))
            elif term.use is Use.CONTAINS and self.harvest.has_trigram:
                key = _key(term.subject, term.is_column, opclass="gin_trgm_ops")
                yield from self._make((key,), method="gin", saves=self._saved())

    def _members(self) -> Iterator[Candidate]:
        for term in self.access.terms:
            kind = self.facts.column(term.subject).type
            if term.use is not Use.MEMBER or term.join:
                continue
            if not term.is_column or kind in ("jsonb", "tsvector") or kind.endswith("[]"):
                only_contains = "@>" in term.text and "?" not in term.text
                opclass = "jsonb_path_ops" if kind == "jsonb" and only_contains else None
                key = _key(term.subject, term.is_column, opclass=opclass)
                yield from self._make((key,), method="gin", saves=self._saved())

    def _spatial(self) -> Iterator[Candidate]:
        """Ranges, places and networks: what contains, overlaps, or is nearest."""
        nearest = [key for key in self.access.order[:1] if key.nearest and self.access.limited]
        asked = [(term.subject, self._saved()) for term in self.access.terms if self._is_asked_of(term)]
        # Where there is a filter, so many more have to be looked at until enough of the nearest ones pass it.
        share = min(1.0, self.access.rows / max(self.facts.rows, 1.0)) if self.access.terms else 1.0
        asked += [(k.subject, {"": max(0.0, self.access.cost - _NEAREST_COST / max(share, 1e-9))}) for k in nearest]
        for subject, saves in asked:
            kind = self.facts.column(subject).type
            if kind.endswith("range") or kind in _SPATIAL:
                key = Key(column=subject, opclass="inet_ops" if kind in _NETWORKS else None)
                yield from self._make((key,), method="gist", saves=saves)

    def _is_asked_of(self, term: Term) -> bool:
        return term.use in (Use.MEMBER, Use.BESIDE) and term.is_column and not term.join

    def _saved(self) -> dict[str, float]:
        # A look-up reads the posting lists, then the rows that match: about four units each, from scattered
        # pages.
        return {"": max(0.0, self.access.cost - (60.0 + 1.5 * self.access.rows))}

    def _brin(self) -> Iterator[Candidate]:
        for subject in self.ranges:
            fact = self.facts.column(subject)
            if self.facts.pages >= _BRIN_PAGES and abs(fact.correlation) >= _BRIN_CORRELATION:
                yield from self._make((_key(subject, self.columns[subject]),), method="brin")


def _order_keys(order: Sequence[SortKey]) -> tuple[Key, ...]:
    """The keys of an order, ascending where reading backwards gives the same."""
    backward = all(key.desc and key.nulls_first for key in order)
    if backward:
        return tuple(_key(key.subject, key.is_column) for key in order)
    return tuple(_key(key.subject, key.is_column, desc=key.desc, nulls=_nulls(key)) for key in order)


def _nulls(key: SortKey) -> str | None:
    if key.desc == key.nulls_first:
        return None
    return "first" if key.nulls_first else "last"


def subjects_of(access: Access) -> frozenset[str]:
    """Every column and expression that an index on this relation could lead with."""
    return frozenset(
        [term.subject for term in access.terms]
        + [key.subject for key in (*access.order, *access.group)]
        + access.extremes
    )
