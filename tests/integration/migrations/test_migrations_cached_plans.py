"""While tables change under them, backstay's own queries on other connections do not trip over cached plans."""

from __future__ import annotations

import itertools

import anyio
import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from backstay.migrations import Backfill, DirectorySource, PostgresRunner, run_backfill
from backstay.tokens.postgres import PostgresTokenStore
from backstay.tokens.sessions import NewSession, TokenIds

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

TABLES = ("sessions", "epochs", "revocations", "once", "opaque")
CHANGES = (
    *(f"ALTER TABLE backstay_token_{table} ADD COLUMN extra text" for table in TABLES),
    "ALTER TABLE backstay_token_sessions ALTER user_id TYPE varchar(200), ALTER scope TYPE varchar(900)",
    "ALTER TABLE backstay_token_sessions ALTER verdict TYPE varchar(40), ALTER kid TYPE varchar(40)",
    "ALTER TABLE backstay_token_revocations ALTER kind TYPE varchar(40), ALTER keep TYPE varchar(200)",
    *(f"ALTER TABLE backstay_token_{table} DROP COLUMN extra" for table in TABLES),
    "ALTER TABLE rows ALTER v TYPE bigint, ADD COLUMN extra text",
    "ALTER TABLE backstay_migrations ADD COLUMN extra text",
    "ALTER TABLE backstay_migrations ALTER detail TYPE varchar(2000), DROP COLUMN extra",
)


def write(directory, changes):
    for number, change in enumerate(changes, start=1):
        (directory / f"{number:04}_change.sql").write_text(f"{change};")


async def use_tokens(store, number):
    """Every kind of query that the store has."""
    family = f"family-{number}"
    session = NewSession(family=family, user="ada", client_id="web", kid="k", idle=60, absolute=600)
    await store.open_session(session)
    await store.rotate(family, 0, client_id="web", jkt="", kid="k", grace=0, idle=60)
    await store.sessions("ada")
    await store.deny(f"token-{number}", expires_at=4e9)
    await store.read("")
    ids = TokenIds(token_id=f"token-{number}", session_id=family, user="ada", epoch=0)
    assert await store.is_revoked(ids)
    assert await store.first_use(f"key-{number}", ttl=60)
    await store.save(f"digest-{number}".encode(), b"claims", ttl=60)
    assert await store.find(f"digest-{number}".encode()) == b"claims"
    await store.remove(f"digest-{number}".encode())
    await store.end_session(family)
    await store.end_user("ada")


async def test_tokens_and_history_are_read_as_ever_after_each_change(database_url, tmp_path):
    """On connections that have run each query often enough to have a plan of it, before and after each change."""
    write(tmp_path, CHANGES)
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with asyncpg.create_pool(database_url, min_size=2, max_size=2) as pool:
        store = PostgresTokenStore(pool)
        await store.create_tables()
        await pool.execute("CREATE TABLE rows (id int PRIMARY KEY, v int)")
        reader = PostgresRunner(engine, [DirectorySource(tmp_path)])
        for number in range(8):
            await use_tokens(store, number)
        for number in range(1, len(CHANGES) + 1):
            await PostgresRunner(database_url, [DirectorySource(tmp_path)], checker=None).run(f"{number:04}")
            await use_tokens(store, 100 + number)
            assert len(await reader.history()) == number
    await engine.dispose()


async def test_while_the_changes_run(database_url, tmp_path):
    """The same at once: queries, a backfill and the migrations, each on connections of its own."""
    write(tmp_path, CHANGES)
    finished = anyio.Event()
    used = itertools.count()
    async with asyncpg.create_pool(database_url, min_size=2, max_size=2) as pool:
        store = PostgresTokenStore(pool)
        await store.create_tables()
        await pool.execute("CREATE TABLE rows (id int PRIMARY KEY, v int)")
        await pool.execute("INSERT INTO rows SELECT g, 0 FROM generate_series(1, 3000) AS g")

        async def keep_using():
            while not finished.is_set():
                await use_tokens(store, next(used))
                await PostgresRunner(database_url, [DirectorySource(tmp_path)]).history()

        async def fill():
            sql = "UPDATE rows SET v = v + 1 WHERE ($1::int IS NULL OR id > $1) AND id <= $2"
            await run_backfill(database_url, Backfill(name="fill", table="rows", sql=sql, batch=20, largest=20))

        async with anyio.create_task_group() as group:
            group.start_soon(keep_using)
            group.start_soon(fill)
            await PostgresRunner(database_url, [DirectorySource(tmp_path)], checker=None).run()
            finished.set()
        assert await pool.fetch("SELECT DISTINCT v FROM rows") == [(1,)]
    assert next(used) > 0
