"""Whether indexes kept their promise: plans and times before and after, and taking back what did not."""

from __future__ import annotations

import json
import statistics

import asyncpg

from backstay.clock import Clock
from backstay.errors import WorkloadError
from backstay.events import Emitter
from backstay.indexes.advice import Baseline, IndexPlan, Timing, Verification, WatchReport
from backstay.indexes.events import IndexRolledBack
from backstay.indexes.workload import Query

from .connect import Connect, Connection
from .planner import PostgresIndexPlanner
from .whatif import WhatIf

_RUNS = 3
_READS = ("select", "with", "values", "table")


async def measure(what_if: WhatIf, queries: dict[str, Query], *, run: bool, timeout: float) -> Baseline:
    """Cost, plan and (with `run`) median time of every query that can be had."""
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
    """The median time of a read; None for a statement that writes or has parameters but no samples."""
    if query.sql.split(None, 1)[0].lower() not in _READS or (query.parameters and not query.samples):
        return None
    taken: list[float] = []
    for sample in (query.samples[:2] or [()]) * _RUNS:
        try:
            # With the values as constants of their parameters' types: a sample from elsewhere may hold a text
            # where the driver would insist on a date.
            taken.append(await _run_once(what_if.connection, await what_if.call(query, sample), timeout))
        except asyncpg.QueryCanceledError:
            return timeout
        except (asyncpg.PostgresError, asyncpg.DataError):
            return None
    return statistics.median(taken)


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


async def watched(
    connect: Connect,
    plan: IndexPlan,
    verification: Verification,
    after: Baseline,
    *,
    clock: Clock,
    emit: Emitter,
) -> WatchReport:
    """Drop those indexes of the plan that a query which got slower now uses."""
    used = dict(after.plans)
    names = {index.effective_name: index.table for index in plan.indexes}
    guilty: dict[str, Timing] = {}
    for timing in verification.regressions:
        for name in used.get(timing.query, frozenset()) & names.keys():
            guilty[name] = timing
    if not guilty:
        return WatchReport(verification=verification)
    undo = await PostgresIndexPlanner(connect, clock=clock, emitter=emit).drop(guilty)
    for name, timing in guilty.items():
        emit(IndexRolledBack(index=name, table=names[name], fingerprint=timing.query, ratio=timing.ratio))
    return WatchReport(verification=verification, rolled_back=tuple(guilty), undo=undo)
