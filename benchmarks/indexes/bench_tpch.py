"""Advice for TPC-H: what it promises, what it does when executed, and what inserts pay for it.

    python benchmarks/indexes/bench_tpch.py postgresql://postgres@127.0.0.1:5432/postgres --generator PATH

Needs HypoPG, and the program `tpchgen-cli` (a wheel of that name) in a place of its own. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
from tpch_queries import INSERT, QUERIES, SCHEMA, TABLES

from backstay.indexes import AdviceLimits, PostgresIndexAdvisor, PostgresIndexPlanner, Query, Workload
from backstay.indexes.postgres import connect_dsn

NAME = "backstay_bench_tpch"
BUDGET = 100 * 2**20
WORKLOAD = Workload(queries=tuple(Query(sql=sql, name=name) for name, sql in QUERIES.items()))


async def create(server: str, url: str, generator: str, scale: float) -> None:
    admin = await asyncpg.connect(server)
    await admin.execute(f"drop database if exists {NAME} with (force)")
    await admin.execute(f"create database {NAME}")
    await admin.close()
    connection = await asyncpg.connect(url)
    await connection.execute("create extension if not exists hypopg")
    await connection.execute(SCHEMA)
    with tempfile.TemporaryDirectory() as directory:
        command = [generator, "csv", "-s", str(scale), "--output-dir", directory]
        subprocess.run(command, check=True)  # noqa: S603 - the program that the caller named
        for table in TABLES:
            with (Path(directory) / f"{table}.csv").open("rb") as source:
                await connection.copy_to_table(table, source=source, format="csv", header=True)
    await connection.execute("vacuum analyze")
    await connection.close()


async def insert_seconds(url: str) -> float:
    connection = await asyncpg.connect(url)
    taken: list[float] = []
    for _ in range(5):
        transaction = connection.transaction()
        await transaction.start()
        began = time.perf_counter()
        await connection.execute(INSERT)
        taken.append(time.perf_counter() - began)
        await transaction.rollback()
    await connection.close()
    return sorted(taken)[2]


def mean_ratio(after: dict[str, float], before: dict[str, float]) -> float:
    """Total over total: the weights are equal."""
    return round(sum(after[name] for name in before) / sum(before.values()), 4)


async def main(server: str, generator: str, scale: float, *, keep: bool) -> dict[str, object]:
    url = f"{server.rpartition('/')[0]}/{NAME}"
    if not keep:
        await create(server, url, generator, scale)
    planner, advisor = PostgresIndexPlanner.from_dsn(url), PostgresIndexAdvisor(connect_dsn(url))
    before = await advisor.baseline(WORKLOAD, run=True, timeout=30)
    inserted = await insert_seconds(url)
    began = time.perf_counter()
    plan = await advisor.recommend(WORKLOAD, limits=AdviceLimits(budget_bytes=BUDGET, what_if_limit=2000))
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    proven = await advisor.apply(plan, before, timeout=30)
    applied = time.perf_counter() - began
    after = await advisor.baseline(WORKLOAD, run=True, timeout=30)
    sizes = {index.name: index.size_bytes for index in await planner.indexes()}
    kept = [index for index in plan.indexes if index.effective_name not in proven.rolled_back]
    result = {
        "advised": [choice.candidate.definition for choice in plan.chosen],
        "promised": round(plan.cost_after / plan.cost_before, 4),
        "explains": plan.explains,
        "seconds": round(seconds, 2),
        "apply_and_verify_seconds": round(applied, 2),
        "rolled_back": list(proven.rolled_back),
        "modelled_mb": round(plan.size_bytes / 2**20, 1),
        "built_mb": round(sum(sizes[index.effective_name] for index in kept) / 2**20, 1),
        "estimated": mean_ratio(dict(after.costs), dict(before.costs)),
        "measured": mean_ratio(dict(after.seconds), dict(before.seconds)),
        "per_query": {
            name: (
                round(dict(after.costs)[name] / dict(before.costs)[name], 2),
                round(value / dict(before.seconds)[name], 2),
            )
            for name, value in after.seconds
        },
        "insert_ratio": round(await insert_seconds(url) / inserted, 2),
    }
    await planner.drop([index.effective_name for index in kept])
    if not keep:
        connection = await asyncpg.connect(server)
        await connection.execute(f"drop database {NAME} with (force)")
        await connection.close()
    return result


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("server")
    arguments.add_argument("--generator", default="tpchgen-cli")
    arguments.add_argument("--scale", type=float, default=0.2)
    arguments.add_argument("--keep", action="store_true", help="use the database of an earlier run, and leave it")
    asked = arguments.parse_args()
    print(json.dumps(asyncio.run(main(asked.server, asked.generator, asked.scale, keep=asked.keep)), indent=2))
