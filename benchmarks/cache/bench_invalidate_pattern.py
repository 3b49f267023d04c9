"""What `invalidate_pattern` costs with a million keys in Redis, whatever the glob.

    python benchmarks/cache/bench_invalidate_pattern.py [--quick] [--keys 1000000] [--rounds 400]

Beside it in the same run: the same with a thousand keys, and a PING on a connection of its own while patterns are
invalidated, against a PING while nothing happens. Milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from backstay.cache import Cache, Invalidation
from backstay.cache.redis import RedisCache
from backstay.testing.redis_server import RedisServer, start_redis
from backstay.testing.resp import RespClient

GLOBS = ("big:*", "*", "*:id:?1*", "[a-c]*:id:[0-9]*", "nothing:*", "*a*a*a*a*a*b")
GOAL = 5.0


def fill(server: RedisServer, keys: int) -> None:
    """Plain entries under the cache's own prefix: what they hold does not matter to an invalidation."""
    with server.client() as client:
        for start in range(0, keys, 1000):
            words = [
                word for number in range(start, start + 1000) for word in (f"bs:{{:big:id:{number}}}", "x" * 64)
            ]
            client.call("MSET", *words)


async def invalidate(cache: Cache, rounds: int) -> list[float]:
    took = []
    for number in range(rounds):
        began = time.perf_counter()
        assert await cache.invalidate_pattern(GLOBS[number % len(GLOBS)]) is Invalidation.APPLIED
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.004)
    return took


def pings(port: int, seconds: float) -> list[float]:
    took, until = [], time.perf_counter() + seconds
    with RespClient(port) as client:
        while (began := time.perf_counter()) < until:
            client.call("PING")
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(0.002)
    return took


def show(what: str, took: list[float]) -> float:
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"{what:48} p50 {statistics.median(took):7.3f}   p99 {p99:7.3f}   worst {max(took):7.3f}   n {len(took)}")
    return p99


async def main(keys: int, rounds: int) -> None:
    with start_redis() as server:
        async with RedisCache.open(server.url, budget=5.0) as backend, Cache(backend) as cache:
            await cache.get("warm:id:1")
            for present in (1000, keys):
                await asyncio.to_thread(fill, server, present)
                await invalidate(cache, 20)
                p99 = show(f"invalidate_pattern, {present:,} keys", await invalidate(cache, rounds))
            idle = await asyncio.to_thread(pings, server.port, 2.0)
            busy, _ = await asyncio.gather(asyncio.to_thread(pings, server.port, 2.0), invalidate(cache, rounds))
            show("PING, nothing else", idle)
            show("PING, beside invalidations", busy)
    print(f"goal: p99 at {keys:,} keys at most {GOAL} ms: {'reached' if p99 <= GOAL else 'MISSED'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=400)
    given = parser.parse_known_args()[0]
    asyncio.run(main(20_000, 100) if given.quick else main(given.keys, given.rounds))
