"""How long after a fill a caller who waits in another process has the value.

    python benchmarks/cache/bench_wakeup.py [--quick] [--rounds 300]

Two processes on one Redis: one computes for 50 ms, the other waits for it. Both read the same monotonic clock
(Linux): from the moment the computation returned to the moment the waiting call did. That includes encoding, the
fill, the push, and the read that follows it. Milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics

from backstay.testing.fleet import fleet
from backstay.testing.redis_server import start_redis

GOAL = 5.0


async def measure(rounds: int) -> list[float]:
    took = []
    opener = "backstay.cache.redis:RedisCache.open"
    with start_redis() as server:
        async with fleet(2, opener, server.url, prefix="bench:") as (holder, waiter):
            for number in range(rounds):
                key = f"wake:id:{number}"
                computing = holder.ask("obtain", key=key, value="value", seconds=0.05, lease=10.0)
                await computing.event("computing")
                waiting = waiter.ask("obtain", key=key, value="computed twice", lease=10.0)
                computed = await computing.event("computed")
                result = await waiting.result()
                assert result["values"] == ["value"]
                took.append((result["ended"] - computed["at"]) * 1000)
    return took


def main(rounds: int) -> None:
    took = asyncio.run(measure(rounds))
    p99 = statistics.quantiles(took, n=100)[98]
    middle = statistics.median(took)
    print(f"woken after   p50 {middle:.2f} ms   p99 {p99:.2f} ms   worst {max(took):.2f} ms   n {rounds}")
    print(f"goal: p99 at most {GOAL} ms on an idle machine: {'reached' if p99 <= GOAL else 'MISSED'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--rounds", type=int, default=300)
    given = parser.parse_known_args()[0]
    main(30 if given.quick else given.rounds)
