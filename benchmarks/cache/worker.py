"""One contestant, one workload, one process; prints one line of JSON.

python worker.py CONTESTANT WORKLOAD REDIS_URL OPS LOOP
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import json
import math
import sys
import time
import warnings
from urllib.parse import urlsplit

from contestants import opener
from payloads import key_of
from workloads import WORKLOADS, Operation, Workload, cancel_storm, operation_of, values_of

from backstay.testing.resp import RespClient


async def load(contestant, operation: Operation, ops: int, concurrency: int) -> None:
    """`concurrency` callers share `ops` operations; each begins its next one when the last has ended."""
    numbers = itertools.count()

    async def caller(share: int) -> None:
        for _ in range(share):
            await operation(contestant, next(numbers))

    if concurrency == 1:
        await caller(ops)
    else:
        await asyncio.gather(*[caller(ops // concurrency) for _ in range(concurrency)])


async def latencies(contestant, operation: Operation, ops: int, concurrency: int) -> list[int]:
    """Nanoseconds per operation: in a pass of its own, because looking at the clock costs as well."""
    taken: list[int] = []
    clock = time.perf_counter_ns

    async def timed(contestant, number):
        begin = clock()
        await operation(contestant, number)
        taken.append(clock() - begin)

    await load(contestant, timed, ops, concurrency)
    return sorted(taken)


async def check(contestant, workload: Workload, values: dict) -> None:
    """Nobody wins by giving wrong answers, or none."""
    for key in list(values)[:50]:
        value = await contestant.get(key)
        if value is None or key_of(value) != key:
            raise AssertionError(f"{key} came back as {value!r:.60}")


async def measure(contestant, workload: Workload, ops: int) -> dict:
    values = values_of(workload)
    items = list(values.items())
    await asyncio.gather(*[contestant.prefill(dict(items[start::32])) for start in range(32)])
    await check(contestant, workload, values)
    await load(
        contestant, operation_of(workload, "warm"), max(ops // 5, workload.concurrency), workload.concurrency
    )
    operation = operation_of(workload, "measured")
    ops = max(ops // workload.concurrency, 1) * workload.concurrency
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    await load(contestant, operation, ops, workload.concurrency)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    timed = max(ops // 4, workload.concurrency)
    taken = await latencies(contestant, operation_of(workload, "timed"), timed, workload.concurrency)
    return {
        "cpu_us": cpu / ops * 1e6,
        "ops_s": ops / wall,
        "p50_us": taken[len(taken) // 2] / 1000,
        "p99_us": taken[math.ceil(len(taken) * 0.99) - 1] / 1000,
        "computed": getattr(contestant, "computed", 0),
    }


def connections(url: str) -> int:
    """How many connections the server has accepted so far, this one among them."""
    with RespClient(urlsplit(url).port or 6379) as client:
        stats = client.text("INFO", "stats")
    return int(stats.partition("total_connections_received:")[2].split()[0])


def options_of(name: str, workload: Workload) -> dict[str, bool]:
    """The workload's options, as far as the contestant has them."""
    known = inspect.signature(opener(name)).parameters
    return {option: value for option, value in workload.options.items() if option in known}


async def run(name: str, workload: Workload, url: str, ops: int) -> dict:
    async with opener(name)(url, workload.payload, **options_of(name, workload)) as contestant:
        if workload.operation != "cancel":
            return await measure(contestant, workload, ops)
        values = values_of(workload)
        await contestant.prefill(values)
        await asyncio.gather(*[contestant.get(key) for key in values])  # as many connections as it wants
        before = connections(url)
        found = await cancel_storm(contestant, workload)
        return {**found, "reconnects": connections(url) - before - 1}


def main() -> None:
    warnings.simplefilter("ignore")
    name, key, url, ops, loop = sys.argv[1:]
    if loop == "uvloop":
        import uvloop

        runner = uvloop.run
    else:
        runner = asyncio.run
    print(json.dumps(runner(run(name, WORKLOADS[key], url, int(ops)))), flush=True)


if __name__ == "__main__":
    main()
