"""`PostgresIndexAdvisor`: from a workload to indexes, over the server's own plans."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from backstay.clock import Clock, SystemClock
from backstay.errors import WorkloadError
from backstay.events import Emitter
from backstay.indexes.advice import (
    AdviceLimits,
    AppliedPlan,
    Baseline,
    IndexAdvisor,
    IndexPlan,
    Verification,
    WatchReport,
    compare_baselines,
)
from backstay.indexes.advisor import Limits, Search
from backstay.indexes.candidates import Candidate, Saving
from backstay.indexes.cost import CostCache, CostOracle, RuleOracle, write_penalty
from backstay.indexes.declared import Index
from backstay.indexes.foreign import delete_candidates
from backstay.indexes.harvest import Harvest
from backstay.indexes.plans import Table
from backstay.indexes.protocol import Action, EnsureOptions, EnsureReport
from backstay.indexes.refuted import Refuted
from backstay.indexes.statements import statement
from backstay.indexes.workload import Query, Workload, from_statistics
from backstay.secret import Secret

from .connect import Connect, connect_dsn, translated
from .counted import counted_combinations
from .items import sample_items
from .planner import PostgresIndexPlanner
from .survey import Survey, survey_of
from .verify import ADMITTED, STANDING, Proof, analyze_expressions, measure
from .whatif import WhatIf, has_extension


class PostgresIndexAdvisor:
    """Advises on indexes of a PostgreSQL 13 or later.

    With the extension HypoPG (1.3 or later) in the database, every candidate is put to the planner; without
    it, rules over the server's plans and statistics take its place, and `IndexPlan.method` says so.
    """

    def __init__(self, connect: Connect, *, clock: Clock | None = None, emitter: Emitter | None = None) -> None:
        """`connect` opens connections, as for `PostgresIndexPlanner`."""
        self._connect = connect
        self._clock = clock or SystemClock()
        self._emit = emitter or Emitter()

    @classmethod
    def from_dsn(
        cls, dsn: str | Secret, *, clock: Clock | None = None, emitter: Emitter | None = None
    ) -> PostgresIndexAdvisor:
        """An advisor on connections that it opens and closes itself."""
        return cls(connect_dsn(dsn), clock=clock, emitter=emitter)

    async def workload(self, *, limit: int = 200) -> Workload:
        """The dearest statements that pg_stat_statements has counted in this database.

        Raises:
            WorkloadError: the extension is not installed here, or has counted nothing that can be planned.
        """
        with translated("reading pg_stat_statements"):
            async with self._connect() as connection:
                if not await has_extension(connection, "pg_stat_statements"):
                    raise WorkloadError("pg_stat_statements is not installed in this database: create extension it")
                return from_statistics(await connection.fetch(statement("statement_statistics"), limit))

    async def recommend(self, workload: Workload, /, *, limits: AdviceLimits | None = None) -> IndexPlan:
        """Choose indexes for a weighted workload. See `IndexAdvisor.recommend`."""
        limits = limits or AdviceLimits()
        queries = _named(workload)
        async with self._asking(queries, limits.query_timeout) as (what_if, survey):
            await survey.read_plans(what_if, queries)
            if not survey.plans:
                reasons = "; ".join(f"{name}: {reason}" for name, reason in survey.skipped[:3])
                raise WorkloadError(f"none of the {len(queries)} statements can be planned: {reasons}")
            return await _Advice(workload, queries, survey, what_if, limits).find()

    @asynccontextmanager
    async def _asking(self, queries: dict[str, Query], timeout: float) -> AsyncGenerator[tuple[WhatIf, Survey]]:
        with translated("asking for plans"):
            async with self._connect() as connection:
                await connection.execute("set jit = off")
                survey = await survey_of(connection)
                rows = {table: facts.rows for table, facts in survey.tables.items()}
                async with WhatIf(connection, queries, survey.leaves, rows).opened(timeout) as what_if:
                    yield what_if, survey

    async def baseline(self, workload: Workload, /, *, run: bool = False, timeout: float = 5.0) -> Baseline:
        """How the workload fares now. See `IndexAdvisor.baseline`."""
        return await self._proof(workload, run=run, timeout=timeout, threshold=STANDING).measure(None)

    async def verify(
        self, workload: Workload, before: Baseline, /, *, run: bool = False, timeout: float = 5.0
    ) -> Verification:
        """How it fares compared with a baseline. See `IndexAdvisor.verify`."""
        after = await self.baseline(workload, run=run, timeout=timeout)
        return compare_baselines(before, after)

    async def apply(
        self,
        plan: IndexPlan,
        before: Baseline | None = None,
        /,
        *,
        options: EnsureOptions | None = None,
        timeout: float = 5.0,
    ) -> AppliedPlan:
        """Build a plan and take back what did not keep its promise. See `IndexAdvisor.apply`."""
        if before is None:
            before = await self.baseline(plan.workload, run=True, timeout=timeout)
        planner = PostgresIndexPlanner(self._connect, clock=self._clock, emitter=self._emit)
        report = await planner.ensure(plan.indexes, options=options)
        with translated("analyzing"):
            await analyze_expressions(self._connect, plan.indexes)
        proof = self._proof(plan.workload, run=True, timeout=timeout, threshold=ADMITTED)
        return AppliedPlan(plan=plan, report=report, proof=await proof.of(_new(plan, report), before))

    async def watch(
        self,
        plan: IndexPlan,
        before: Baseline,
        /,
        *,
        interval: float = 60.0,
        looks: int = 10,
        run: bool = True,
        timeout: float = 5.0,
    ) -> AsyncGenerator[WatchReport]:
        """Look again and again, and drop what made a query slower. See `IndexAdvisor.watch`."""
        proof = self._proof(plan.workload, run=run, timeout=timeout, threshold=STANDING)
        standing = list(plan.indexes)
        for look in range(looks):
            if look:
                await self._clock.sleep(interval)
            report = await proof.of(standing, before)
            standing = [index for index in standing if index.effective_name not in report.rolled_back]
            yield report

    def _proof(self, workload: Workload, *, run: bool, timeout: float, threshold: float) -> Proof:
        queries = _named(workload)

        async def measured(names: Collection[str] | None) -> Baseline:
            asked = {name: query for name, query in queries.items() if names is None or name in names}
            with translated("measuring a workload"):
                async with self._connect() as connection, WhatIf(connection, asked).opened(timeout) as what_if:
                    return await measure(what_if, asked, run=run, timeout=timeout)

        return Proof(
            threshold=threshold, connect=self._connect, measure=measured, clock=self._clock, emit=self._emit
        )


def _tables(candidates: Iterable[Candidate]) -> list[Table]:
    return sorted({candidate.table for candidate in candidates})


def _new(plan: IndexPlan, report: EnsureReport) -> list[Index]:
    """Those indexes of a plan that were not there before: no other is ours to drop."""
    kept = {outcome.index for outcome in report.of(Action.KEPT, Action.FAILED, Action.DEFERRED)}
    return [index for index in plan.indexes if index.effective_name not in kept]


def _named(workload: Workload) -> dict[str, Query]:
    """Queries by fingerprint; a second one of the same words is kept apart by a number."""
    named: dict[str, Query] = {}
    for query in workload.queries:
        name, number = query.fingerprint, 1
        while name in named:
            number += 1
            name = f"{query.fingerprint}.{number}"
        named[name] = replace(query, name=name)
    return named


class _Advice:
    """One run of `recommend`."""

    def __init__(
        self,
        workload: Workload,
        queries: dict[str, Query],
        survey: Survey,
        what_if: WhatIf,
        limits: AdviceLimits,
    ) -> None:
        self._workload = workload
        self._queries = {name: query for name, query in queries.items() if name in survey.plans}
        self._survey = survey
        self._what_if = what_if
        self._limits = limits
        self._weights = {name: workload.weight(query) for name, query in self._queries.items()}
        self._harvest = Harvest(
            tables=survey.tables,
            roots=survey.roots,
            has_trigram=survey.has_trigram,
            lured=frozenset((i.schema or "public", i.table) for each in limits.refuted for i in each.indexes),
        )
        self._relevant: dict[str, frozenset[Candidate]] = {}
        self._impossible: frozenset[Candidate] = frozenset()
        self._refuted = Refuted(refutations=limits.refuted, read=self._read())

    async def find(self) -> IndexPlan:
        """Harvest, narrow, search, and put the foreign keys beside."""
        for plan in self._survey.plans.values():
            self._harvest.note(plan.accesses)
        pool = await self._sampled(self._harvested())
        limit = self._limits.what_if_limit - self._what_if.explains
        cache = CostCache(oracle=self._oracle(), relevant=self._relevant, limit=limit, refuted=self._refuted)
        bundles = await self._narrowed(cache)
        picked: frozenset[Candidate] = frozenset[Candidate]().union(*bundles)
        used = picked | self._narrower(picked, pool)
        writes = self._writes()
        penalties = {c: write_penalty(c, self._survey.tables[c.table], writes.get(c.table, 0.0)) for c in used}
        search = Search(
            cache=cache,
            weights=self._weights,
            pool=sorted(used, key=lambda candidate: candidate.definition),
            penalties=penalties,
            limits=Limits(budget_bytes=self._limits.budget_bytes, max_indexes=self._limits.max_indexes),
            asked={name: self._harvest.asked(plan.accesses) for name, plan in self._survey.plans.items()},
            bundles=[bundle for bundle in dict.fromkeys(bundles) if len(bundle) > 1],
        )
        selection = await search.run()
        deletes = delete_candidates(
            self._survey.plans,
            self._weights,
            self._survey.foreign_keys,
            self._survey.existing,
            self._survey.tables,
        )
        taken = {(c.candidate.table, c.candidate.subjects) for c in selection.chosen}
        deletes = tuple(d for d in deletes if (d.candidate.table, d.candidate.subjects) not in taken)
        chosen = (*selection.chosen, *deletes[: self._room(len(selection.chosen))])
        return IndexPlan(
            chosen=chosen,
            rejected=selection.rejected,
            skipped=tuple(self._survey.skipped),
            cost_before=selection.cost_before,
            cost_after=selection.cost_after,
            explains=self._what_if.explains,
            method="hypopg" if self._survey.has_hypopg else "rules",
            workload=self._workload,
        )

    async def _sampled(self, pool: frozenset[Candidate]) -> frozenset[Candidate]:
        """The candidates again, with what samples tell of the sizes of some of them."""
        connection, tables = self._what_if.connection, self._survey.tables
        inverted = frozenset(candidate for candidate in pool if candidate.index.method == "gin")
        if inverted and self._survey.has_hypopg:
            self._impossible = await self._what_if.impossible(inverted)
        self._harvest.samples = await sample_items(connection, inverted - self._impossible, tables)
        for table in _tables(pool):
            asked = [candidate for candidate in pool if candidate.table == table]
            combinations = await counted_combinations(connection, tables[table], asked)
            tables[table] = replace(tables[table], combinations=combinations)
        return self._harvested()

    def _read(self) -> dict[tuple[str, Table], frozenset[str]]:
        """The columns and expressions that each query reads of each table, or finds its rows by."""
        read: dict[tuple[str, Table], frozenset[str]] = {}
        for name, plan in self._survey.plans.items():
            for access in plan.accesses:
                key = (name, self._harvest.root(access))
                read[key] = read.get(key, frozenset()) | access.needed | access.subjects
        return read

    def _room(self, taken: int) -> int | None:
        return None if self._limits.max_indexes is None else max(0, self._limits.max_indexes - taken)

    def _oracle(self) -> CostOracle:
        if self._survey.has_hypopg:
            return self._what_if
        plans = self._survey.plans
        return RuleOracle(
            costs={name: plan.cost for name, plan in plans.items()},
            accesses={name: plan.accesses for name, plan in plans.items()},
            tables=self._survey.tables,
            root=self._harvest.root,
        )

    def _harvested(self) -> frozenset[Candidate]:
        """All candidates; fills in which of them can matter to which query."""
        refused = {f"{index.schema or 'public'}.{index.table} {index.body_sql()}" for index in self._limits.refused}
        pool: dict[Candidate, Candidate] = {}
        own: dict[str, set[Candidate]] = {}
        for name, plan in self._survey.plans.items():
            for access in plan.accesses:
                for found in self._harvest.candidates(access):
                    candidate = found
                    is_standing, is_unique = self._standing(found)
                    if is_standing and not found.index.include:
                        continue
                    if found.definition in refused or found in self._impossible:
                        continue
                    if is_standing or is_unique:
                        candidate = replace(found, is_twin=True)
                    if found.by_rule:
                        saves = {**pool.get(found, found).saves, name: found.saves.get("", Saving())}
                        candidate = replace(found, saves=saves)
                        pool.pop(candidate, None)
                    pool[candidate] = candidate
                    own.setdefault(name, set()).add(candidate)
        for name, plan in self._survey.plans.items():
            leads = {(self._harvest.root(access), s) for access in plan.accesses for s in access.subjects}
            self._relevant[name] = frozenset(
                c for c in pool.values() if c in own.get(name, ()) or (c.table, c.subjects[0]) in leads
            )
        return frozenset(pool.values())

    def _standing(self, candidate: Candidate) -> tuple[bool, bool]:
        """Whether an existing index begins with the same keys, and whether these begin with all of a unique one's.

        Another index would save bytes then, or spare reading the table, and find no fewer rows.
        """
        keys = [(key.column, key.desc) for key in candidate.index.keys]
        if candidate.is_matched or any(key.opclass for key in candidate.index.keys):
            return False, False
        same = unique = False
        for index in self._survey.existing:
            if (index.schema, index.table) != candidate.table or not index.valid or index.predicate is not None:
                continue
            theirs = [(key.column, key.desc) for key in index.keys]
            if index.method == candidate.index.method == "btree":
                same |= theirs[: len(keys)] == keys
                unique |= index.unique and theirs == keys[: len(theirs)]
        return same, unique

    async def _narrowed(self, cache: CostCache) -> list[frozenset[Candidate]]:
        """For each query the sets that its plan picks when it may have any of its candidates.

        Asked several times, with less to choose from each time (covering ones out, then partial ones, then
        all but partial ones), so that a smaller index than the very best one is known as well.
        """
        found: list[frozenset[Candidate]] = []
        for name in self._queries:
            candidates = self._relevant[name]
            plain = frozenset(c for c in candidates if not c.index.include)
            full = frozenset(c for c in plain if c.index.where is None)
            partial = plain - full
            # Of one that is matched HypoPG may show nothing, as long as another index serves the relation.
            matched = frozenset(c for c in candidates if c.is_matched)
            only = [
                frozenset(c for c in candidates if c.table != table or c in matched) for table in _tables(matched)
            ]
            spared = self._refuted.spared(name, candidates)
            asked = dict.fromkeys((candidates, *spared, plain, full, partial, *only))
            sets = [allowed for allowed in asked if allowed]
            found += [(await cache.estimate(name, allowed)).used for allowed in sets]
            found += [frozenset([c]) for c in candidates if c.by_rule or c.index.method == "brin"]
        return [used for used in found if used]

    def _narrower(self, used: frozenset[Candidate], pool: frozenset[Candidate]) -> frozenset[Candidate]:
        """What could stand for those that were picked.

        Their leading parts, which are smaller and shared by more queries, and other orders of their keys that
        begin with another one's.
        """
        heads = {(c.table, c.subjects[:size]) for c in used for size in range(1, len(c.subjects))}
        subjects = {(c.table, c.subjects) for c in used} | heads
        for table, keys in [*subjects]:
            shorter = [s for t, s in subjects if t == table and len(s) < len(keys) and set(s) < set(keys)]
            heads |= {(table, (*s, *(key for key in keys if key not in s))) for s in shorter}
        return frozenset(
            c for c in pool if c.index.where is None and not c.index.include and (c.table, c.subjects) in heads
        )

    def _writes(self) -> dict[Table, float]:
        """Rows written per table in the time of the workload: by its statements, and as the caller said."""
        writes: dict[Table, float] = {}
        for name, plan in self._survey.plans.items():
            if plan.writes_to is None or plan.operation == "Delete":
                continue
            schema, _, table = plan.writes_to.partition(".")
            key = self._survey.roots.get((schema, table), (schema, table))
            writes[key] = writes.get(key, 0.0) + self._queries[name].calls * plan.rows
        for named, facts in self._survey.tables.items():
            said = self._workload.writes.get(facts.name, self._workload.writes.get(f"{facts.schema}.{facts.name}"))
            if said is not None:
                writes[named] = writes.get(named, 0.0) + said
        return writes


if TYPE_CHECKING:
    _advisor: type[IndexAdvisor] = PostgresIndexAdvisor
