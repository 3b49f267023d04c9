"""Client CPU of applying and of finding nothing to do, beside a bare asyncpg loop with the same round trips.

python benchmarks/migrations/apply.py postgresql://postgres@127.0.0.1:5432/postgres [how many]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from backstay.migrations import DirectorySource, PostgresRunner


async def floor_apply(url, directory):
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE history (id text PRIMARY KEY, at timestamptz DEFAULT now())")
    for path in sorted(directory.iterdir()):
        await connection.execute(f"BEGIN; {path.read_text()} INSERT INTO history VALUES ('{path.stem}'); COMMIT")
    await connection.close()


async def floor_boot(url, directory):
    connection = await asyncpg.connect(url)
    done = {row["id"] for row in await connection.fetch("SELECT id FROM history")}
    assert not {path.stem for path in directory.iterdir()} - done
    await connection.close()


async def ours(url, directory):
    await PostgresRunner(url, [DirectorySource(directory)]).run()


async def measured(work, url, directory):
    wall, cpu = time.perf_counter(), time.process_time()
    await work(url, directory)
    return time.process_time() - cpu, time.perf_counter() - wall


async def main(url, count):
    admin = await asyncpg.connect(url)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for n in range(count):
            (directory / f"{n:05}_t.sql").write_text(
                f"CREATE TABLE t{n} (id bigint PRIMARY KEY, note text NOT NULL);"
            )
        for label, apply, boot in (("floor", floor_apply, floor_boot), ("backstay", ours, ours)):
            database = f"migrations_bench_{label}"
            await admin.execute(f"DROP DATABASE IF EXISTS {database}")
            await admin.execute(f"CREATE DATABASE {database}")
            target = f"{url.rpartition('/')[0]}/{database}"
            applied = await measured(apply, target, directory)
            booted = min([await measured(boot, target, directory) for _ in range(5)])
            print(
                f"{label:<9} apply {count}: cpu {applied[0]:.3f} s wall {applied[1]:.3f} s;"
                f" nothing to do: cpu {booted[0] * 1000:.1f} ms wall {booted[1] * 1000:.1f} ms"
            )
            await admin.execute(f"DROP DATABASE {database}")
    await admin.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000))
