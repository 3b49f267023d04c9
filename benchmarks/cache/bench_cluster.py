"""What a client process gets out of a Redis Cluster, beside one server, in one run.

    python benchmarks/cache/bench_cluster.py [--quick] [--rounds 5]

Hits of 100 B by 256 callers, no local tier; three masters on this machine. Medians of interleaved rounds: client
CPU per hit, and hits a second.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import time

from backstay.cache import Cache
from backstay.cache.redis import RedisCache
from backstay.testing.redis_server import start_redis
from backstay.testing.redis_topologies import start_redis_cluster

CALLERS = 256
KEYS = 2_000
GOAL = 0.8


async def compute() -> bytes:
    raise AssertionError("every key is there")


async def hits(url: str, ops: int) -> tuple[float, float]:
    """Microseconds of CPU per hit, and hits per second."""
    async with RedisCache.open(url, budget=5.0) as backend, Cache(backend, local=None) as cache:
        keys = [f"bench:{number}" for number in range(KEYS)]
        for start in range(0, KEYS, 500):
            await cache.set_many({key: key.encode().ljust(100, b"x") for key in keys[start : start + 500]}, 600)
        drawn = random.Random(1).choices(keys, k=8192)

        async def load(count: int) -> None:
            numbers = itertools.count()

            async def caller() -> None:
                for _ in range(count // CALLERS):
                    await cache.get_or_compute(drawn[next(numbers) & 8191], compute, 600)

            await asyncio.gather(*[caller() for _ in range(CALLERS)])

        await load(ops // 4)
        cpu, wall = time.process_time(), time.perf_counter()
        await load(ops)
        return (time.process_time() - cpu) / ops * 1e6, ops / (time.perf_counter() - wall)


def main(rounds: int, ops: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {"one server": [], "cluster of 3": []}
    with start_redis() as server, start_redis_cluster() as cluster:
        urls = (server.url, f"redis+cluster://127.0.0.1:{cluster.masters[0].port}")
        for _ in range(rounds):
            for name, url in zip(found, urls, strict=True):
                found[name].append(asyncio.run(hits(url, ops)))
    rates = []
    for name, runs in found.items():
        cpu, rate = (statistics.median(run[column] for run in runs) for column in (0, 1))
        rates.append(rate)
        print(f"{name:14} {cpu:6.2f} µs of CPU per hit   {rate:10,.0f} hits/s")
    share = rates[1] / rates[0]
    print(f"share of the one server's rate: {share:.2f} (goal {GOAL}: {'reached' if share >= GOAL else 'MISSED'})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_known_args()[0]
    main(*((1, 5_120) if given.quick else (given.rounds, 40_960)))
