"""What the statistics do not tell of a table, counted by the server in a sample of its rows: no value leaves it.

How many rows meet a condition that compares their own columns, and how many different values columns have together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

import asyncpg

from backstay.indexes.candidates import Candidate
from backstay.indexes.declared import quote_identifier
from backstay.indexes.sizes import TableFacts

from .connect import Connection
from .sample import sampled

_SHARED = 20.0  # rows for each value: of that many, what each takes hardly depends on how many
_HALVINGS = 60
_IN_ORDER = 0.5  # the correlation of a column with the table's own order
_REPEATED = 1.3  # rows for each value of the column that has the most: fewer, and next to none are equal
_SHARE = "select (count(*) filter (where {condition}))::float8 / nullif(count(*), 0) {sampled}"
_TOGETHER = "with taken as materialized (select {columns} {sampled}) select json_build_array({counts})"
_COUNT = """
(select json_build_array(count(*), count(*) filter (where times = 1), sum(times)) from
    (select count(*) as times from taken where {present} group by {columns}) as g)
"""


async def counted_shares(connection: Connection, facts: TableFacts, conditions: Iterable[str]) -> dict[str, float]:
    """The fraction of rows for each condition. One that the server refuses, or has no rows for, is left out."""
    shares: dict[str, float] = {}
    for condition in conditions:
        try:
            share = await connection.fetchval(_SHARE.format(condition=condition, sampled=sampled(facts)))
        except asyncpg.PostgresError:
            continue
        if share is not None:
            shares[condition] = share
    return shares


async def counted_combinations(
    connection: Connection, facts: TableFacts, candidates: Iterable[Candidate]
) -> dict[frozenset[str], float]:
    """How many different values the keys of candidates have together, for those that a btree would deduplicate.

    For single columns as well, where few rows share a value: of these ANALYZE finds a fifth too few. Nothing for a
    table that may not be read.
    """
    asked = list(dict.fromkeys(filter(None, (_worth_counting(candidate, facts) for candidate in candidates))))
    if not asked:
        return {}
    counts = ", ".join(_COUNT.format(columns=_listed(each), present=_present(each)) for each in asked)
    columns = _listed(frozenset[str]().union(*asked))
    try:
        found = await connection.fetchval(_TOGETHER.format(columns=columns, counts=counts, sampled=sampled(facts)))
    except asyncpg.PostgresError:
        return {}
    told = json.loads(found) if isinstance(found, str) else found
    return {
        columns: _together(columns, facts, float(different), float(once), float(rows))
        for columns, (different, once, rows) in zip(asked, told, strict=True)
        if rows
    }


def _worth_counting(candidate: Candidate, facts: TableFacts) -> frozenset[str] | None:
    columns = frozenset(candidate.subjects)
    if candidate.index.method != "btree" or candidate.index.include:
        return None
    if not columns <= facts.columns.keys() or not all(facts.columns[name].deduplicates for name in columns):
        return None
    most = max(facts.columns[name].distinct_of(max(facts.rows, 1.0)) for name in columns)
    if len(columns) == 1 and facts.rows > _SHARED * most:
        return None
    return columns if facts.rows >= _REPEATED * most else None


def _together(columns: frozenset[str], facts: TableFacts, different: float, once: float, rows: float) -> float:
    if len(columns) > 1:
        return in_all(different, once, rows, facts.rows, by_chance=_is_scattered(columns, facts))
    (fact,) = (facts.columns[name] for name in columns)
    present = facts.rows * (1.0 - fact.null_fraction)
    counted = in_all(different, once, rows, present, by_chance=_is_scattered(columns, facts))
    return max(counted, fact.distinct_of(max(facts.rows, 1.0)))


def _is_scattered(columns: frozenset[str], facts: TableFacts) -> bool:
    """Whether equal values lie anywhere: what came together, the rows of one parent say, came in a number."""
    return all(abs(facts.columns[name].correlation) < _IN_ORDER for name in columns)


def in_all(different: float, once: float, rows: float, total: float, *, by_chance: bool = False) -> float:
    """How many different values there are in all rows, from a sample of them.

    By the estimator of Haas and Stokes (1998), "Duj1" in ANALYZE's source. That is right if all values have as many
    rows. If it is by chance which rows have which value, it finds a fifth too few; then, at least, it is as many as
    chance would show.
    """
    if total <= rows:
        return different
    estimated = rows * different / (rows - once + once * rows / total)
    least = _thrown(different, rows, total) if by_chance else different
    return min(total, max(different, estimated, least))


def _thrown(different: float, rows: float, total: float) -> float:
    """How many values all rows would hit, thrown at equally likely ones, if so many rows hit so many of them."""
    low, high = 1e-9, 100.0  # rows of the sample for each value
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if -math.expm1(-middle) / middle > different / rows:
            low = middle
        else:
            high = middle
    thrown = low * total / rows
    return total * -math.expm1(-thrown) / thrown


def _present(columns: frozenset[str]) -> str:
    """NULLs of one column are a group of their own, and no value; of several they are one beside others."""
    return f"{_listed(columns)} is not null" if len(columns) == 1 else "true"


def _listed(columns: frozenset[str]) -> str:
    return ", ".join(quote_identifier(column) for column in sorted(columns))
