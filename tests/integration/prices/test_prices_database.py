"""The demo's database: brought up to date at start, embedded or on PostgreSQL, by however many replicas."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import asyncpg
import pytest

sys.path.append(str(Path(__file__).parents[3] / "examples"))

from prices import service
from prices.opening import authenticator, opening
from prices.people import People


@pytest.mark.asyncio
async def test_the_service_opens_with_its_tables_on_the_embedded_default(monkeypatch):
    monkeypatch.delenv("BACKSTAY_DATABASE_URL", raising=False)
    async with service.opened(service.app) as state:
        runner = state["backstay"].migrations
        assert (await runner.plan()).steps == ()
        assert [event.migration for event in await runner.history()] == ["0001_users"]
        await runner.rollback()
        assert [step.migration.id for step in (await runner.plan()).steps] == ["0001_users"]


@pytest.mark.postgres
@pytest.mark.asyncio
async def test_four_replicas_start_on_one_postgresql_and_make_the_tables_once(monkeypatch, database_url):
    monkeypatch.setenv("BACKSTAY_DATABASE_URL", database_url)

    async def start() -> None:
        people = People()
        async with opening(people, authenticator(people))(service.app) as state:
            assert (await state["backstay"].migrations.plan()).steps == ()

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(start)
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM backstay_migrations") == 1
        insert = "INSERT INTO users (id, username, email, password_hash) VALUES ($1, $2, $3, 'x')"
        await connection.execute(insert, "1", "Ada", "ada@example.org")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(insert, "2", "ada", "other@example.org")
    finally:
        await connection.close()
