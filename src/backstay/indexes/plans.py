"""A plan of the server, read into what each relation in it is asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .conditions import SortKey, Term, Use, columns_in, names_in, read_sort_key, read_terms

CONDITIONS = (
    "Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "One-Time Filter",
)  # fmt: skip
"""Where a node of a plan has conditions."""
_PASS_ON = ("Limit", "LockRows", "Sort", "Incremental Sort")  # ask for no more rows than they are asked for
_INDEX_SCANS = {"Index Scan", "Index Only Scan"}
_ORDERED = {"Limit", "Aggregate", "Group", "Unique", "WindowAgg"}  # can make use of rows that come in order
_KEEPS_ROWS = {"Materialize", "Hash", "Sort", "Incremental Sort"}  # and asks for them once, in whatever loop
_EXTREME = re.compile(r"^(?:PARTIAL )?(?:min|max)\(([\w.\"]+)\)$")
Node = Mapping[str, Any]
Table = tuple[str, str]
"""A schema and a table in it."""


@dataclass(slots=True)
class Access:
    """What one relation of a plan is asked for.

    `order` is what its rows must be sorted by, when one relation alone decides that; `limited` says that not
    all of them are wanted. `needed` are the columns that anything above the scan reads.
    """

    schema: str
    table: str
    alias: str
    node: str
    cost: float
    rows: float
    terms: list[Term] = field(default_factory=list[Term])
    order: tuple[SortKey, ...] = ()
    group: tuple[SortKey, ...] = ()
    extremes: list[str] = field(default_factory=list[str])
    needed: set[str] = field(default_factory=set[str])
    limited: bool = False

    @property
    def expressions(self) -> list[str]:
        """Those of the subjects that are no columns."""
        compared = [term.subject for term in self.terms if not term.is_column and term.use is not Use.OWN]
        return [*compared, *(key.subject for key in (*self.order, *self.group) if not key.is_column)]

    @property
    def subjects(self) -> frozenset[str]:
        """Every column and expression that an index on this relation could lead with."""
        sorted_by = (key.subject for key in (*self.order, *self.group))
        return frozenset([*(term.subject for term in self.terms), *sorted_by, *self.extremes])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """A plan: its cost, the indexes it uses, and what each relation is asked for."""

    cost: float
    accesses: tuple[Access, ...]
    indexes: frozenset[str]
    writes_to: str | None = None
    operation: str | None = None
    rows: float = 1.0
    hides_order: bool = False
    """Whether rows may come out of an index in the order that is wanted: then no sort tells of it."""

    def learn_order(self, bare: PlanFacts) -> None:
        """Take from a plan without index scans in which order rows are wanted."""
        known = {access.alias: access for access in bare.accesses}
        for access in self.accesses:
            told = known.get(access.alias)
            if told is not None:
                access.order, access.group = access.order or told.order, access.group or told.group
                access.limited = access.limited or told.limited
                access.extremes = access.extremes or told.extremes


def nodes(plan: Node) -> Iterator[Node]:
    """A node and everything below it, from the top."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def runs(plan: Node) -> Iterator[tuple[Node, float]]:
    """Every node and how often it is run: less than once if only a part of what it could bring is wanted."""
    yield plan, 1.0
    for child in plan.get("Plans", ()):
        times = _repeated(plan, child)
        for node, within in runs(child):
            yield node, times * within


def _repeated(node: Node, child: Node) -> float:
    """How often a child is run for one run of the node."""
    relation = child.get("Parent Relationship")
    if relation == "SubPlan":
        hashed = any(f"hashed {child.get('Subplan Name', '')}" in str(node.get(name, "")) for name in CONDITIONS)
        return 1.0 if hashed else max(1.0, float(node["Plan Rows"]))
    if node["Node Type"] == "Merge Join":  # may be at its end before its sides are
        sides = sum(float(side["Total Cost"]) for side in node["Plans"])
        return min(1.0, float(node["Total Cost"]) / sides) if sides > 0 else 1.0
    if node["Node Type"] == "Limit" and child["Total Cost"] > 0:
        # What sorts first has done all that is below it by then.
        return min(1.0, float(node["Total Cost"]) / float(child["Total Cost"]))
    if node["Node Type"] != "Nested Loop" or relation != "Inner" or child["Node Type"] in _KEEPS_ROWS:
        return 1.0
    outer = node["Plans"][0]
    times = max(1.0, float(outer["Plan Rows"]))
    if child["Node Type"] == "Memoize" and child["Total Cost"] > 0:
        # What it remembers is not looked up again: the loop's own cost tells how often it has to be.
        times = min(times, max(1.0, (node["Total Cost"] - outer["Total Cost"]) / child["Total Cost"]))
    return times


