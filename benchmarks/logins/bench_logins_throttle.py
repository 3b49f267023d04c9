"""What the throttle and the offline breach check cost a login, and what they stop.

The costs are given beside that of one hash of the default profile, measured in the same run: shares of it are what
carries over to other machines. Medians of five runs.

    python benchmarks/logins/bench_logins_throttle.py [--quick]

On a Redis that is started for this, unless REDIS_URL names another.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

from backstay.clock import ManualClock
from backstay.errors import TooManyAttempts
from backstay.passwords import (
    BreachDatabase,
    DeviceTokens,
    Limit,
    Limits,
    MemoryThrottle,
    PasswordHasher,
    StandardThrottle,
    ThrottleStore,
)
from backstay.passwords.breach import build
from backstay.passwords.throttle.redis import RedisThrottle
from backstay.secret import Secret
from backstay.testing.redis_server import start_redis

GENEROUS = Limits(pair=Limit(free=10**6), account=Limit(free=10**6), ip=Limit(free=10**6), device=Limit(free=10**6))


async def median_of(work: Callable[[], Awaitable[None]], count: int) -> float:
    """Seconds that one of `count` takes: the median of five runs."""
    runs: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(count):
            await work()
        runs.append((time.perf_counter() - began) / count)
    return statistics.median(runs)


async def throttled(store: ThrottleStore, count: int) -> float:
    throttle = StandardThrottle(store, limits=GENEROUS)

    async def login() -> None:
        await throttle.succeeded(await throttle.attempt("ada", "192.0.2.1"))

    return await median_of(login, count)


async def breach_query(directory: Path, prefixes: int) -> tuple[float, float]:
    """Seconds a query and a build, of a database of two rows for each prefix."""
    source = directory / "all.txt"
    with source.open("w") as file:
        for prefix in range(prefixes):
            for number in range(2):
                rest = hashlib.sha1(f"{prefix}{number}".encode()).hexdigest().upper()[6:]
                file.write(f"{prefix:05X}{number:X}{rest}:1\n")
    began = time.perf_counter()
    build(source, directory / "breach.db")
    building = time.perf_counter() - began
    secrets = [Secret(str(number)) for number in range(20_000)]
    with BreachDatabase(directory / "breach.db") as database:
        runs: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            for secret in secrets:
                await database.look_up(secret)
            runs.append((time.perf_counter() - began) / len(secrets))
    return statistics.median(runs), building


async def attack(attempts: int) -> tuple[int, int]:
    """Guesses verified from 10,000 addresses in 29 days, and how often the owner's own browser was refused."""
    clock = ManualClock()
    tokens = DeviceTokens(Secret("k" * 32), clock=clock)
    throttle = StandardThrottle(MemoryThrottle(clock=clock), devices=tokens)
    cookie = await throttle.succeeded(await throttle.attempt("ada", "192.0.2.1"))
    verified = refused = 0
    for number in range(attempts):
        try:
            await throttle.attempt("ada", f"10.0.{number % 10_000 >> 8}.{number % 10_000 & 255}")
            verified += 1
        except TooManyAttempts:
            pass
        if number % 100 == 0:
            try:
                cookie = await throttle.succeeded(await throttle.attempt("ada", "192.0.2.1", device=cookie))
            except TooManyAttempts:
                refused += 1
        clock.advance(29 * 86_400 / attempts)
    return verified, refused


async def main(redis_url: str, *, quick: bool) -> None:
    async with PasswordHasher() as hasher:
        hashing = await hasher.calibrate()
    print(f"{'one hash (OWASP profile)':44} {hashing * 1e6:10.1f} µs")

    async def row(name: str, seconds: float) -> None:
        print(f"{name:44} {seconds * 1e6:10.1f} µs  {seconds / hashing:8.2%} of a hash")

    await row("throttle in memory, attempt and success", await throttled(MemoryThrottle(), 200 if quick else 2_000))
    async with RedisThrottle.open(redis_url, prefix="bench:throttle", timeout=10.0) as store:
        await row("throttle on Redis, attempt and success", await throttled(store, 50 if quick else 500))
    with tempfile.TemporaryDirectory() as directory:
        prefixes = 1 << (12 if quick else 20)
        query, building = await breach_query(Path(directory), prefixes)
    await row(f"breach database of {2 * prefixes:,}, one query", query)
    print(f"{'its build':44} {2 * prefixes / building:10,.0f} rows/s")
    attempts = 5_000 if quick else 100_000
    verified, refused = await attack(attempts)
    print(
        f"{attempts:,} attempts from 10,000 addresses in 29 days: {verified} verified, the owner refused {refused}x"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    given = parser.parse_known_args()[0]
    with ExitStack() as stack:
        url = os.environ.get("REDIS_URL") or stack.enter_context(start_redis()).url
        anyio.run(partial(main, url, quick=given.quick))
