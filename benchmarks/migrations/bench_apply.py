"""What 1,000 small migrations cost to apply, and what a start costs that finds nothing to do; peers in one run.

    python benchmarks/migrations/bench_apply.py [url] [--quick] [--count 1000] [--rounds 5]

The floor is a bare asyncpg loop with the same round trips: one per migration, its entry in the history in the
same transaction, and for a start one directory listing and one query. CPU seconds of the client: of the whole
process, imports included, and for the Python contenders also of the work alone. Medians of interleaved rounds.
Peers that are not installed (alembic, yoyo-migrations with psycopg, the program dbmate) are left out.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

URL = os.environ.get("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
TABLE = "CREATE TABLE t{n} (id bigint PRIMARY KEY, note text NOT NULL);"
REVISION = """revision = "r{n}"
down_revision = {before}
from alembic import op


def upgrade():
    op.execute("{sql}")
"""
ENV = """from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
import asyncio


def migrate(connection):
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def run():
    engine = create_async_engine(context.config.get_main_option("url"))
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(run())
"""


def write_files(home: Path, count: int) -> None:
    """The same migrations in every contender's dialect."""
    for name in ("plain", "dbmate", "alembic/versions"):
        (home / name).mkdir(parents=True)
    (home / "alembic/env.py").write_text(ENV)
    for n in range(count):
        sql = TABLE.format(n=n)
        (home / f"plain/{n:05}_t.sql").write_text(sql)
        (home / f"dbmate/{n:05}_t.sql").write_text(f"-- migrate:up\n{sql}\n-- migrate:down\n")
        before = f'"r{n - 1}"' if n else None
        (home / f"alembic/versions/r{n}.py").write_text(REVISION.format(n=n, before=before, sql=sql))


# The contenders, each in a process of its own. `work` is timed; what comes before it are imports.


def floor(url: str, home: Path):
    import asyncpg

    async def work() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS history (id text PRIMARY KEY, at timestamptz DEFAULT now())"
        )
        done = {row["id"] for row in await connection.fetch("SELECT id FROM history")}
        for name in sorted(os.listdir(home / "plain")):  # noqa: PTH208 - the floor takes the cheapest way
            if name.removesuffix(".sql") not in done:
                sql = (home / "plain" / name).read_text()
                await connection.execute(
                    f"BEGIN; {sql} INSERT INTO history VALUES ('{name.removesuffix('.sql')}'); COMMIT"
                )
        await connection.close()

    return lambda: asyncio.run(work())


def backstay(url: str, home: Path):
    from backstay.migrations import DirectorySource, PostgresRunner

    return lambda: asyncio.run(PostgresRunner(url, [DirectorySource(home / "plain")]).run())


def alembic(url: str, home: Path):
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(home / "alembic"))
    config.set_main_option("url", url.replace("postgresql://", "postgresql+asyncpg://"))
    return lambda: command.upgrade(config, "head")


def yoyo(url: str, home: Path):
    from yoyo import get_backend, read_migrations

    def work() -> None:
        backend = get_backend(url.replace("postgresql://", "postgresql+psycopg://"))
        found = read_migrations(str(home / "plain"))
        with backend.lock():
            backend.apply_migrations(backend.to_apply(found))

    return work


CONTENDERS = {"floor": floor, "backstay": backstay, "alembic": alembic, "yoyo": yoyo}
NEEDS = {"alembic": ("alembic", "sqlalchemy"), "yoyo": ("yoyo", "psycopg")}


def present(name: str) -> bool:
    if name == "dbmate":
        return dbmate() is not None
    return all(importlib.util.find_spec(needed) for needed in NEEDS.get(name, ()))


def dbmate() -> str | None:
    beside = Path(sys.executable).with_name("dbmate")
    return str(beside) if beside.exists() else shutil.which("dbmate")


def measured(name: str, url: str, home: Path) -> tuple[float, float | None]:
    """CPU seconds of the whole process, and of the work alone where that can be told."""
    if name == "dbmate":
        where = f"{url}?sslmode=disable"
        command = [dbmate(), "--url", where, "--migrations-dir", str(home / "dbmate"), "--no-dump-schema", "up"]
    else:
        command = [sys.executable, __file__, "--contender", name, url, "--home", str(home)]
    # With byte code, as an installed package has it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    said = process.stdout.read()
    complaint = process.stderr.read() if process.stderr else ""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, complaint[-2000:]
    alone = None if name == "dbmate" else json.loads(said.splitlines()[-1])
    return used.ru_utime + used.ru_stime, alone


async def fresh(url: str, name: str) -> str:
    import asyncpg

    admin = await asyncpg.connect(url)
    database = f"bench_apply_{name}"
    await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {database}")
    await admin.close()
    return f"{url.rpartition('/')[0]}/{database}"


def tables_of(url: str) -> int:
    import asyncpg

    async def count() -> int:
        connection = await asyncpg.connect(url)
        found = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE tablename ~ '^t[0-9]+$'")
        await connection.close()
        return found

    return asyncio.run(count())


def main(url: str, count: int, rounds: int) -> None:
    names = [name for name in (*CONTENDERS, "dbmate") if present(name)]
    left_out = [name for name in (*CONTENDERS, "dbmate") if name not in names]
    applied = {name: [] for name in names}
    booted = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        write_files(home, count)
        for _ in range(rounds):
            for name in names:
                target = asyncio.run(fresh(url, name))
                applied[name].append(measured(name, target, home))
                assert tables_of(target) == count, name
                booted[name] += [measured(name, target, home) for _ in range(3)]
    for title, table in ((f"apply {count}", applied), (f"nothing to do, {count} applied", booted)):
        print(f"{title}\n  {'':<9}{'process':>10}{'x floor':>9}{'work alone':>12}{'x floor':>9}")
        for name in names:
            row = f"  {name:<9}"
            for column in (0, 1):
                seconds, floor_seconds = median(table[name], column), median(table["floor"], column)
                row += f"{seconds:>9.3f}s{seconds / floor_seconds:>9.2f}" if seconds is not None else f"{'-':>10}"
                row += "  " * (column == 0)
            print(row)
    print(f"left out: {', '.join(left_out) or 'nobody'}")


def median(rows: list[tuple[float, float | None]], column: int) -> float | None:
    values = [row[column] for row in rows if row[column] is not None]
    return statistics.median(values) if values else None


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", default=URL)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contender", choices=CONTENDERS)
    parser.add_argument("--home", type=Path)
    given = parser.parse_known_args()[0]
    if given.contender:
        timed = CONTENDERS[given.contender](given.url, given.home)
        began = time.process_time()
        timed()
        print(time.process_time() - began)
    elif given.quick:
        main(given.url, 50, 1)
    else:
        main(given.url, given.count, given.rounds)