def read_plan(explained: Sequence[Node]) -> PlanFacts:
    """The facts of one ``EXPLAIN (VERBOSE, FORMAT JSON)``."""
    plan: Node = explained[0]["Plan"]
    accesses: dict[str, Access] = {}
    for node in nodes(plan):
        if "Relation Name" in node and node["Node Type"] != "ModifyTable":
            access = Access(
                schema=node.get("Schema", ""),
                table=node["Relation Name"],
                alias=node.get("Alias", node["Relation Name"]),
                node=node["Node Type"],
                cost=node["Total Cost"],
                rows=node["Plan Rows"],
            )
            accesses.setdefault(access.alias, access)
    for node in nodes(plan):
        _note_conditions(node, accesses)
        _note_output(node, node is plan, accesses)
    _note_order(plan, accesses, limited=False)
    kinds = {node["Node Type"] for node in nodes(plan)}
    modifies = plan if plan["Node Type"] == "ModifyTable" else None
    return PlanFacts(
        cost=plan["Total Cost"],
        accesses=tuple(accesses.values()),
        indexes=frozenset(node["Index Name"] for node in nodes(plan) if "Index Name" in node),
        writes_to=None if modifies is None else f"{modifies.get('Schema', '')}.{modifies['Relation Name']}",
        operation=None if modifies is None else modifies["Operation"],
        rows=_rows_written(modifies) if modifies is not None else plan["Plan Rows"],
        hides_order=bool(kinds & _INDEX_SCANS and kinds & _ORDERED),
    )


def _rows_written(modifies: Node) -> float:
    return max((child["Plan Rows"] for child in modifies.get("Plans", ())), default=1.0)


def _note_conditions(node: Node, accesses: dict[str, Access]) -> None:
    for name in CONDITIONS:
        condition = node.get(name)
        if condition is None:
            continue
        _need(condition, accesses)
        for term in read_terms(condition):
            for access in _called(term.alias, accesses):
                if term not in access.terms:
                    access.terms.append(term)


def _called(alias: str, accesses: dict[str, Access]) -> list[Access]:
    """The relation of an alias. Above the parts of a partitioned table it is the table's: then all of its parts."""
    if alias in accesses:
        return [accesses[alias]]
    part = re.compile(rf"{re.escape(alias)}_\d+")
    return [access for name, access in accesses.items() if part.fullmatch(name)]


def _need(text: str, accesses: dict[str, Access]) -> None:
    for alias, column in columns_in(text):
        for access in _called(alias, accesses):
            access.needed.add(column)


def _note_output(node: Node, is_top: bool, accesses: dict[str, Access]) -> None:
    # A scan below another node may hand up whole rows to save a projection: only what is above it tells the
    # need.
    if "Relation Name" in node and not is_top:
        return
    # With one relation in the whole statement the server leaves its alias out of what a node puts out.
    alone = next(iter(accesses.values())) if len(accesses) == 1 else None
    for text in node.get("Output", ()):
        _need(text, accesses)
        if alone is not None:
            alone.needed |= names_in(text)
        extreme = _EXTREME.match(text.removeprefix("(").replace("))", ")"))
        if extreme is not None:
            _note_extreme(extreme[1], accesses, alone)


def _note_extreme(text: str, accesses: dict[str, Access], alone: Access | None) -> None:
    key = read_sort_key(text)
    found = [] if key is None else _called(key.alias, accesses)
    if key is not None and found:
        for access in found:
            access.extremes.append(key.subject)
    elif alone is not None and "." not in text:
        alone.extremes.append(text.strip('"'))


def _note_order(node: Node, accesses: dict[str, Access], *, limited: bool) -> None:
    """Sort and group keys that belong to one relation are wishes for its order."""
    limited = limited or node["Node Type"] == "Limit"
    for name, attribute in (("Sort Key", "order"), ("Group Key", "group")):
        keys = [read_sort_key(text) for text in node.get(name, ())]
        whole = [key for key in keys if key is not None]
        if not keys or len(whole) != len(keys) or len({key.alias for key in whole}) != 1:
            continue
        for access in _called(whole[0].alias, accesses):
            if not getattr(access, attribute):
                setattr(access, attribute, tuple(whole))
                access.limited = access.limited or (limited and attribute == "order")
    for child in node.get("Plans", ()):
        _note_order(child, accesses, limited=limited and node["Node Type"] in _PASS_ON)
