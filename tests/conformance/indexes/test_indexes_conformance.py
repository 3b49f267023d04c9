"""The planner's conformance suite on real PostgreSQL and real SQLite."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
import asyncpg
import pytest

pytest.register_assert_rewrite("backstay.testing.indexes")

from backstay.indexes import PostgresIndexPlanner, SqliteIndexPlanner  # noqa: E402
from backstay.testing.indexes import IndexPlannerSuite, OpenPlanner  # noqa: E402


@pytest.mark.postgres
class TestPostgres(IndexPlannerSuite):
    @pytest.fixture(autouse=True)
    def _server(self, postgres_url: str) -> None:
        self.server = postgres_url

    @asynccontextmanager
    async def open(self) -> AsyncIterator[OpenPlanner]:
        name = f"indexes_{uuid.uuid4().hex[:12]}"
        admin = await asyncpg.connect(self.server)
        await admin.execute(f"create database {name}")
        url = f"{self.server.rpartition('/')[0]}/{name}"
        connection = await asyncpg.connect(url)
        try:
            yield OpenPlanner(planner=PostgresIndexPlanner.from_dsn(url), execute=connection.execute)
        finally:
            await connection.close()
            await admin.execute(f"drop database {name} with (force)")
            await admin.close()


class TestSqlite(IndexPlannerSuite):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "indexes.db"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[OpenPlanner]:
        async with aiosqlite.connect(self.path, isolation_level=None) as connection:
            yield OpenPlanner(planner=SqliteIndexPlanner(self.path), execute=connection.execute)
