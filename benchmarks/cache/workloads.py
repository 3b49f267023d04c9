"""What is asked of each contestant. An operation is one call of the public API."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from payloads import MAKERS, key_of

Operation = Callable[[Any, int], Awaitable[Any]]
"""Given the contestant and the number of the operation."""

SEED = 20_02


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One row of the table."""

    title: str
    ops: int
    concurrency: int
    payload: str = "100"
    keys: int = 1_000
    operation: str = "hit"
    options: dict[str, bool] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    loops: tuple[str, ...] = ("asyncio",)


WORKLOADS = {
    "local": Workload(
        title="local hit, one after the other",
        ops=200_000,
        concurrency=1,
        options={"local": True, "in_memory": True},
        only=("limit", "limit again", "backstay", "cashews", "aiocache"),
    ),
    "hit-256": Workload(
        title="Redis hit, 100 B, 256 callers", ops=40_000, concurrency=256, loops=("asyncio", "uvloop")
    ),
    "hit-16": Workload(title="Redis hit, 100 B, 16 callers", ops=20_000, concurrency=16),
    "hit-1": Workload(title="Redis hit, 100 B, 1 caller", ops=6_000, concurrency=1),
    "dict-256": Workload(title="dict of 1 KiB, decoded, 256 callers", ops=20_000, concurrency=256, payload="order"),
    "64k-256": Workload(title="64 KiB, 256 callers", ops=8_000, concurrency=256, payload="64k", keys=200),
    "miss-256": Workload(
        title="miss + store, computed once, 256 callers", ops=12_000, concurrency=256, keys=0, operation="miss"
    ),
    "many-100": Workload(title="get_many of 100 keys, 4 callers", ops=600, concurrency=4, operation="many"),
    "zipf": Workload(
        title="Zipf 0.99, 95 % reads, local tier where there is one, 64 callers",
        ops=60_000,
        concurrency=64,
        keys=20_000,
        operation="zipf",
        options={"local": True},
    ),
    "cancel": Workload(
        title="100 calls cancelled in flight", ops=20, concurrency=100, keys=100, operation="cancel"
    ),
}


async def computed() -> bytes:
    return b"computed".ljust(100, b"x")


def names_of(workload: Workload) -> list[str]:
    return [f"bench:{number}" for number in range(workload.keys)]


def values_of(workload: Workload) -> dict[str, Any]:
    make = MAKERS[workload.payload]
    return {key: make(key) for key in names_of(workload)}


def operation_of(workload: Workload, salt: str) -> Operation:
    """What one operation does. Keys are drawn beforehand, from one seed, so that drawing costs no one anything."""
    return {"hit": _hit, "miss": _miss, "many": _many, "zipf": _zipf}[workload.operation](workload, salt)


def _hit(workload: Workload, salt: str) -> Operation:
    drawn = random.Random(SEED).choices(names_of(workload), k=8192)

    def hit(contestant, number):
        return contestant.get(drawn[number & 8191])

    return hit


def _miss(workload: Workload, salt: str) -> Operation:
    def miss(contestant, number):
        return contestant.get_or_compute(f"{salt}:{number}", computed)

    return miss


def _many(workload: Workload, salt: str) -> Operation:
    draw, names = random.Random(SEED), names_of(workload)
    drawn = [draw.sample(names, 100) for _ in range(64)]

    def many(contestant, number):
        return contestant.get_many(drawn[number & 63])

    return many


def _zipf(workload: Workload, salt: str) -> Operation:
    draw, names, make = random.Random(SEED), names_of(workload), MAKERS[workload.payload]
    draw.shuffle(names)
    weights = list(itertools.accumulate(1 / rank**0.99 for rank in range(1, len(names) + 1)))
    drawn = [names[bisect.bisect_left(weights, draw.random() * weights[-1])] for _ in range(65_536)]
    writes = [draw.random() < 0.05 for _ in drawn]

    def zipf(contestant, number):
        key = drawn[number & 65_535]
        return contestant.set(key, make(key)) if writes[number & 65_535] else contestant.get(key)

    return zipf


async def cancel_storm(contestant: Any, workload: Workload) -> dict[str, int]:
    """Calls cancelled while Redis works on them; then every key is read again, and must name itself."""
    names = names_of(workload)
    cancelled = wrong = 0
    for _ in range(workload.ops):
        calls = [asyncio.create_task(contestant.get(key)) for key in names]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        cancelled += sum(call.cancelled() for call in calls)
        values = await asyncio.gather(*[contestant.get(key) for key in names])
        wrong += sum(key_of(value) != key for key, value in zip(names, values, strict=True))
    return {"cancelled": cancelled, "wrong": wrong}
