"""64 logins at once: how long the event loop stands still, how much memory is added, and how many get through.

    python benchmarks/passwords/bench_storm.py [--rounds 5] [--logins 64] [--write DIR]

Each way runs in a process of its own, so that its peak of memory is its own; rounds are interleaved and medians
reported. All verify the same argon2id hash (19 MiB, two passes, one lane). `nothing` hashes nothing: what it shows
comes from the neighbours on the machine, and the others have that as well.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PASSWORD = "correct horse battery staple"
THREADS = 2
TICK = 0.005
BUDGET = THREADS * 19_456 * 1024
Login = Callable[[], Awaitable[object]]


def bare():
    import argon2

    return argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def nothing() -> Login:
    """No hashing at all: the lag that the loop has from everything else on the machine."""
    return lambda: asyncio.sleep(1.0)


def argon2_inline() -> Login:
    hasher = bare()
    stored = hasher.hash(PASSWORD)

    async def login() -> object:
        return hasher.verify(stored, PASSWORD)

    return login


def argon2_pool() -> Login:
    hasher, pool = bare(), ThreadPoolExecutor(THREADS)
    stored = hasher.hash(PASSWORD)
    return lambda: asyncio.get_running_loop().run_in_executor(pool, hasher.verify, stored, PASSWORD)


def argon2_to_thread() -> Login:
    hasher = bare()
    stored = hasher.hash(PASSWORD)
    return lambda: asyncio.to_thread(hasher.verify, stored, PASSWORD)


def pwdlib_inline() -> Login:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    hasher = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
    stored = hasher.hash(PASSWORD)

    async def login() -> object:
        return hasher.verify(PASSWORD, stored)

    return login


def libpass_to_thread() -> Login:
    from passlib.hash import argon2 as scheme

    hasher = scheme.using(time_cost=2, memory_cost=19_456, parallelism=1)
    stored = hasher.hash(PASSWORD)
    return lambda: asyncio.to_thread(hasher.verify, PASSWORD, stored)


def backstay() -> Login:
    from backstay.passwords import PasswordHasher

    hasher = PasswordHasher(workers=THREADS, memory_budget=BUDGET, deadline=120.0)
    stored = bare().hash(PASSWORD)
    return lambda: hasher.verify(PASSWORD, stored)


WAYS = {
    way.__name__: way
    for way in (nothing, backstay, argon2_pool, argon2_to_thread, argon2_inline, pwdlib_inline, libpass_to_thread)
}


async def storm(login: Login, logins: int, before: float) -> dict[str, float]:
    await login()  # threads and code are there
    lags: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            lags.append(time.perf_counter() - due)

    clock = asyncio.create_task(tick())
    await asyncio.sleep(5 * TICK)
    began = time.perf_counter()
    await asyncio.gather(*(login() for _ in range(logins)))
    took = time.perf_counter() - began
    await asyncio.sleep(TICK * 2)
    clock.cancel()
    lags.sort()
    return {
        "lag p99 ms": lags[int(len(lags) * 0.99) if len(lags) > 100 else -1] * 1e3,
        "lag max ms": lags[-1] * 1e3,
        "logins/s": logins / took,
        "added MiB": max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before, 0.0),
    }


def resident() -> float:
    """What this process holds now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def once(name: str, logins: int) -> None:
    for module in ("argon2", "backstay.passwords.hashing"):
        importlib.import_module(module)
    before = resident()  # code that every way needs; what hashing adds comes on top
    print(json.dumps(asyncio.run(storm(WAYS[name](), logins, before))))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--logins", type=int, default=64)
    parser.add_argument("--once")
    parser.add_argument("--write", type=Path)
    options = parser.parse_known_args()[0]
    if options.once:
        once(options.once, options.logins)
        return
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(1 if options.quick else options.rounds):
        for name in WAYS:
            command = [sys.executable, __file__, "--once", name, "--logins", str(options.logins)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                runs.setdefault(name, []).append(json.loads(done.stdout))
    table = {
        name: {key: round(statistics.median(run[key] for run in found), 1) for key in found[0]}
        for name, found in runs.items()
    }
    lines = [
        f"| {options.logins} logins, budget {BUDGET / 2**20:.0f} MiB | "
        + " | ".join(next(iter(table.values())))
        + " |"
    ]
    lines.append("|---|---|---|---|---|")
    lines += [
        f"| {name} | " + " | ".join(f"{value:g}" for value in row.values()) + " |" for name, row in table.items()
    ]
    print("\n".join(lines))
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        (options.write / "storm.json").write_text(json.dumps(table, indent=1) + "\n")
        (options.write / "storm.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
