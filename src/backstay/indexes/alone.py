"""One relation of a plan, asked about alone. Pure.

HypoPG gives the planner the predicates and expressions of its hypothetical indexes as if the relation were the
first of the statement's FROM (``hypo_injectHypotheticalIndex`` copies them without ``ChangeVarNodes``; so do all
versions up to 1.4). For any other relation, and for every leaf of a partitioned table, they match nothing: the
planner never takes a partial index or one over an expression, however much it would save. In a statement of its own
the relation is the first one, and what its scan costs there is what it would cost in the join as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from backstay.errors import InvalidIndex

from .conditions import aliases_in, columns_in
from .declared import quote_identifier
from .plans import Node, read_plan, runs
from .tokens import Kind, split_top, stripped, tokenize

Table = tuple[str, str]
_UNORDERED = {"Seq Scan": ("Filter",), "Bitmap Heap Scan": ("Recheck Cond", "Filter")}
_ELSEWHERE = ("subplan", "initplan", "hashed", "cte")  # values that another part of the statement brings


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A scan of a plan as a statement of its own. `cost` is what the scan takes there, as often as it is run."""

    table: Table
    sql: str
    cost: float
    runs: float


def columns_needed(plan: Node) -> dict[str, set[str]]:
    """The columns of each relation, by alias, that anything above its scan reads."""
    needed = {access.alias: set(access.needed) for access in read_plan([{"Plan": plan}]).accesses}
    for node in _tops(plan):
        for text in node.get("Output", ()):
            for alias, column in columns_in(text):
                needed.get(alias, set[str]()).add(column)
    return needed


def _tops(node: Node) -> Iterator[Node]:
    """The nodes whose rows are the statement's: an Append puts out what the nodes below it do, and does not say."""
    yield node
    if node["Node Type"] in ("Append", "Merge Append"):
        for child in node.get("Plans", ()):
            yield from _tops(child)


def scans_alone(plan: Node, needed: Mapping[str, Collection[str]], tables: Collection[Table]) -> Iterator[Alone]:
    """The scans of these tables that read a relation once, in no order, for conditions that it meets by itself.

    `needed` is what `columns_needed` tells.
    """
    if len(needed) < 2:
        return  # it is alone already
    for node, times in runs(plan):
        filters, alias = _UNORDERED.get(node["Node Type"], ()), node.get("Alias", "")
        table = (node.get("Schema", ""), node.get("Relation Name", ""))
        if not filters or times > 1.0 or table not in tables or alias not in needed:
            continue
        conditions = [text for name in filters for text in _own(node.get(name), alias)]
        if conditions:
            sql = _sql(table, alias, needed[alias], conditions)
            yield Alone(table=table, sql=sql, cost=node["Total Cost"], runs=times)


def _own(condition: str | None, alias: str) -> Iterator[str]:
    """The conjuncts that are about this relation and nothing else."""
    if condition is None:
        return
    try:
        tokens = stripped(tokenize(condition))
    except InvalidIndex:
        return
    for part in split_top(tokens, "and"):
        elsewhere = any(token.value in _ELSEWHERE for token in part)
        if part and aliases_in(part) == {alias} and not elsewhere:
            yield condition[part[0].start : part[-1].end]


def _sql(table: Table, alias: str, needed: Collection[str], conditions: list[str]) -> str:
    columns = ", ".join(quote_identifier(column) for column in sorted(needed)) or "1"
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
