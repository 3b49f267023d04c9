"""What readers feel while ALTER TABLE waits for a long-running reader: our runner beside pgroll's policy.

    python benchmarks/migrations/bench_lock_queue.py [url] [--quick] [--hold 4] [--readers 16] [--rounds 5]

One transaction reads a table and stays open for `hold` seconds. A second after it began, ALTER TABLE … ADD COLUMN
wants the table. Sixteen readers read one row of it, again and again, and note how long each read took. pgroll's
policy (its pkg/db: lock_timeout 500 ms, then back off 1 s, doubling up to a minute, with up to 10 % jitter) is
written here as it is there; "none" is a plain ALTER TABLE. Medians over the rounds.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from backstay.migrations import DirectorySource, PostgresRunner

URL = os.environ.get("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
STALLED = 0.05
"""Seconds above which a read counts as stalled."""
ALTER = "ALTER TABLE busy ADD COLUMN c int"


@dataclass
class Felt:
    longest: float = 0.0
    stalled: float = 0.0
    """Reader-seconds: of reads slower than STALLED, all their time together."""
    reads: int = 0
    after_release: float = 0.0

    def note(self, seconds: float) -> None:
        self.reads += 1
        self.longest = max(self.longest, seconds)
        self.stalled += seconds if seconds > STALLED else 0.0


async def plain(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(ALTER)
    await connection.close()


async def pgroll(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("SET lock_timeout = '500ms'")
    pause = 1.0
    while True:
        try:
            await connection.execute(ALTER)
            break
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))
            pause = min(pause * 2, 60)
    await connection.close()


async def backstay(url: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "0001_column.sql").write_text(f"{ALTER};")
        await PostgresRunner(url, [DirectorySource(directory)]).run()


POLICIES = {"none": plain, "pgroll": pgroll, "backstay": backstay}


async def read_on(url: str, felt: Felt, ended: asyncio.Event) -> None:
    connection = await asyncpg.connect(url)
    while not ended.is_set():
        began = time.perf_counter()
        await connection.fetchval("SELECT v FROM busy WHERE id = 7")
        felt.note(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    await connection.close()


async def measured(policy, admin_url: str, *, hold: float, readers: int) -> Felt:
    admin = await asyncpg.connect(admin_url)
    await admin.execute("DROP DATABASE IF EXISTS bench_lock_queue WITH (FORCE)")
    await admin.execute("CREATE DATABASE bench_lock_queue")
    url = f"{admin_url.rpartition('/')[0]}/bench_lock_queue"
    holder = await asyncpg.connect(url)
    await holder.execute("CREATE TABLE busy (id int PRIMARY KEY, v int)")
    await holder.execute("INSERT INTO busy SELECT g, g FROM generate_series(1, 1000) AS g")
    felt, ended = Felt(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(readers):
            group.create_task(read_on(url, felt, ended))
        transaction = holder.transaction()
        await transaction.start()
        await holder.fetchval("SELECT count(*) FROM busy")
        await asyncio.sleep(1)
        altering = group.create_task(policy(url))
        await asyncio.sleep(hold - 1)
        await transaction.commit()
        released = time.perf_counter()
        await altering
        felt.after_release = time.perf_counter() - released
        await asyncio.sleep(0.2)
        ended.set()
    await holder.close()
    await admin.execute("DROP DATABASE bench_lock_queue WITH (FORCE)")
    await admin.close()
    return felt


async def main(url: str, *, hold: float, readers: int, rounds: int) -> None:
    results: dict[str, list[Felt]] = {name: [] for name in POLICIES}
    for _ in range(rounds):
        for name, policy in POLICIES.items():
            results[name].append(await measured(policy, url, hold=hold, readers=readers))
    print(f"holder {hold:g} s, {readers} readers, medians of {rounds}")
    print(f"{'':<10}{'longest read':>14}{'stalled':>18}{'after release':>15}{'reads':>9}")
    medians = {}
    for name, felt in results.items():
        longest, stalled, after = (
            statistics.median(getattr(one, field) for one in felt)
            for field in ("longest", "stalled", "after_release")
        )
        medians[name] = (longest, stalled)
        reads = round(statistics.median(one.reads for one in felt))
        print(f"{name:<10}{longest * 1000:>11.0f} ms{stalled:>9.2f} reader-s{after * 1000:>12.0f} ms{reads:>9}")
    ours, theirs = medians["backstay"], medians["pgroll"]
    print(f"of pgroll's: longest 1/{theirs[0] / ours[0]:.1f}, stalled 1/{theirs[1] / max(ours[1], 1e-3):.0f}")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", default=URL)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--hold", type=float, default=4)
    parser.add_argument("--readers", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_known_args()[0]
    hold, rounds = (2.0, 1) if given.quick else (given.hold, given.rounds)
    asyncio.run(main(given.url, hold=hold, readers=given.readers, rounds=rounds))
