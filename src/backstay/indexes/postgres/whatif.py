"""Plans of statements, under indexes that do not exist.

HypoPG's hypothetical indexes live in one session and are dropped one by one by their number; statements are
prepared under names of our own and deallocated one by one. A pooled connection is given back as it was taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import asyncpg

from backstay.indexes.candidates import Candidate
from backstay.indexes.cost import Estimate
from backstay.indexes.declared import Key, quote_identifier
from backstay.indexes.plans import PlanFacts, nodes, read_plan
from backstay.indexes.workload import Query

from .connect import Connection
from .literals import literal

_HYPOTHETICAL = re.compile(r"^<(\d+)>")
_SETTINGS = {
    # Time spent compiling or in parallel workers would blur what an index is worth.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "standard_conforming_strings": "on",
}
_DROP = "select hypopg_drop_index(x) from unnest($1::oid[]) as x"
_INDEX_SCANS = ("enable_indexscan", "enable_indexonlyscan")
SEARCH_SAMPLES = 2  # parameter sets asked about while searching; all of them are asked about at the end


@dataclass(slots=True)
class WhatIf:
    """Asks one session for plans. Use it inside `opened`; it is not shared between tasks."""

    connection: Connection
    queries: Mapping[str, Query]
    leaves: Mapping[tuple[str, str], Sequence[tuple[str, str]]] = field(
        default_factory=dict[tuple[str, str], Sequence[tuple[str, str]]]
    )
    explains: int = 0
    _built: dict[Candidate, list[int]] = field(default_factory=dict[Candidate, list[int]])
    _refused: set[Candidate] = field(default_factory=set[Candidate])
    _prepared: set[str] = field(default_factory=set[str])

    @asynccontextmanager
    async def opened(self, timeout: float) -> AsyncGenerator[WhatIf]:
        """Set the session up, and leave nothing of it behind."""
        names = [*_SETTINGS, "statement_timeout", "plan_cache_mode"]
        try:
            for name, value in _SETTINGS.items():
                await self.connection.execute(f"set {name} = {value}")
            await self.connection.execute(f"set statement_timeout = {round(timeout * 1000)}")
            yield self
        finally:
            with anyio.move_on_after(10, shield=True):
                if not self.connection.is_closed():
                    await self._drop(list(self._built))
                    for name in self._prepared:
                        await self.connection.execute(f"deallocate {quote_identifier(name)}")
                    await self.connection.execute("; ".join(f"reset {name}" for name in names))

    # -- plans -----------------------------------------------------------------------------------------------

    async def facts(self, fingerprint: str) -> PlanFacts:
        """The plan of a query with its parameters left open, for what it asks of each relation.

        Open, so that a sampled value is never taken for a constant of the statement.
        """
        query = self.queries[fingerprint]
        facts = read_plan(await self._explain(query, None))
        if facts.hides_order:
            await self.connection.execute("; ".join(f"set {name} = off" for name in _INDEX_SCANS))
            try:
                facts.learn_order(read_plan(await self._explain(query, None)))
            finally:
                await self.connection.execute("; ".join(f"reset {name}" for name in _INDEX_SCANS))
        return facts

    async def estimate(self, query: str, indexes: frozenset[Candidate], /) -> Estimate:
        """The mean cost over some of the query's parameter sets. See `CostOracle.estimate`."""
        await self._install(indexes)
        asked = self.queries[query]
        plans = [await self._explain(asked, sample) for sample in asked.samples[:SEARCH_SAMPLES] or [None]]
        used: set[Candidate] = set()
        for plan in plans:
            used |= self._used(plan)
        return Estimate(
            cost=sum(plan[0]["Plan"]["Total Cost"] for plan in plans) / len(plans), used=frozenset(used)
        )

    async def cost(self, query: Query) -> tuple[float, frozenset[str]]:
        """The dearest cost over all parameter sets, and the indexes used, as things stand."""
        samples: list[tuple[Any, ...] | None] = [*query.samples]
        plans = [await self._explain(query, sample) for sample in samples or [None]]
        facts = [read_plan(plan) for plan in plans]
        return max(fact.cost for fact in facts), frozenset[str]().union(*(fact.indexes for fact in facts))

    async def _explain(self, query: Query, sample: Sequence[Any] | None) -> Any:
        self.explains += 1
        return await self._plan_of(await self.call(query, sample))

    async def call(self, query: Query, sample: Sequence[Any] | None) -> str:
        """The statement that runs a query with these values, or with the open plan if there are none."""
        count = query.parameters
        if not count:
            return query.sql
        mode = "force_generic_plan" if sample is None else "force_custom_plan"
        values = ["null"] * count if sample is None else [literal(value) for value in sample[:count]]
        name = f"backstay_{query.fingerprint}"[:60]
        await self.connection.execute(f"set plan_cache_mode = {mode}")
        # A generic plan is kept with the statement and would not hear of a hypothetical index: prepare it
        # anew.
        if sample is None and name in self._prepared:
            await self.connection.execute(f"deallocate {quote_identifier(name)}")
            self._prepared.discard(name)
        if name not in self._prepared:
            await self.connection.execute(f"prepare {quote_identifier(name)} as {query.sql.rstrip().rstrip(';')}")
            self._prepared.add(name)
        return f"execute {quote_identifier(name)}({', '.join(values)})"

    async def _plan_of(self, sql: str) -> Any:
        # fetch() speaks the extended protocol, which takes one statement and no more.
        found = await self.connection.fetchval(f"explain (verbose, format json) {sql.rstrip().rstrip(';')}")
        return json.loads(found) if isinstance(found, str) else found

    # -- hypothetical indexes
    # ---------------------------------------------------------------------------------

    def _used(self, plan: Any) -> set[Candidate]:
        numbers = {
            int(match[1])
            for node in nodes(plan[0]["Plan"])
            if (match := _HYPOTHETICAL.match(node.get("Index Name", ""))) is not None
        }
        return {candidate for candidate, oids in self._built.items() if numbers & set(oids)}

    async def _install(self, wanted: frozenset[Candidate]) -> None:
        """Make exactly these hypothetical indexes exist."""
        await self._drop([candidate for candidate in self._built if candidate not in wanted])
        # Of two that cost the same the planner takes the one that was made last: always the same, and the smaller.
        for candidate in sorted(wanted, key=lambda c: (-c.size_bytes, -c.columns, c.definition)):
            if candidate in self._built or candidate in self._refused:
                continue
            try:
                self._built[candidate] = await self._make(candidate)
            except asyncpg.PostgresError:
                # Not every definition can be (a function that is not immutable): such a candidate helps
                # nobody.
                self._refused.add(candidate)

    async def impossible(self, candidates: Iterable[Candidate]) -> frozenset[Candidate]:
        """Those over an expression that is not immutable, among candidates that cannot be hypothetical.

        Of such an expression the server says so before it looks at the method: it is asked about as a btree's.
        """
        found: set[Candidate] = set()
        for candidate in candidates:
            keys = tuple(Key(expression=key.expression) for key in candidate.index.keys if key.column is None)
            if keys:
                asked = replace(candidate, index=replace(candidate.index, keys=keys, method="btree"))
                try:
                    made = await self._make(asked)
                    await self.connection.fetch(_DROP, made)
                except asyncpg.InvalidObjectDefinitionError:
                    found.add(candidate)
                except asyncpg.PostgresError:
                    continue  # a type that no btree keeps
        return frozenset(found)

    async def _make(self, candidate: Candidate) -> list[int]:
        return [
            await self.connection.fetchval("select indexrelid from hypopg_create_index($1)", sql)
            for sql in self._statements(candidate)
        ]

    def _statements(self, candidate: Candidate) -> list[str]:
        body = candidate.index.body_sql()
        tables = self.leaves.get(candidate.table) or [candidate.table]
        return [f"create index on {quote_identifier(s)}.{quote_identifier(t)} {body}" for s, t in tables]

    async def _drop(self, candidates: Sequence[Candidate]) -> None:
        numbers = [number for candidate in candidates for number in self._built.pop(candidate)]
        if numbers:
            await self.connection.fetch(_DROP, numbers)


async def has_extension(connection: Connection, name: str) -> bool:
    """Whether an extension is installed in this database."""
    return bool(await connection.fetchval("select count(*) from pg_extension where extname = $1", name))
