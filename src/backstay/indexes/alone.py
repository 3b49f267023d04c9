"""One relation of a plan, asked about alone. Pure.

HypoPG gives the planner the predicates and expressions of its hypothetical indexes as if the relation were the
first of the statement's FROM (``hypo_injectHypotheticalIndex`` copies them without ``ChangeVarNodes``, in 1.3 as in
1.4). For any other relation, and for every leaf of a partitioned table, they match nothing: the planner never takes
a partial index or one over an expression, however much it would save. In a statement of its own the relation is the
first one, and what its scan costs there is what it would cost in the join as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from backstay.errors import InvalidIndex

from .conditions import columns_in
from .declared import quote_identifier
from .plans import CONDITIONS, Node, Table, nodes, runs
from .tokens import Kind, split_top, stripped, tokenize

_UNORDERED = {"Seq Scan": ("Filter",), "Bitmap Heap Scan": ("Recheck Cond", "Filter")}
_ELSEWHERE = {"subplan", "initplan", "hashed", "cte"}  # values that another part of the statement brings


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A scan of a plan, and the statement that asks for the same alone."""

    table: Table
    sql: str
    node: Node
    runs: float


def columns_needed(plan: Node) -> dict[str, set[str]]:
    """The columns of each relation, by alias, that anything above its scan reads; ``*`` if that is not told."""
    scans = [node for node in nodes(plan) if "Relation Name" in node]
    needed = {node.get("Alias", ""): set[str]() for node in scans}
    if len(scans) == 1:  # then the server leaves aliases out
        return {alias: {"*"} for alias in needed}
    tops = [id(node) for node in _tops(plan)]
    for node in nodes(plan):
        own = node.get("Alias") if "Relation Name" in node else None
        read = set[tuple[str, str]]()
        for condition in (node[name] for name in CONDITIONS if name in node and (own or "Index Name" not in node)):
            for pairs in map(columns_in, _conjuncts(condition)):
                if any(alias != own for alias, _ in pairs):  # else it is met by the scan itself
                    read |= pairs
        if own is None or id(node) in tops:
            read |= {pair for text in node.get("Output", ()) for pair in columns_in(text)}
        for alias, column in read:
            for relation in _relations(alias, needed):
                needed[relation].add(column)
    return needed


def _relations(alias: str, known: Collection[str]) -> list[str]:
    """The relation of an alias; above the parts of a partitioned table it is the table's, and means all of them."""
    return [alias] if alias in known else [name for name in known if re.fullmatch(rf"{re.escape(alias)}_\d+", name)]


def _tops(node: Node) -> Iterator[Node]:
    """The nodes whose rows are the statement's: an Append puts out what the nodes below it do, and does not say."""
    yield node
    if node["Node Type"] in ("Append", "Merge Append"):
        for child in node.get("Plans", ()):
            yield from _tops(child)


def scans_alone(plan: Node, needed: Mapping[str, Collection[str]], roots: Mapping[Table, Table]) -> Iterator[Alone]:
    """The scans that read a relation once, in no order, for conditions that it meets by itself.

    `needed` is what `columns_needed` tells; `roots` are the tables that matter, with what they are partitions of.
    """
    for node, times in runs(plan):
        filters, alias = _UNORDERED.get(node["Node Type"], ()), node.get("Alias", "")
        table = (node.get("Schema", ""), node.get("Relation Name", ""))
        if not filters or times > 1.0 or table not in roots or alias not in needed:
            continue
        if len(needed) == 1 and roots[table] == table:
            continue  # it is alone already
        conditions = [text for name in filters for text in _own(node.get(name), alias)]
        if conditions:
            yield Alone(table=table, sql=_sql(table, alias, needed[alias], conditions), node=node, runs=times)


def is_looped(plan: Node, roots: Mapping[Table, Table]) -> bool:
    """Whether one of these tables is read again and again: then a plan without that may show what else there is."""
    return any(
        times > 1.0 and (node.get("Schema", ""), node.get("Relation Name", "")) in roots
        for node, times in runs(plan)
    )


def _own(condition: str | None, alias: str) -> Iterator[str]:
    """The conjuncts that are about this relation and nothing else."""
    for part in _conjuncts(condition or ""):
        words = {token.value for token in tokenize(part)}
        if {name for name, _ in columns_in(part)} == {alias} and not words & _ELSEWHERE:
            yield part


def _conjuncts(condition: str) -> tuple[str, ...]:
    """The parts of a condition that must all be met; none of one that cannot be read."""
    try:
        parts = split_top(stripped(tokenize(condition)), "and")
    except InvalidIndex:
        return ()
    return tuple(condition[part[0].start : part[-1].end] for part in parts if part)


def _sql(table: Table, alias: str, needed: Collection[str], conditions: list[str]) -> str:
    columns = "*" if "*" in needed else ", ".join(map(quote_identifier, sorted(needed))) or "1"
    named = f"{quote_identifier(table[0])}.{quote_identifier(table[1])} as {quote_identifier(alias)}"
    where = _renumbered(" and ".join(conditions))
    return f"select {columns} from {named} where {where}"  # noqa: S608 - the server's own words


def _renumbered(text: str) -> str:
    """The same with its parameters counted from 1: of a gap the server could not tell the type."""
    numbers: dict[str, int] = {}
    pieces, place = list[str](), 0
    for token in tokenize(text):
        if token.kind is Kind.PARAM:
            number = numbers.setdefault(token.text, len(numbers) + 1)
            pieces += (text[place : token.start], f"${number}")
            place = token.end
    return "".join((*pieces, text[place:]))
