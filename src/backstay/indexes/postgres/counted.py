"""What the statistics do not tell of a table, counted by the server in a sample of its rows: no value leaves it.

How many rows meet a condition that compares their own columns, and how many different values columns have together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import asyncpg

from backstay.indexes.candidates import Candidate
from backstay.indexes.declared import quote_identifier
from backstay.indexes.sizes import TableFacts

from .connect import Connection
from .sample import sampled

_REPEATED = 1.3  # rows for each value of the column that has the most: fewer, and next to none are equal
_SHARE = "select (count(*) filter (where {condition}))::float8 / nullif(count(*), 0) {sampled}"
_TOGETHER = "with taken as materialized (select {columns} {sampled}) select json_build_array({counts})"
_COUNT = """
(select json_build_array(count(*), count(*) filter (where times = 1), sum(times)) from
    (select count(*) as times from taken group by {columns}) as g)
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

    By the estimator of Haas and Stokes (1998) that ANALYZE uses for one column. Nothing for a table that may not be
    read.
    """
    asked = list(dict.fromkeys(filter(None, (_worth_counting(candidate, facts) for candidate in candidates))))
    if not asked:
        return {}
    counts = ", ".join(_COUNT.format(columns=_listed(columns)) for columns in asked)
    columns = _listed(frozenset[str]().union(*asked))
    try:
        found = await connection.fetchval(_TOGETHER.format(columns=columns, counts=counts, sampled=sampled(facts)))
    except asyncpg.PostgresError:
        return {}
    told = json.loads(found) if isinstance(found, str) else found
    return {
        columns: _in_all(float(different), float(once), float(rows), facts.rows)
        for columns, (different, once, rows) in zip(asked, told, strict=True)
        if rows
    }


def _worth_counting(candidate: Candidate, facts: TableFacts) -> frozenset[str] | None:
    columns = frozenset(candidate.subjects)
    if len(columns) < 2 or candidate.index.method != "btree" or candidate.index.include:
        return None
    if not columns <= facts.columns.keys() or not all(facts.columns[name].deduplicates for name in columns):
        return None
    most = max(facts.columns[name].distinct_of(max(facts.rows, 1.0)) for name in columns)
    return columns if facts.rows >= _REPEATED * most else None


def _in_all(different: float, once: float, rows: float, total: float) -> float:
    """How many different values there are in all rows, from a sample of them: "Duj1" in ANALYZE's source."""
    if total <= rows:
        return different
    return min(total, max(different, rows * different / (rows - once + once * rows / total)))


def _listed(columns: frozenset[str]) -> str:
    return ", ".join(quote_identifier(column) for column in sorted(columns))
