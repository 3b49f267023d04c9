"""What an index over an expression would hold, counted by the server in a sample of rows: no value leaves it.

The statistics tell of columns only, and of an expression not before an index over it was built and analyzed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import asyncpg

from backstay.indexes.sizes import ColumnFacts, TableFacts, read_column

from .connect import Connection
from .counted import in_all
from .sample import sampled

_FEW = 0.1  # of the rows: of more different values than that, ANALYZE too says what fraction of the rows they are
# What is materialized is packed as in a table, a short value behind one byte.
_MEASURED = """
with taken as materialized (select ({expression}) as value {sampled})
select format_type(t.oid, null) as type, t.typlen as length, t.typalign::text as align, taken.*, counted.*
from (
        select count(*) as rows, count(value) as present, avg(pg_column_size(value))::float8 as width from taken
    ) as taken,
    (
        select count(*) as different, count(*) filter (where times = 1) as once
        from (select count(*) as times from taken where value is not null group by value::text) as g
    ) as counted,
    pg_type as t
where t.oid = (select pg_typeof(value) from taken limit 1)
"""


async def measured_expressions(
    connection: Connection, facts: TableFacts, expressions: Iterable[str]
) -> dict[str, ColumnFacts]:
    """Facts of expressions over a table's columns. What the server refuses, or has no rows for, is left out.

    They are evaluated: give immutable ones only.
    """
    found: dict[str, ColumnFacts] = {}
    for expression in expressions:
        try:
            row = await connection.fetchrow(_MEASURED.format(expression=expression, sampled=sampled(facts)))
        except asyncpg.PostgresError:
            continue
        if row is not None and row["present"]:
            found[expression] = _read(expression, row, facts.rows)
    return found


def _read(expression: str, row: asyncpg.Record, total: float) -> ColumnFacts:
    share = row["present"] / row["rows"]
    present = total * share
    different = in_all(row["different"], row["once"], row["present"], present)
    return read_column(
        {
            "name": expression,
            "type": row["type"],
            "length": row["length"],
            "align": row["align"],
            "not_null": False,
            "width": math.floor(row["width"]),  # as the statistics have it
            "distinct": different if different < _FEW * total else -different / max(total, 1.0),
            "null_fraction": 1.0 - share,
            "correlation": None,
            "common": None,
            "frequencies": None,
        }
    )
