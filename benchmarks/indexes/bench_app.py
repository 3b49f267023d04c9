"""How good, how frugal and how truthful the advice is on an application, beside what others advise.

    python benchmarks/indexes/bench_app.py [url] [--quick] [--keep] [--alone]

Needs HypoPG, about 2 GB of disk and ten minutes. Prints one JSON object. Every set of indexes is *really built* in
a copy of the database; estimates are then the planner's own, weighted, over the cost without any index, and times
are the server's own, side by side on both, with parameter values that the advisor never saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Iterable
from typing import Any

import asyncpg
from app_workload import INSERT, ROWS, SCHEMA, workload
from peers import Column, Peer, column_pairs, reference_greedy, single_columns
from timing import side_by_side

from backstay.indexes import (
    AdviceLimits,
    Index,
    IndexPlan,
    PostgresIndexAdvisor,
    PostgresIndexPlanner,
    Workload,
)
from backstay.indexes.postgres import connect_dsn

BASE, COPY = "backstay_bench_app", "backstay_bench_app_copy"
BUDGET = 135 * 2**20
SEEN, OTHER = workload(1), workload(7001)
_EXPRESSION = "lower("  # no peer proposes expressions; figures without that statement are given beside

URL = os.environ.get("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


class Bench:
    """A server with the application's database on it, and a copy for each set of indexes."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.base, self.copy = (f"{server.rpartition('/')[0]}/{name}" for name in (BASE, COPY))

    async def create(self, *, quick: bool = False) -> None:
        rows = {table: count // 20 for table, count in ROWS.items()} if quick else ROWS
        await self._admin(f"drop database if exists {BASE} with (force)", f"create database {BASE}")
        connection = await asyncpg.connect(self.base)
        await connection.execute("create extension if not exists hypopg")
        await connection.execute(SCHEMA.format(**rows))
        await connection.execute("vacuum analyze")
        await connection.close()

    async def exists(self) -> bool:
        """Whether an earlier run has left the database."""
        connection = await asyncpg.connect(self.server)
        found: bool = await connection.fetchval("select exists (select from pg_database where datname = $1)", BASE)
        await connection.close()
        return found

    async def fresh_copy(self) -> None:
        await self._admin(f"drop database if exists {COPY} with (force)", f"create database {COPY} template {BASE}")

    async def drop(self, *, base: bool) -> None:
        await self._admin(*(f"drop database if exists {name} with (force)" for name in (COPY, *[BASE] * base)))

    async def _admin(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.server)
        for sql in statements:
            await connection.execute(sql)
        await connection.close()


async def insert_ratio(before: str, after: str) -> float:
    """What inserts cost with the indexes over without, alternating between the two."""
    taken: dict[str, list[float]] = {before: [], after: []}
    for url in (before, after) * 5:
        connection = await asyncpg.connect(url)
        transaction = connection.transaction()
        await transaction.start()
        began = time.perf_counter()
        await connection.execute(INSERT)
        taken[url].append(time.perf_counter() - began)
        await transaction.rollback()
        await connection.close()
    return sorted(taken[after])[2] / sorted(taken[before])[2]


def weighted(pairs: Iterable[tuple[str, float]], load: Workload, *, without: str = "\0") -> float:
    weights = {query.fingerprint: query.calls for query in load.queries if without not in query.sql}
    return sum(weights.get(name, 0.0) * value for name, value in pairs)


def ratio(
    after: Iterable[tuple[str, float]], before: Iterable[tuple[str, float]], load: Workload
) -> dict[str, float]:
    return {
        "all": round(weighted(after, load) / weighted(before, load), 4),
        "without_expressions": round(
            weighted(after, load, without=_EXPRESSION) / weighted(before, load, without=_EXPRESSION), 4
        ),
    }


async def built(bench: Bench, indexes: Iterable[Index]) -> tuple[dict[str, object], dict[str, int]]:
    """Build a set in a fresh copy; what it costs and saves there, and how big each index is."""
    await bench.fresh_copy()
    planner, advisor = PostgresIndexPlanner.from_dsn(bench.copy), PostgresIndexAdvisor(connect_dsn(bench.copy))
    wanted = tuple(indexes)
    await planner.ensure(wanted)
    connection = await asyncpg.connect(bench.copy)
    await connection.execute("vacuum analyze")
    await connection.close()
    names = {index.effective_name for index in wanted}
    sizes = {index.name: index.size_bytes for index in await planner.indexes() if index.name in names}
    without = await PostgresIndexAdvisor(connect_dsn(bench.base)).baseline(SEEN)
    seen, other = await advisor.baseline(SEEN), await side_by_side(bench.base, bench.copy, OTHER)
    result = {
        "indexes": len(wanted),
        "built_mb": round(sum(sizes.values()) / 2**20, 1),
        "estimated": ratio(seen.costs, without.costs, SEEN),
        "estimated_other_values": ratio(
            [(t.query, t.cost_after) for t in other.timings],
            [(t.query, t.cost_before) for t in other.timings],
            OTHER,
        ),
        "measured": ratio(
            [(t.query, t.seconds_after or 0.0) for t in other.timings],
            [(t.query, t.seconds_before or 0.0) for t in other.timings],
            OTHER,
        ),
        "slower_than_1.15": len(other.regressions),
        "insert_ratio": round(await insert_ratio(bench.base, bench.copy), 2),
    }
    return result, sizes


def truth_of_sizes(plan: IndexPlan, sizes: dict[str, int]) -> dict[str, float]:
    """Modelled over built, index by index."""
    return {
        choice.candidate.definition: round(
            choice.candidate.size_bytes / sizes[choice.candidate.index.effective_name], 2
        )
        for choice in plan.chosen
    }


async def ours(bench: Bench, budget: float) -> dict[str, object]:
    began = time.perf_counter()
    plan = await PostgresIndexAdvisor(connect_dsn(bench.base)).recommend(
        SEEN, limits=AdviceLimits(budget_bytes=budget)
    )
    seconds = time.perf_counter() - began
    result, sizes = await built(bench, plan.indexes)
    modelled = truth_of_sizes(plan, sizes)
    return result | {
        "budget_mb": round(budget / 2**20, 1),
        "over_budget": round(sum(sizes.values()) / budget - 1, 3),
        "promised": round(plan.cost_after / plan.cost_before, 4),
        "explains": plan.explains,
        "seconds": round(seconds, 2),
        "size_model": (min(modelled.values()), max(modelled.values())),
        "sizes": modelled,
    }


async def peers(bench: Bench) -> dict[str, dict[str, Any]]:
    methods = {"single_columns": single_columns, "column_pairs": column_pairs, "reference_greedy": _reference}
    found: dict[str, dict[str, Any]] = {}
    for name, method in methods.items():
        connection = await asyncpg.connect(bench.base)
        peer = await Peer.opened(connection, SEEN)
        began = time.perf_counter()
        advice = await method(peer)
        seconds = time.perf_counter() - began
        await connection.close()
        result, _ = await built(bench, (_index(column) for column in advice))
        found[name] = result | {"explains": peer.explains, "seconds": round(seconds, 2)}
    return found


async def _reference(peer: Peer) -> list[Column]:
    return await reference_greedy(peer, BUDGET)


def _index(column: Column) -> Index:
    return Index(column[0], column[1])


async def main(server: str, *, keep: bool, alone: bool, quick: bool) -> dict[str, dict[str, dict[str, Any]]]:
    bench = Bench(server)
    if not keep:
        await bench.create(quick=quick)
    result: dict[str, dict[str, dict[str, Any]]] = {"ours": {"135 MB": await ours(bench, BUDGET)}}
    if not alone:
        others = await peers(bench)
        result["peers"] = others
        for name, peer in others.items():
            result["ours"][f"as big as {name}"] = await ours(bench, float(peer["built_mb"]) * 2**20)
    await bench.drop(base=not keep)
    return result


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("server", nargs="?", default=URL)
    arguments.add_argument("--quick", action="store_true", help="a smoke run: a twentieth of the rows, no peers")
    arguments.add_argument("--keep", action="store_true", help="use the database of an earlier run, and leave it")
    arguments.add_argument("--alone", action="store_true", help="without the peers")
    asked = arguments.parse_known_args()[0]
    found = main(asked.server, keep=asked.keep, alone=asked.alone or asked.quick, quick=asked.quick)
    print(json.dumps(asyncio.run(found), indent=2))
