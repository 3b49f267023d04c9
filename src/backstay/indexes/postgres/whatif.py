"""Plans of statements, under indexes that do not exist.

HypoPG's hypothetical indexes live in one session and are dropped one by one by their number; statements are
prepared under names of our own and deallocated one by one. A pooled connection is given back as it was taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import asyncpg

from backstay.indexes.alone import columns_needed, is_looped, scans_alone
from backstay.indexes.candidates import Candidate
from backstay.indexes.cost import Estimate
from backstay.indexes.declared import Index, Key, quote_identifier
from backstay.indexes.hypothetical import Prices, Shape
from backstay.indexes.plans import Node, PlanFacts, Table, nodes, read_plan
from backstay.indexes.sizes import BLOCK, depth
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
_PRICES = "select array[current_setting('cpu_operator_cost'), current_setting('random_page_cost')]::float8[]"
_LEVEL = 50.0  # cpu_operator_cost for each level on the way down, as in the server's btcostestimate
_DEFAULT_PRICES = Prices(level=0.125, page=4.0)
_MAKE = "select array[indexrelid::bigint, hypopg_relation_size(indexrelid)] from hypopg_create_index($1)"
_DROP = "select hypopg_drop_index(x) from unnest($1::oid[]) as x"
_INDEX_SCANS = ("enable_indexscan", "enable_indexonlyscan")
_SEARCH_SAMPLES = 2  # parameter sets asked about while searching; all of them are asked about at the end


@dataclass(slots=True)
class WhatIf:
    """Asks one session for plans. Use it inside `opened`; it is not shared between tasks."""

    connection: Connection
    queries: Mapping[str, Query]
    leaves: Mapping[Table, Sequence[Table]] = field(default_factory=dict[Table, Sequence[Table]])
    rows: Mapping[Table, float] = field(default_factory=dict[Table, float])
    explains: int = 0
    _prices: Prices = _DEFAULT_PRICES
    _built: dict[Candidate, dict[int, Shape]] = field(default_factory=dict[Candidate, dict[int, Shape]])
    _refused: set[Candidate] = field(default_factory=set[Candidate])
    _pruned: set[str] = field(default_factory=set[str])
    _alone: dict[str, list[tuple[frozenset[Candidate], Estimate]]] = field(
        default_factory=dict[str, list[tuple[frozenset[Candidate], Estimate]]]
    )
    _prepared: set[str] = field(default_factory=set[str])
    _described: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])

    @asynccontextmanager
    async def opened(self, timeout: float) -> AsyncGenerator[WhatIf]:
        """Set the session up, and leave nothing of it behind."""
        names = [*_SETTINGS, "statement_timeout", "plan_cache_mode"]
        try:
            for name, value in _SETTINGS.items():
                await self.connection.execute(f"set {name} = {value}")
            await self.connection.execute(f"set statement_timeout = {round(timeout * 1000)}")
            operator, page = await self.connection.fetchval(_PRICES)
            self._prices = Prices(level=_LEVEL * operator, page=page)
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
            async with self._without(*_INDEX_SCANS):
                facts.learn_order(read_plan(await self._explain(query, None)))
        return facts

    @asynccontextmanager
    async def _without(self, *settings: str) -> AsyncGenerator[None]:
        """Plan without something that the server may otherwise do."""
        await self.connection.execute("; ".join(f"set {name} = off" for name in settings))
        try:
            yield
        finally:
            await self.connection.execute("; ".join(f"reset {name}" for name in settings))

    async def estimate(self, query: str, indexes: frozenset[Candidate], /) -> Estimate:
        """The mean cost over some of the query's parameter sets. See `CostOracle.estimate`."""
        asked, before = self.queries[query], self.explains
        try:
            found = await self._estimates(asked, indexes)
        except asyncpg.InternalServerError:
            # An expression is shown as if it were of the first relation. If that has no such column, the server
            # cannot print a plan with it.
            found = await self._estimates(asked, frozenset(c for c in indexes if not c.is_matched))
        return Estimate(
            cost=sum(each.cost for each in found) / len(found),
            used=frozenset[Candidate]().union(*(each.used for each in found)),
            plans=self.explains - before,
        )

    async def _estimates(self, query: Query, indexes: frozenset[Candidate]) -> list[Estimate]:
        await self._install(indexes)
        samples = query.samples[:_SEARCH_SAMPLES] or [None]
        return [await self._estimate(query, sample, indexes) for sample in samples]

    async def _estimate(
        self, query: Query, sample: Sequence[Any] | None, indexes: frozenset[Candidate]
    ) -> Estimate:
        """The cost with one parameter set, with what HypoPG shows to the first relation of a statement only.

        Where such a relation is looked up again and again, a plan without that is asked for as well: the plan with
        an index that is not shown may be of its kind.
        """
        plan, hidden = await self._explain(query, sample), {c for c in indexes if c.is_matched}
        found = self._read(plan)
        roots = self._roots({candidate.table for candidate in hidden - found.used})
        if not roots:
            return found
        best = await self._completed(found, plan, indexes, roots)
        if is_looped(plan[0]["Plan"], roots):
            async with self._without("enable_nestloop"):
                other = await self._explain(query, sample)
            other_best = await self._completed(self._read(other), other, indexes, roots)
            best = min(best, other_best, key=lambda each: each.cost)
        return best

    def _read(self, plan: Any) -> Estimate:
        """The cost of a plan, with what HypoPG leaves out, and the candidates in it."""
        named = self._used(plan)
        used = frozenset(candidate for candidate, _ in named.values())
        return Estimate(cost=self._cost(plan[0]["Plan"], named), used=used)

    def _cost(self, node: Node, named: Mapping[str, tuple[Candidate, Shape]]) -> float:
        shapes = {name: shape for name, (_, shape) in named.items()}
        return max(0.0, float(node["Total Cost"]) + self._prices.left_out(node, shapes))

    async def _completed(
        self, found: Estimate, plan: Any, indexes: frozenset[Candidate], roots: Mapping[Table, Table]
    ) -> Estimate:
        """What a plan was found to cost, with indexes that it was not shown in the place of scans that it has."""
        named, needed = self._used(plan), columns_needed(plan[0]["Plan"])
        cost, used = found.cost, set(found.used)
        for scan in scans_alone(plan[0]["Plan"], needed, roots):
            own = frozenset(candidate for candidate in indexes if candidate.table == roots[scan.table])
            alone, now = await self._estimate_alone(scan.sql, own), self._cost(scan.node, named)
            if any(candidate.is_matched for candidate in alone.used - found.used) and alone.cost < now:
                cost -= scan.runs * (now - alone.cost)
                used |= alone.used
        return Estimate(cost=cost, used=frozenset(used))

    async def _estimate_alone(self, sql: str, installed: frozenset[Candidate]) -> Estimate:
        known = self._alone.setdefault(sql, [])
        for indexes, estimate in known:
            if estimate.used <= installed <= indexes:
                return estimate
        try:
            estimate = self._read(await self._explain(Query(sql=sql), None))
        except asyncpg.PostgresError:
            estimate = Estimate(cost=float("inf"), used=frozenset())  # a condition that only a whole plan can have
        known.append((installed, estimate))
        return estimate

    def _roots(self, tables: Iterable[Table]) -> dict[Table, Table]:
        """Those tables, or their leaves, with the table that their indexes are declared on."""
        return {leaf: table for table in tables for leaf in self.leaves.get(table) or [table]}

    async def cost(self, query: Query) -> tuple[float, frozenset[str]]:
        """The dearest cost over all parameter sets, and the indexes used, as things stand."""
        samples: list[tuple[Any, ...] | None] = [*query.samples]
        plans = [await self._explain(query, sample) for sample in samples or [None]]
        facts = [read_plan(plan) for plan in plans]
        return max(fact.cost for fact in facts), frozenset[str]().union(*(fact.indexes for fact in facts))

    async def _explain(self, query: Query, sample: Sequence[Any] | None) -> Any:
        """The plan with these values, or the open one: of that no partition is left out.

        It is executed with NULLs, for which the server finds that no partition has any rows.
        """
        if sample is None and query.sql in self._pruned:
            async with self._without("enable_partition_pruning"):
                return await self._plan_of(await self.call(query, sample))
        plan = await self._plan_of(await self.call(query, sample))
        if (
            sample is None
            and query.parameters
            and any(node.get("Subplans Removed") for node in nodes(plan[0]["Plan"]))
        ):
            self._pruned.add(query.sql)
            return await self._explain(query, sample)
        return plan

    async def call(self, query: Query, sample: Sequence[Any] | None) -> str:
        """The statement that runs a query with these values, or with the open plan if there are none."""
        # Told from the words of the statement, which is asked about again and again.
        if query.sql not in self._described:
            self._described[query.sql] = query.parameters, f"backstay_{query.fingerprint}"[:60]
        count, name = self._described[query.sql]
        if not count:
            return query.sql
        mode = "force_generic_plan" if sample is None else "force_custom_plan"
        values = ["null"] * count if sample is None else [literal(value) for value in sample[:count]]
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
        self.explains += 1
        # fetch() speaks the extended protocol, which takes one statement and no more.
        found = await self.connection.fetchval(f"explain (verbose, format json) {sql.rstrip().rstrip(';')}")
        return json.loads(found) if isinstance(found, str) else found

    # -- hypothetical indexes --------------------------------------------------------------------------------

    def _used(self, plan: Any) -> dict[str, tuple[Candidate, Shape]]:
        """The hypothetical indexes in a plan, by the names that they have there."""
        built = {number: (c, shape) for c, made in self._built.items() for number, shape in made.items()}
        names = {node.get("Index Name", "") for node in nodes(plan[0]["Plan"])}
        found = {name: int(match[1]) for name in names if (match := _HYPOTHETICAL.match(name)) is not None}
        return {name: built[number] for name, number in found.items() if number in built}

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
        """Those over an expression that is not immutable, among candidates that cannot be hypothetical."""
        return frozenset(
            [
                candidate
                for candidate in candidates
                for key in candidate.index.keys
                if key.expression and not await self.is_immutable(candidate.table, key.expression)
            ]
        )

    async def is_immutable(self, table: Table, expression: str) -> bool:
        """Whether an index may be over an expression: it is asked about as a btree's, whatever it is for."""
        index = Index(table[1], [Key(expression=expression)], schema=table[0])
        try:
            made = await self._make(Candidate(index=index, table=table, subjects=(expression,), size_bytes=0.0))
            await self.connection.fetch(_DROP, list(made))
        except asyncpg.InvalidObjectDefinitionError:  # of which the server tells before it looks at the method
            return False
        except asyncpg.PostgresError:  # a type that no btree keeps
            return True
        return True

    async def _make(self, candidate: Candidate) -> dict[int, Shape]:
        """The candidate's hypothetical indexes (one for each leaf of a partitioned table) by their numbers."""
        statements = self._statements(candidate)
        made = [await self.connection.fetchval(_MAKE, sql) for sql in statements]
        return {number: self._shape(candidate, told, parts=len(made)) for number, told in made}

    def _shape(self, candidate: Candidate, told: int, *, parts: int) -> Shape:
        """What one of a candidate's indexes will be like, of whose size the planner was told so many bytes."""
        if candidate.index.method != "btree":
            return Shape(levels=0, entries=0.0, pages_too_many=0.0)
        whole = 0.0 if candidate.index.where is not None else self.rows.get(candidate.table, 0.0)
        # How a partitioned table's rows are spread over its leaves is not known here.
        too_many = (told - candidate.size_bytes) / BLOCK if parts == 1 else 0.0
        return Shape(levels=depth(candidate.size_bytes / parts), entries=whole / parts, pages_too_many=too_many)

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
