"""From what plans ask of relations to indexes that might serve them. Pure.

Each access is read as a partial order: columns compared for equality in any order, then one range, or the
order that is wanted. Which of the equal columns comes first is decided over all queries at once, so that one
index can serve several of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from backstay.errors import InvalidIndex

from .candidates import Candidate, Saving
from .conditions import Term, Use
from .declared import Index, Key
from .inverted import ItemSample, gin_bytes
from .keys import key_of, order_keys
from .plans import Access
from .predicates import RARE, Predicate, predicates, share_left
from .sizes import TableFacts, brin_bytes, btree_bytes, gist_bytes

_MAX_KEYS = 4
_MAX_INCLUDED = 4
_MAX_WIDTH = 120.0  # bytes of an entry; wider ones fill pages faster than they save reads
_IN_KEYS = (Use.EQUAL, Use.RANGE, Use.NULL, Use.TRUE, Use.FALSE)
_TELLING = 0.5  # a filter leaves out at least every other row
_NOT_ALL = 0.75  # what a predicate may leave of a table with an index that was bad for another query
_MIN_PAGES = 4  # a table that is read in so many pages needs no index
_BRIN_PAGES = 1024
_IN_ORDER = 0.95  # the correlation of a column with the table's own order
_DOCUMENTS = ("json", "jsonb", "xml", "tsvector")  # and arrays: a copy of them is no index
_NETWORKS = ("inet", "cidr")  # GiST knows them by an operator class that is not the default
_SPATIAL = ("point", "box", "circle", "polygon", *_NETWORKS)
_NEAREST_COST = 100.0  # of the first few rows by distance


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
    lured: frozenset[tuple[str, str]] = frozenset()
    """Tables with an index that lured a query into what was slower: a partial one lures only who may use it."""
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

    def asked(self, accesses: Iterable[Access]) -> frozenset[tuple[tuple[str, str], str]]:
        """What rows are found by, with its table: compared with constants, or the order of the first few."""
        return frozenset(
            (self.root(access), subject)
            for access in accesses
            for subject in (
                *(t.subject for t in access.terms if t.use is Use.EQUAL and not t.join and not t.branch),
                *(key.subject for key in access.order if access.limited),
            )
        )

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
        # Some leave out next to nothing, and only take up room in a key: what is not deleted, say.
        telling = {t.subject for t in plain if share_left(t, facts) <= _TELLING}
        self.telling = [subject for subject in self.filters if subject in telling]
        self.joins = self._ordered(t.subject for t in plain if t.use is Use.EQUAL and t.join)
        # What one relation brings all at once: a key of several columns.
        joins = [term for term in plain if term.use is Use.EQUAL and term.other]
        brought = {term.other: self._ordered(t.subject for t in joins if t.other == term.other) for term in joins}
        self.composite = [each for each in brought.values() if len(each) > 1]
        self.flags = list(dict.fromkeys(t.subject for t in plain if t.use in (Use.TRUE, Use.FALSE)))
        self.ranges = list(dict.fromkeys(t.subject for t in plain if t.use is Use.RANGE or self._is_within(t)))
        self.prefixes = list(dict.fromkeys(t.subject for t in plain if t.use is Use.PREFIX))

    def _ordered(self, subjects: Iterable[str]) -> list[str]:
        def rank(subject: str) -> tuple[int, float, str]:
            distinct = self.facts.column(subject).distinct_of(max(self.facts.rows, 1.0))
            return (-self.harvest.frequency[self.table, subject], -distinct, subject)

        return sorted(set(subjects), key=rank)

    def all(self) -> Iterator[Candidate]:
        """Plain, covering and partial btrees; then what other methods can do."""
        for keys in self._key_lists():
            yield from self._with_covering(keys, None)
        rare = _NOT_ALL if self.table in self.harvest.lured else RARE
        for predicate in predicates(self.access.terms, self.facts, rare):
            rest = [keys for keys in self._key_lists(without=predicate.subject) if keys]
            for keys in rest or self._carriers(predicate):
                yield from self._with_covering(keys, predicate)
        yield from self._branches()
        yield from self._patterns()
        yield from self._members()
        yield from self._spatial()
        yield from self._brin()

    def _carriers(self, predicate: Predicate) -> list[tuple[Key, ...]]:
        """Keys for a predicate that says all: its subject, or what keeps the entries in the order of the rows.

        Not for one constant of several: the subject's own index serves the others as well.
        """
        own: list[tuple[Key, ...]] = [(Key(column=predicate.subject),)] if predicate.subject else []
        kept = [fact for fact in self.facts.columns.values() if fact.not_null and fact.fixed]
        first = max(kept, key=lambda fact: abs(fact.correlation), default=None)
        if first is None or (own and (abs(first.correlation) < _IN_ORDER or " = " in predicate.text)):
            return own
        return list(dict.fromkeys((*own, (Key(column=first.name),))))

    def _key_lists(self, without: str | None = None) -> Iterator[tuple[Key, ...]]:
        filters = [subject for subject in self.filters if subject != without]
        joins = [subject for subject in self.joins if subject != without]
        telling = [subject for subject in self.telling if subject != without]
        heads = [
            filters,
            telling,
            [*filters, *joins],
            [*joins, *filters],
            joins,
            *([one] for one in (*joins, *filters)),
            *([subject for subject in each if subject != without] for each in self.composite),
        ]
        # A flag alone is for a predicate to tell; beside a filter it halves what is left of that.
        if telling and (flags := [subject for subject in self.flags if subject != without]):
            heads += [[*telling, *flags], [*filters, *flags]]
        if len(filters) > 1:
            by_selectivity = sorted(
                filters, key=lambda s: -self.facts.column(s).distinct_of(max(self.facts.rows, 1))
            )
            heads.append(by_selectivity)
        for head in [*heads, []]:
            for tail in self._tails(set(head) | {without or ""}):
                keys = (*(key_of(s, self.columns.get(s, True)) for s in dict.fromkeys(head)), *tail)
                if keys and len(keys) <= _MAX_KEYS:
                    yield keys

    def _tails(self, used: set[str]) -> Iterator[tuple[Key, ...]]:
        yield ()
        yield from self._range_tails(used)
        order = [key for key in self.access.order if key.subject not in used]
        if order and not any(key.nearest for key in order):
            yield order_keys(order)
            for subject in self.ranges:
                if subject not in used and all(key.subject != subject for key in order):
                    yield (*order_keys(order), key_of(subject, self.columns[subject]))
        group = [key for key in self.access.group if key.subject not in used]
        extremes = [Key(column=subject) for subject in self.access.extremes if subject not in used]
        if group:
            yield order_keys(group)
            for extreme in extremes:
                yield (*order_keys(group), extreme)
        for extreme in extremes:
            yield (extreme,)

    def _range_tails(self, used: set[str]) -> Iterator[tuple[Key, ...]]:
        # A network alone is found faster by GiST.
        asked = [s for s in self.ranges if used - {""} or self.facts.column(s).type not in _NETWORKS]
        ranges = [key_of(subject, self.columns[subject]) for subject in asked if subject not in used]
        for key in ranges:
            yield (key,)
        if len(ranges) == 2:  # the second one is compared in the index as well, entry by entry
            yield tuple(ranges)
            yield tuple(reversed(ranges))
        for subject in self.prefixes:
            # How many texts begin alike is guessed badly: where rows are found by something else, behind that.
            if subject not in used and (used - {""} or not self.telling):
                yield (key_of(subject, self.columns[subject], opclass="text_pattern_ops"),)

    def _with_covering(self, keys: tuple[Key, ...], predicate: Predicate | None) -> Iterator[Candidate]:
        yield from self._make(keys, (), predicate)
        if any(
            key.opclass for key in keys
        ):  # how many texts begin alike is guessed: too little to copy columns for
            return
        held = {key.column for key in keys if key.column is not None}
        # The columns of a predicate need not be in the index to be answered from it.
        about = predicate.columns if predicate else frozenset[str]()
        for spared in dict.fromkeys((about, frozenset[str]())):
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
        predicate: Predicate | None = None,
        *,
        method: str = "btree",
        saves: Saving | None = None,
        origin: str = "",
    ) -> Iterator[Candidate]:
        schema, table = self.table
        try:
            index = Index(
                table,
                keys,
                include=include,
                where=predicate.text if predicate else None,
                method=method,
                schema=schema,
            )
        except InvalidIndex:
            return
        facts = [self.facts.column(key.subject) for key in keys]
        included = [self.facts.column(name) for name in include]
        if any(not fact.fixed and fact.width > 600 for fact in facts) and method == "btree":
            return
        if any(fact.type in (*_DOCUMENTS, "point") for fact in facts) and method == "btree":
            return
        if any(fact.type in _DOCUMENTS or fact.type.endswith("[]") for fact in included):
            return
        sizes = {
            "btree": lambda: btree_bytes(
                self.facts.rows,
                facts,
                included,
                fraction=predicate.share if predicate else 1,
                together=self.facts.combinations.get(frozenset(key.subject for key in keys)),
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
            saves={} if saves is None else {"": saves},
        )

    def _origin(self) -> str:
        conditions = "; ".join(dict.fromkeys(term.text for term in self.access.terms))
        order = ", ".join(key.subject + (" desc" if key.desc else "") for key in self.access.order)
        parts = [f"{self.access.node} on {self.access.table} as {self.access.alias}", conditions]
        return ": ".join(part for part in (*parts, f"sorted by {order}" if order else "") if part)

    # -- other shapes ---------------------------------------------------------------------------------------

    def _branches(self) -> Iterator[Candidate]:
        """For each arm of an OR what it asks by itself, and beside what is asked of every row."""
        arms: dict[tuple[str, int], list[Term]] = {}
        for term in self.access.terms:
            if term.branch and term.use in _IN_KEYS:
                yield from self._make((key_of(term.subject, term.is_column),))
                arms.setdefault((term.text, term.branch), []).append(term)
        for arm in arms.values():
            equal = self._ordered(term.subject for term in arm if term.use is not Use.RANGE)
            ranges = dict.fromkeys(term.subject for term in arm if term.use is Use.RANGE)
            for head in ([], self.filters):
                for tail in ((), *((subject,) for subject in ranges)):
                    subjects = dict.fromkeys((*head, *equal, *tail))
                    if 1 < len(subjects) <= _MAX_KEYS:
                        yield from self._make(tuple(key_of(s, self.columns[s]) for s in subjects))

    def _patterns(self) -> Iterator[Candidate]:
        for term in self.access.terms:
            if term.use is Use.PREFIX and term.branch:
                yield from self._make((key_of(term.subject, term.is_column, opclass="text_pattern_ops"),))
            elif term.use is Use.CONTAINS and self.harvest.has_trigram:
                key = key_of(term.subject, term.is_column, opclass="gin_trgm_ops")
                yield from self._make((key,), method="gin", saves=self._saved(term))

    def _members(self) -> Iterator[Candidate]:
        for term in self.access.terms:
            fact = self.facts.column(term.subject)
            kind, is_guess = fact.type, not term.is_column and not fact.known
            if term.use is not Use.MEMBER or term.join or (kind == "jsonb" and term.op == "<@"):
                continue
            if is_guess or kind in ("jsonb", "tsvector") or kind.endswith("[]"):
                by_path = kind == "jsonb" and term.op in ("@>", "@@", "@?")
                key = key_of(term.subject, term.is_column, opclass="jsonb_path_ops" if by_path else None)
                yield from self._make((key,), method="gin", saves=self._saved(term))

    def _spatial(self) -> Iterator[Candidate]:
        """Ranges, places and networks: what contains, overlaps, or is nearest."""
        nearest = [key for key in self.access.order[:1] if key.nearest and self.access.limited]
        asked = [(term.subject, self._saved(term)) for term in self.access.terms if self._is_asked_of(term)]
        # Where there is a filter, so many more have to be looked at until enough of the nearest ones pass it.
        share = min(1.0, self.access.rows / max(self.facts.rows, 1.0)) if self.access.terms else 1.0
        asked += [(key.subject, self._saving(_NEAREST_COST / max(share, 1e-9))) for key in nearest]
        for subject, saves in asked:
            kind = self.facts.column(subject).type
            if kind.endswith("range") or kind in _SPATIAL:
                key = Key(column=subject, opclass="inet_ops" if kind in _NETWORKS else None)
                yield from self._make((key,), method="gist", saves=saves)

    def _is_within(self, term: Term) -> bool:
        """Whether an address is asked for by the network that it is in: a btree reads that as a range."""
        return term.op in ("<<", "<<=") and self.facts.column(term.subject).type in _NETWORKS

    def _is_asked_of(self, term: Term) -> bool:
        return term.use in (Use.MEMBER, Use.BESIDE) and term.is_column and not term.join

    def _saved(self, term: Term) -> Saving:
        # A look-up reads the posting lists, then the rows that match: about four units each, from scattered
        # pages. What other columns are compared with is only known of a row when it has been read.
        others = {
            t.subject: t for t in self.access.terms if not t.branch and not t.join and t.subject != term.subject
        }
        share = math.prod(share_left(other, self.facts) for other in others.values())
        return self._saving(60.0 + 1.5 * min(self.facts.rows, self.access.rows / max(share, 1e-9)))

    def _saving(self, left: float) -> Saving:
        return Saving(max(0.0, self.access.cost - left), left)

    def _brin(self) -> Iterator[Candidate]:
        for subject in self.ranges:
            fact = self.facts.column(subject)
            if self.facts.pages >= _BRIN_PAGES and abs(fact.correlation) >= _IN_ORDER:
                yield from self._make((key_of(subject, self.columns[subject]),), method="brin")
