"""Whether indexes kept their promise: plans and times before and after, and taking back what did not."""

from __future__ import annotations

import json
import statistics
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import asyncpg

from backstay.clock import Clock
from backstay.errors import WorkloadError
from backstay.events import Emitter
from backstay.indexes.advice import (
    Baseline,
    Timing,
    Verification,
    WatchReport,
    compare_baselines,
    least_missed,
    renewed,
)
from backstay.indexes.declared import Index, quote_identifier
from backstay.indexes.events import IndexRolledBack
from backstay.indexes.refuted import Refutation
from backstay.indexes.workload import Query

from .connect import Connect, Connection
from .planner import PostgresIndexPlanner
from .whatif import WhatIf

_RUNS = 5
_DOUBTS = 3
ADMITTED = 1.10
"""How much slower a query may be for a new index to stay: measured another time it may come out a little slower."""
STANDING = 1.15
"""And for one that stays already: else what was just admitted would be expelled by the noise of the next look."""
_READS = ("select", "with", "values", "table")


async def measure(what_if: WhatIf, queries: dict[str, Query], *, run: bool, timeout: float) -> Baseline:
    """Cost, plan and (with `run`) time of every query that can be had."""
    costs: list[tuple[str, float]] = []
    seconds: list[tuple[str, float]] = []
    plans: list[tuple[str, frozenset[str]]] = []
    for name, query in queries.items():
        try:
            cost, indexes = await what_if.cost(query)
        except (asyncpg.PostgresError, WorkloadError):
            continue
        costs.append((name, cost))
        plans.append((name, indexes))
        if run:
            taken = await _time(what_if, query, timeout)
            if taken is not None:
                seconds.append((name, taken))
    return Baseline(costs=tuple(costs), seconds=tuple(seconds), plans=tuple(plans))


async def _time(what_if: WhatIf, query: Query, timeout: float) -> float | None:
    """The time of a read: the shortest of its runs, since what disturbs one makes it longer.

    None for a statement that writes, or has parameters and no samples.
    """
    if query.sql.split(None, 1)[0].lower() not in _READS or (query.parameters and not query.samples):
        return None
    taken: list[float] = []
    for sample in query.samples[:2] or [()]:
        try:
            # With the values as constants of their parameters' types: a sample from elsewhere may hold a text
            # where the driver would insist on a date.
            call = await what_if.call(query, sample)
            taken.append(min([await _run_once(what_if.connection, call, timeout) for _ in range(_RUNS)]))
        except asyncpg.QueryCanceledError:
            return timeout
        except (asyncpg.PostgresError, asyncpg.DataError):
            return None
    return statistics.mean(taken)


async def _run_once(connection: Connection, sql: str, timeout: float) -> float:
    """Run once in a transaction that can neither write nor last, and take the server's own time."""
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    try:
        await connection.execute(f"set local statement_timeout = {max(1, round(timeout * 1000))}")
        found = await connection.fetchval(f"explain (analyze, timing off, format json) {sql.rstrip().rstrip(';')}")
    finally:
        await transaction.rollback()
    plan = json.loads(found) if isinstance(found, str) else found
    return float(plan[0]["Execution Time"] + plan[0]["Planning Time"]) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Checks indexes that were built against what was before them. `measure` runs queries by name."""

    threshold: float
    connect: Connect
    measure: Callable[[Collection[str] | None], Awaitable[Baseline]]
    clock: Clock
    emit: Emitter

    async def of(self, indexes: Sequence[Index], before: Baseline) -> WatchReport:
        """Measure; while a query is slower, drop one of these indexes that it uses and measure it again."""
        ours = {index.effective_name: index for index in indexes}
        after = await self.measure(None)
        after = await self._doubted(before, after)
        rolled_back: list[str] = []
        undo: list[str] = []
        refuted: dict[str, Refutation] = {}
        while guilty := least_missed(self._compared(before, after), dict(after.plans), ours):
            # Of a query the last word counts: what was dropped before and did not help is innocent.
            refuted |= self._refuted(before, after, ours)
            undo += await self._drop(guilty, ours)
            rolled_back += guilty
            touched = {query for query, used in after.plans if used & guilty.keys()}
            for name in guilty:
                del ours[name]
            after = await self._doubted(before, renewed(after, await self.measure(touched)))
        return WatchReport(
            verification=compare_baselines(before, after),
            rolled_back=tuple(rolled_back),
            undo=tuple(undo),
            refuted=tuple(refuted.values()),
        )

    def _refuted(self, before: Baseline, after: Baseline, ours: Mapping[str, Index]) -> dict[str, Refutation]:
        plans = {query: used & ours.keys() for query, used in after.plans}
        slower = [t.query for t in self._compared(before, after).regressions if plans.get(t.query)]
        return {
            query: Refutation(query=query, indexes=tuple(ours[name] for name in sorted(plans[query])))
            for query in slower
        }

    async def _doubted(self, before: Baseline, after: Baseline) -> Baseline:
        """Measure what looks slower again: a busy moment is not a reason to drop an index."""
        for _ in range(_DOUBTS):
            slower = {timing.query for timing in self._compared(before, after).regressions}
            if not slower:
                break
            after = renewed(after, await self.measure(slower))
        return after

    def _compared(self, before: Baseline, after: Baseline) -> Verification:
        return replace(compare_baselines(before, after), threshold=self.threshold)

    async def _drop(self, guilty: Mapping[str, Timing], ours: Mapping[str, Index]) -> tuple[str, ...]:
        planner = PostgresIndexPlanner(self.connect, clock=self.clock, emitter=self.emit)
        undo = await planner.drop(ours[name].qualified_name for name in guilty)
        for name, timing in guilty.items():
            table, ratio = ours[name].table, timing.ratio
            self.emit(IndexRolledBack(index=name, table=table, fingerprint=timing.query, ratio=ratio))
        return undo


async def analyze_expressions(connect: Connect, indexes: Iterable[Index]) -> None:
    """Let the server look at the tables of new expression indexes: it knows nothing of their values yet."""
    tables = dict.fromkeys(
        (index.schema, index.table) for index in indexes if any(key.expression for key in index.keys)
    )
    async with connect() as connection:
        for schema, table in tables:
            name = quote_identifier(table)
            await connection.execute(f"analyze {quote_identifier(schema)}.{name}" if schema else f"analyze {name}")
