"""Times of one workload on two databases, taken side by side: what else the machine does hits both."""

from __future__ import annotations

from dataclasses import replace

from backstay.indexes import PostgresIndexAdvisor, Verification, Workload
from backstay.indexes.advice import Timing
from backstay.indexes.postgres import connect_dsn


async def side_by_side(before: str, after: str, load: Workload, *, timeout: float = 30.0) -> Verification:
    """Each statement on the one database, then on the other; slower ones again, and the better of both counts."""
    found = {
        query.fingerprint: await _pair(before, after, replace(load, queries=(query,)), timeout)
        for query in load.queries
    }
    for query in load.queries:
        timing = found[query.fingerprint]
        if timing in Verification(timings=(timing,)).regressions:
            again = await _pair(before, after, replace(load, queries=(query,)), timeout)
            found[query.fingerprint] = min(timing, again, key=lambda one: one.ratio)
    return Verification(timings=tuple(found.values()))


async def _pair(before: str, after: str, load: Workload, timeout: float) -> Timing:
    then, now = [
        await PostgresIndexAdvisor(connect_dsn(url)).baseline(load, run=True, timeout=timeout)
        for url in (before, after)
    ]
    ((name, cost_before),), ((_, cost_after),) = then.costs, now.costs
    return Timing(
        query=name,
        cost_before=cost_before,
        cost_after=cost_after,
        seconds_before=dict(then.seconds).get(name),
        seconds_after=dict(now.seconds).get(name),
    )
