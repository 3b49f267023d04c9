"""Advice for TPC-H: what it promises, what it does when executed, and what inserts pay for it.

    python benchmarks/indexes/bench_tpch.py [url] [--quick] [--generator PATH]

Needs HypoPG, and the program `tpchgen-cli` (a wheel of that name). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
from timing import side_by_side
from tpch_queries import INSERT, QUERIES, SCHEMA, TABLES

from backstay.indexes import AdviceLimits, PostgresIndexAdvisor, PostgresIndexPlanner, Query, Workload, settle
from backstay.indexes.advice import renewed
from backstay.indexes.postgres import connect_dsn

NAME = "backstay_bench_tpch"
BUDGET = 100 * 2**20
ROUNDS = 5
WORKLOAD = Workload(queries=tuple(Query(sql=sql, name=name) for name, sql in QUERIES.items()))

URL = os.environ.get("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


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
        await asyncio.to_thread(subprocess.run, command, check=True)
        for table in TABLES:
            with (Path(directory) / f"{table}.csv").open("rb") as source:
                await connection.copy_to_table(table, source=source, format="csv", header=True)
    await connection.execute("vacuum analyze")
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


async def copied(server: str) -> None:
    admin = await asyncpg.connect(server)
    await admin.execute(f"drop database if exists {NAME}_copy with (force)")
    await admin.execute(f"create database {NAME}_copy template {NAME}")
    await admin.close()


async def main(server: str, generator: str, scale: float, *, keep: bool) -> dict[str, object]:
    base, copy = (f"{server.rpartition('/')[0]}/{NAME}{ending}" for ending in ("", "_copy"))
    if not keep:
        await create(server, base, generator, scale)
    await copied(server)
    planner, advisor = PostgresIndexPlanner.from_dsn(copy), PostgresIndexAdvisor(connect_dsn(copy))
    before = await advisor.baseline(WORKLOAD, run=True, timeout=30)
    before = renewed(before, await advisor.baseline(WORKLOAD, run=True, timeout=30))  # of two moments the better
    limits = AdviceLimits(budget_bytes=BUDGET, what_if_limit=2000)
    began = time.perf_counter()
    settled = await settle(advisor, planner, WORKLOAD, before=before, limits=limits, rounds=ROUNDS, timeout=30)
    applied, taken = settled.standing, time.perf_counter() - began
    async for look in advisor.watch(applied.kept, before, looks=1, timeout=30):
        applied = applied.after(look)
    began = time.perf_counter()
    await PostgresIndexAdvisor(connect_dsn(base)).recommend(WORKLOAD, limits=limits)
    advised = time.perf_counter() - began
    kept = applied.kept.indexes
    sizes = {index.name: index.size_bytes for index in await planner.indexes()}
    judged = await side_by_side(base, copy, WORKLOAD)
    result = {
        "rounds": [
            {
                "advised": [choice.candidate.definition for choice in each.plan.chosen],
                "promised": round(each.plan.cost_after / each.plan.cost_before, 4),
                "explains": each.plan.explains,
                "modelled_mb": round(each.plan.size_bytes / 2**20, 1),
                "rolled_back": list(each.rolled_back),
            }
            for each in settled.rounds
        ],
        "seconds_to_settle": round(taken, 1),
        "seconds_to_advise": round(advised, 2),
        "rolled_back_later": sorted(set(applied.rolled_back) - set(settled.standing.rolled_back)),
        "built_mb": round(sum(sizes[index.effective_name] for index in kept) / 2**20, 1),
        "estimated": round(
            sum(timing.cost_after for timing in judged.timings)
            / sum(timing.cost_before for timing in judged.timings),
            4,
        ),
        "measured": round(
            sum(timing.seconds_after or 0 for timing in judged.timings)
            / sum(timing.seconds_before or 0 for timing in judged.timings),
            4,
        ),
        "per_query": {
            timing.query: (round(timing.cost_after / timing.cost_before, 2), round(timing.ratio, 2))
            for timing in judged.timings
        },
        "slower_than_1.15": [timing.query for timing in judged.regressions],
        "insert_ratio": round(await insert_ratio(base, copy), 2),
    }
    admin = await asyncpg.connect(server)
    for name in (f"{NAME}_copy", *[NAME] * (not keep)):
        await admin.execute(f"drop database {name} with (force)")
    await admin.close()
    return result


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("server", nargs="?", default=URL)
    arguments.add_argument("--quick", action="store_true", help="a smoke run: a hundredth of the data")
    arguments.add_argument("--generator", default="tpchgen-cli")
    arguments.add_argument("--scale", type=float, default=0.2)
    arguments.add_argument("--keep", action="store_true", help="use the database of an earlier run, and leave it")
    asked = arguments.parse_known_args()[0]
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # in this environment
    generator = shutil.which(asked.generator, path=beside)
    if generator is None:
        sys.exit(f"{asked.generator} is not installed: it makes the data")
    scale = 0.01 if asked.quick else asked.scale
    print(json.dumps(asyncio.run(main(asked.server, generator, scale, keep=asked.keep)), indent=2))
