from __future__ import annotations

import uuid
from contextlib import asynccontextmanager

import asyncpg
import pytest

pytest.register_assert_rewrite("backstay.testing.migrations")

from backstay.migrations import DirectorySource, PostgresRunner, SqliteRunner  # noqa: E402
from backstay.testing.migrations import MigrationRunnerSuite  # noqa: E402


class TestSqliteRunner(MigrationRunnerSuite):
    @asynccontextmanager
    async def open(self, directory):
        yield lambda: SqliteRunner(directory / "app.db", [DirectorySource(directory)])


class TestPostgresRunner(MigrationRunnerSuite):
    @pytest.fixture(autouse=True)
    def _address(self, postgres_url):
        self.url = postgres_url

    @asynccontextmanager
    async def open(self, directory):
        name = f"migrations_{uuid.uuid4().hex[:12]}"
        admin = await asyncpg.connect(self.url)
        await admin.execute(f"CREATE DATABASE {name}")
        url = f"{self.url.rpartition('/')[0]}/{name}"
        try:
            yield lambda: PostgresRunner(url, [DirectorySource(directory)])
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.close()
