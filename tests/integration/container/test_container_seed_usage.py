"""What a user writes, word for word, on an embedded database and on a real PostgreSQL with a real Redis."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from backstay import (
    Backstay,
    Index,
    cache_key,
    create_all_indexes,
    get_cached_or_compute,
    hash_password,
    invalidate_pattern,
    run_pending_migrations,
    validate_password,
    verify_password,
)

CREATE = """
CREATE TABLE assets (id integer PRIMARY KEY, symbol text NOT NULL);
CREATE TABLE prices (asset_id integer NOT NULL, date text NOT NULL, close real NOT NULL);
"""


async def fetch_prices():
    return {"AAPL": 192.53}


async def use_it(engine):
    async with Backstay.open():
        key = cache_key("prices", symbol="AAPL", date="2024-01-01")
        data = await get_cached_or_compute(key, compute_func=fetch_prices, ttl=3600)
        assert data == {"AAPL": 192.53}
        await invalidate_pattern("prices:*")

        is_valid, errors = await validate_password(password="MyP@ssw0rd", username="john_doe")
        assert (is_valid, len(errors)) == (False, 1)
        assert (await validate_password("Strong@Pass1"))[0] is True
        assert (await validate_password("weak"))[0] is False
        assert not await validate_password("weak")
        hashed = await hash_password("Strong@Pass1")
        assert await verify_password("Strong@Pass1", hashed)

        results = await run_pending_migrations()
        assert {migration: str(status) for migration, status in results.items()} == {"0001_tables": "applied"}
        assert not await run_pending_migrations()
        wanted = [Index("prices", ["asset_id", "date"]), Index("assets", ["symbol"], unique=True)]
        report = await create_all_indexes(engine, wanted)
        assert len(report.outcomes) == 2
        assert not (await create_all_indexes(engine, wanted)).changed


@pytest.fixture
def migrations(tmp_path, monkeypatch):
    (tmp_path / "0001_tables.sql").write_text(CREATE)
    monkeypatch.setenv("BACKSTAY_MIGRATIONS_DIRECTORY", str(tmp_path))


@pytest.mark.asyncio
async def test_embedded(migrations, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKSTAY_DATABASE_URL", f"sqlite:///{tmp_path}/app.db")
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/app.db")
    try:
        await use_it(engine)
    finally:
        await engine.dispose()


@pytest.mark.asyncio
async def test_on_real_servers(migrations, redis_url, database_url, monkeypatch):
    monkeypatch.setenv("BACKSTAY_REDIS_URL", redis_url)
    monkeypatch.setenv("BACKSTAY_CACHE_PREFIX", "test-seed-usage:")
    monkeypatch.setenv("BACKSTAY_DATABASE_URL", database_url)
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        await use_it(engine)
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT count(*) FROM pg_indexes WHERE tablename = 'prices'"))
            assert found.scalar_one() == 1
    finally:
        await engine.dispose()
