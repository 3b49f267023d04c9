# ruff: noqa: E501, ASYNC251 - tables of SQL, one case a line
"""Many runners at once, and runners that are killed: real processes against a real server."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid

import asyncpg
import pytest
import pytest_asyncio

_RUN = """
import asyncio, sys
from backstay.migrations import DirectorySource, PostgresRunner
asyncio.run(PostgresRunner(sys.argv[1], [DirectorySource(sys.argv[2])], deadline=90).run())
"""

DATA = {
    f"{n:04}_d.sql": f"CREATE TABLE d{n} (v int);\nINSERT INTO d{n} SELECT generate_series(1, 50);"
    for n in (1, 2, 3)
}
DDL = {"0001_t.sql": "CREATE TABLE t (id int);"} | {
    f"{n:04}_c.sql": f"ALTER TABLE t ADD COLUMN c{n} int; CREATE TYPE e{n} AS ENUM ('a');" for n in range(2, 12)
}
INDEXES = {
    "0001_t.sql": "CREATE TABLE t AS SELECT g AS a, g AS b FROM generate_series(1, 20000) AS g;",
    "0002_a.sql": "CREATE INDEX CONCURRENTLY ix_a ON t (a);\nCREATE INDEX CONCURRENTLY ix_b ON t (b);",
    "0003_b.sql": "DROP INDEX CONCURRENTLY ix_a;\nINSERT INTO t VALUES (0, 0);\nCREATE UNIQUE INDEX CONCURRENTLY ix_ab ON t (a, b);",
    "0004_c.sql": "ALTER TABLE t ADD COLUMN c int;",
}


@pytest_asyncio.fixture
async def fresh(postgres_url):
    """Makes databases and drops them at the end."""
    admin = await asyncpg.connect(postgres_url)
    made = []

    async def make():
        name = f"migrations_{uuid.uuid4().hex[:12]}"
        await admin.execute(f"CREATE DATABASE {name}")
        made.append(name)
        return f"{postgres_url.rpartition('/')[0]}/{name}"

    yield make
    for name in made:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def start(url, directory):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, url, str(directory)], env=env, stderr=subprocess.PIPE, text=True
    )


def write(directory, files):
    for name, content in files.items():
        (directory / name).write_text(content)


async def schema(url):
    """What a dump would show, data included, and what was written down as completed."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT c.relname, a.attname, a.atttypid::regtype::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum"
        )
        indexes = await connection.fetch(
            "SELECT pg_get_indexdef(indexrelid) d, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid "
            "WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
        )
        counts = [
            (name, await connection.fetchval(f"SELECT count(*) FROM {name}"))
            for name in sorted({row[0] for row in tables} - {"backstay_migrations"})
        ]
        done = await connection.fetch(
            "SELECT migration, count(*) FROM backstay_migrations WHERE kind = 'succeeded' GROUP BY 1 ORDER BY 1"
        )
        return [tuple(r) for r in tables], [tuple(r) for r in indexes], counts, [tuple(r) for r in done]
    finally:
        await connection.close()


RUNNERS = (
    "FROM pg_stat_activity WHERE application_name LIKE 'backstay migrations%' AND datname = current_database()"
)


async def seconds_at_work(url):
    """From the first entry of the history to the last."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(
            "SELECT extract(epoch FROM max(at) - min(at))::float8 FROM backstay_migrations"
        )
    finally:
        await connection.close()


async def at_work(connection, runner):
    """Returns when the runner has a backend that works; how long Python takes to start is not the point."""
    while not await connection.fetchval(f"SELECT count(*) {RUNNERS} AND application_name !~ '(look|lock)$'"):
        assert runner.poll() is None, "it ended before it was seen at work"
        time.sleep(0.002)


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("many", [8, pytest.param(50, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("files", [DATA, DDL, INDEXES], ids=["data", "ddl", "indexes"])
async def test_many_runners_on_an_empty_database(fresh, tmp_path, files, many):
    write(tmp_path, files)
    url = await fresh()
    runners = [start(url, tmp_path) for _ in range(many)]
    ended = [(runner.communicate()[1][-400:], runner.returncode) for runner in runners]
    assert [code for _, code in ended] == [0] * many, ended
    _, indexes, _, done = await schema(url)
    assert done == [(name.removesuffix(".sql"), 1) for name in sorted(files)]
    assert all(valid for _, valid in indexes)


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.asyncio
@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("victim", ["runner", "backend"])
async def test_killed_at_a_random_moment_then_run_again(fresh, tmp_path, victim, kills):
    files = {**INDEXES, **{f"1{name}": sql for name, sql in DATA.items()}}
    write(tmp_path, files)
    undisturbed = await fresh()
    runner = start(undisturbed, tmp_path)
    assert (runner.communicate(), runner.returncode)[1] == 0
    expected, usual = await schema(undisturbed), await seconds_at_work(undisturbed)
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    hit = 0
    for round_ in range(kills):
        url = await fresh()
        connection = await asyncpg.connect(url)
        runner = start(url, tmp_path)
        await at_work(connection, runner)
        time.sleep(rng.uniform(0, usual))  # the moment is what the test is about
        if victim == "runner":
            runner.send_signal(signal.SIGKILL)
        else:
            await connection.execute(f"SELECT pg_terminate_backend(pid) {RUNNERS}")
        await connection.close()
        runner.communicate()
        hit += runner.returncode != 0
        again = start(url, tmp_path)
        _, complaint = again.communicate()
        assert again.returncode == 0, (seed, round_, complaint[-600:])
        assert await schema(url) == expected, (seed, round_)
    assert hit >= kills // 4, f"{hit} of {kills} kills met a runner at work: the rest came too late (seed {seed})"
