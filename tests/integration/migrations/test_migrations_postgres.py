# ruff: noqa: E501, ASYNC110 - tables of SQL, one case a line
"""What only a real PostgreSQL shows: locks, blockers, the fence, poolers, cancellation."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import uuid

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine

from backstay.errors import DangerousMigration, MigrationLockLost, MigrationUnavailable, StepFailed
from backstay.migrations import DirectorySource, EventKind, PostgresRunner, Status
from backstay.migrations.events import StepBlocked

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def url(postgres_url):
    name = f"migrations_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_url.rpartition('/')[0]}/{name}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "0001_t.sql").write_text("CREATE TABLE t (id int PRIMARY KEY, v int);")
    return tmp_path


def runner(url, files, **options):
    return PostgresRunner(url, [DirectorySource(files)], **options)


async def test_waits_for_a_long_reader_without_queueing_and_names_it(url, files):
    await runner(url, files).run()
    (files / "0002_c.sql").write_text("ALTER TABLE t ADD COLUMN c int;")
    holder = await asyncpg.connect(url, server_settings={"application_name": "nightly report"})
    reader = await asyncpg.connect(url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.fetch("SELECT * FROM t")
    await holder.fetch("SELECT pg_sleep(0.2)")
    blocked = asyncio.Event()
    told = []

    def listen(event):
        if isinstance(event, StepBlocked):
            told.append(event)
            blocked.set()

    running = asyncio.ensure_future(runner(url, files, listeners=[listen]).run())
    await asyncio.wait_for(blocked.wait(), 10)
    for _ in range(20):  # nobody queues behind the waiting step
        await asyncio.wait_for(reader.fetch("SELECT * FROM t"), 0.5)
    assert await reader.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0
    await transaction.rollback()
    outcome = (await asyncio.wait_for(running, 10)).outcome("0002_c")
    assert outcome.attempts == 1
    assert outcome.lock_wait > 0
    assert outcome.blockers[0].application == "nightly report"
    assert outcome.blockers[0].pid == told[0].blockers[0].pid
    await holder.close()
    await reader.close()


async def test_gives_up_at_the_deadline_and_says_who_was_in_the_way(url, files):
    await runner(url, files).run()
    (files / "0002_c.sql").write_text("ALTER TABLE t ADD COLUMN c int;")
    holder = await asyncpg.connect(url, server_settings={"application_name": "forgotten psql"})
    async with holder.transaction():
        await holder.fetch("SELECT * FROM t")
        with pytest.raises(StepFailed, match="forgotten psql"):
            await runner(url, files, deadline=0.6).run()
    assert (await runner(url, files).run())["0002_c"] is Status.APPLIED
    await holder.close()


async def test_an_invalid_index_is_dropped_before_the_retry(url, files):
    await runner(url, files).run()
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO t VALUES (1, 1), (2, 1)")
    (files / "0002_i.sql").write_text("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON t (v);")
    with pytest.raises(StepFailed, match="could not create unique index"):
        await runner(url, files).run()
    count = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('ix') AND indisvalid = $1"
    assert await connection.fetchval(count, False) == 0
    with pytest.raises(asyncpg.UniqueViolationError):  # as if by hand: an invalid index of that name is left
        await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY ix ON t (v)")
    assert await connection.fetchval(count, False) == 1
    await connection.execute("DELETE FROM t WHERE id = 2")
    await runner(url, files).run()
    assert await connection.fetchval(count, True) == 1
    await connection.close()


async def test_a_runner_that_lost_its_lock_takes_its_step_back(url, files):
    (files / "0002_slow.py").write_text(
        "async def up(db):\n"
        "    await db.execute('CREATE TABLE u (id int)')\n"
        '    await db.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "\n'
        "                   \"WHERE application_name LIKE 'backstay%lock' AND datname = current_database()\")\n"
        "    while await db.fetchval(\"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = \"\n"
        "                            '(SELECT oid FROM pg_database WHERE datname = current_database())'):\n"
        "        pass\n"
    )
    with pytest.raises(MigrationLockLost):
        await runner(url, files).run()
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass('u')") is None
    assert [event.migration for event in await runner(url, files).history()] == ["0001_t"]
    await connection.close()


async def test_who_waits_for_the_lock_leaves_as_soon_as_another_has_done_it_all(url, files):
    """And not only when its turn comes: the lock is still held when it returns."""
    working, waiting = runner(url, files), runner(url, files)
    async with working._database.exclusively() as session:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            waiter = group.create_task(waiting.run())
            connection = await asyncpg.connect(url)
            polling = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backstay%lock'"
            while await connection.fetchval(f"{polling} AND datname = current_database()") < 2:
                await asyncio.sleep(0.01)
            await connection.close()
            report = await working._carry_out_alone(working._up(None), session, working._digest)
        assert dict(report) == {"0001_t": Status.APPLIED}
        assert not waiter.result()


async def test_a_lock_that_is_not_had_in_time_is_said_so_and_nothing_else(url, files):
    async with runner(url, files)._database.exclusively():
        with pytest.raises(MigrationUnavailable, match=r"^another runner has held the lock for 0\.2 s"):
            await runner(url, files, deadline=0.2).run()


async def test_a_cancelled_run_leaves_no_lock_and_no_half_step(url, files):
    (files / "0002_slow.sql").write_text("CREATE TABLE u (id int); SELECT pg_sleep(60);")
    connection = await asyncpg.connect(url)
    running = asyncio.ensure_future(runner(url, files).run())
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    while not await connection.fetchval(sleeping):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await connection.fetchval("SELECT to_regclass('u')") is None
    (files / "0002_slow.sql").write_text("CREATE TABLE u (id int);")
    assert list(await asyncio.wait_for(runner(url, files).run(), 10)) == ["0002_slow"]
    await connection.close()


async def test_settings_of_a_dump_do_not_reach_the_next_step(url, files):
    (files / "0002_dump.sql").write_text(
        "SELECT pg_catalog.set_config('search_path', '', false); SET lock_timeout = 0;"
    )
    (files / "0003_u.sql").write_text("CREATE TABLE u (id int);")
    assert len(await runner(url, files).run()) == 3


async def test_a_transaction_of_its_own_is_refused(url, files):
    (files / "0002_c.sql").write_text("CREATE TABLE u (id int);\nCOMMIT;\nCREATE TABLE w (id int);")
    with pytest.raises(Exception, match=r"0002_c.sql:2:1: 'COMMIT'"):
        await runner(url, files).run()


async def test_refuses_dangers_before_anything_is_run(url, files):
    await runner(url, files).run()
    (files / "0002_fine.sql").write_text("CREATE TABLE u (id int);")
    (files / "0003_index.sql").write_text("CREATE INDEX i ON t (v);")
    with pytest.raises(DangerousMigration, match="CREATE INDEX CONCURRENTLY i ON t"):
        await runner(url, files).run()
    assert len(await runner(url, files).history()) == 1


async def test_a_rehearsal_shows_locks_and_leaves_nothing(url, files):
    await runner(url, files).run()
    (files / "0002_c.sql").write_text("ALTER TABLE t ADD COLUMN c int;")
    outcome = (await runner(url, files).rehearse()).outcome("0002_c")
    assert outcome.status is Status.REHEARSED
    assert "AccessExclusiveLock on t" in outcome.locks
    assert list(await runner(url, files).run()) == ["0002_c"]


async def test_runs_over_an_async_engine(url, files):
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    assert list(await runner(engine, files).run()) == ["0001_t"]
    assert not await runner(engine, files).run()
    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM t")).scalar_one() == 0
    await engine.dispose()


@pytest.fixture
def pooled(url, tmp_path_factory):
    """The same database behind a transaction-mode PgBouncer with few server connections."""
    binary = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if binary is None:
        if "pgbouncer" in os.environ.get("BACKSTAY_REQUIRE", ""):
            pytest.fail("pgbouncer is required and not installed")
        pytest.skip("pgbouncer is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = url.partition("@")[2].partition("/")[0].partition(":")
    place = tmp_path_factory.mktemp("pgbouncer")
    ini = place / "pgbouncer.ini"
    ini.write_text(
        f"[databases]\n* = host={server[0]} port={server[2] or 5432} user=postgres\n"
        f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\nauth_type=any\n"
        "pool_mode=transaction\ndefault_pool_size=6\nmax_client_conn=200\nlogfile=\n"
    )
    for path in (place, place.parent, place.parent.parent, ini):
        path.chmod(0o755)
    root = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([binary, "-q", str(ini)], stderr=subprocess.DEVNULL, **root)
    yield f"postgresql://postgres@127.0.0.1:{port}/{url.rpartition('/')[2]}"
    process.terminate()
    process.wait()


async def ready(url):
    while True:
        try:
            return await (await asyncpg.connect(url, statement_cache_size=0)).close()
        except OSError:
            await asyncio.sleep(0.02)


async def test_many_runners_through_a_transaction_pooler(url, pooled, files):
    (files / "0002_i.sql").write_text(
        "CREATE INDEX CONCURRENTLY ix ON t (v);\nCREATE INDEX CONCURRENTLY iy ON t (v, id);"
    )
    (files / "0003_p.py").write_text("async def up(db):\n    assert await db.fetchval('SELECT $1::int', 7) == 7\n")
    await asyncio.wait_for(ready(pooled), 10)
    reports = await asyncio.gather(*[runner(pooled, files, deadline=60).run() for _ in range(8)])
    assert sorted(map(len, reports)) == [0] * 7 + [3]
    done = [e.migration for e in await runner(url, files).history() if e.kind is EventKind.SUCCEEDED]
    assert done == ["0001_t", "0002_i", "0003_p"]
    connection = await asyncpg.connect(url)
    own = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    assert await connection.fetchval(f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {own}") == 0
    await connection.close()
