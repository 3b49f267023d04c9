"""What others advise for the same workload, each by its own method over HypoPG.

None of them can be had as a Python package, so these are their methods written again, not their code:

- `single_columns` works as supabase/index_advisor does: for each statement a hypothetical index on every single
  column of every table at once, a generic plan, and the union of what the plans name.
- `column_pairs` works as ankane/dexter does: for each statement all its tables' columns that it names, alone and
  in ordered pairs, at once; kept is what the plan picks if the statement gets cheaper by half and by 100.
- `reference_greedy` is nobody's product: weighted greedy selection by benefit per byte within a budget, over
  ordered combinations of up to three columns that a statement names. It fills the budget with this project's size
  model.
"""

from __future__ import annotations

import itertools
import json
import re

import asyncpg

from backstay.indexes import Workload
from backstay.indexes.sizes import TableFacts, btree_bytes, read_tables
from backstay.indexes.statements import statement

Column = tuple[str, tuple[str, ...]]  # a table and the columns of an index on it


class Peer:
    """One session that plans statements under hypothetical indexes."""

    def __init__(self, connection: asyncpg.Connection, workload: Workload, tables: dict[str, TableFacts]) -> None:
        self.connection = connection
        self.queries = [(query.calls, query.sql, query.parameters) for query in workload.queries]
        self.tables = tables
        self.explains = 0

    @classmethod
    async def opened(cls, connection: asyncpg.Connection, workload: Workload) -> Peer:
        rows = await connection.fetch(statement("tables"))
        await connection.execute("set jit = off; set max_parallel_workers_per_gather = 0")
        await connection.execute("set plan_cache_mode = force_generic_plan")
        return cls(connection, workload, {facts.name: facts for facts in read_tables(rows).values()})

    async def plan(self, number: int, indexes: list[Column]) -> tuple[float, list[Column]]:
        """The generic cost of a statement if these indexes existed, and which of them it uses."""
        names: dict[str, Column] = {}
        for table, columns in indexes:
            row = await self.connection.fetchrow(
                "select * from hypopg_create_index($1)", f"create index on {table} ({', '.join(columns)})"
            )
            names[row["indexname"]] = (table, columns)
        _, sql, parameters = self.queries[number]
        await self.connection.execute(f"prepare peer as {sql}")
        values = f"({', '.join(['null'] * parameters)})" if parameters else ""
        found = json.loads(await self.connection.fetchval(f"explain (format json) execute peer{values}"))
        await self.connection.execute("deallocate peer; select hypopg_reset()")
        self.explains += 1
        text = json.dumps(found)
        return found[0]["Plan"]["Total Cost"], [index for name, index in names.items() if name in text]

    def columns(self, number: int) -> list[tuple[str, list[str]]]:
        """The columns that a statement names, by table (a name that two tables have counts for both)."""
        words = set(re.findall(r"\w+", self.queries[number][1]))
        kinds = ("jsonb", "json")
        return [
            (name, [c.name for c in facts.columns.values() if c.name in words and c.type not in kinds])
            for name, facts in self.tables.items()
            if name in words
        ]

    def size(self, index: Column) -> float:
        facts = self.tables[index[0]]
        return btree_bytes(facts.rows, [facts.column(name) for name in index[1]])


async def single_columns(peer: Peer) -> list[Column]:
    every = [
        (table, (column.name,))
        for table, facts in peer.tables.items()
        for column in facts.columns.values()
        if column.type != "jsonb" and column.name != "id"
    ]
    found: dict[Column, None] = {}
    for number in range(len(peer.queries)):
        found |= dict.fromkeys((await peer.plan(number, every))[1])
    return list(found)


async def column_pairs(peer: Peer) -> list[Column]:
    found: dict[Column, None] = {}
    for number in range(len(peer.queries)):
        candidates = [
            (table, columns)
            for table, names in peer.columns(number)
            for size in (1, 2)
            for columns in itertools.permutations(names, size)
            if columns != ("id",)
        ]
        before, _ = await peer.plan(number, [])
        after, used = await peer.plan(number, candidates)
        if before >= 100 and after <= before * 0.5 and before - after >= 100:
            found |= dict.fromkeys(used)
    return list(found)


async def reference_greedy(peer: Peer, budget: float) -> list[Column]:
    costs: dict[tuple[int, frozenset[Column]], float] = {}

    async def cost(number: int, indexes: frozenset[Column]) -> float:
        mine = frozenset(index for index in indexes if index in relevant[number])
        if (number, mine) not in costs:
            costs[number, mine] = (await peer.plan(number, sorted(mine)))[0]
        return costs[number, mine]

    relevant: list[set[Column]] = []
    for number in range(len(peer.queries)):
        names = [
            (t, c)
            for t, columns in peer.columns(number)
            for n in (1, 2, 3)
            for c in itertools.permutations(columns, n)
        ]
        _, used = await peer.plan(number, names)
        heads = {(table, columns[:n]) for table, columns in used for n in range(1, len(columns) + 1)}
        relevant.append(heads | {(table, columns) for table, columns in names if len(columns) == 1})
    pool = sorted(set().union(*relevant))
    chosen: frozenset[Column] = frozenset()
    while True:
        left = budget - sum(peer.size(index) for index in chosen)
        best, best_rate = None, 0.0
        for index in pool:
            if index in chosen or peer.size(index) > left:
                continue
            gain = 0.0
            for number, (weight, _, _) in enumerate(peer.queries):
                if index in relevant[number]:
                    gain += weight * (await cost(number, chosen) - await cost(number, chosen | {index}))
            if gain / peer.size(index) > best_rate:
                best, best_rate = index, gain / peer.size(index)
        if best is None:
            return sorted(chosen)
        chosen |= {best}
