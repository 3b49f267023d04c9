"""The example's own indexes, on both databases that it runs on."""

from __future__ import annotations

import sys
from pathlib import Path

import aiosqlite
import asyncpg
import pytest

from backstay.indexes import Action

sys.path.append(str(Path(__file__).parents[3] / "examples"))

from prices.indexes import WANTED, create_indexes

pytestmark = pytest.mark.postgres
TABLE = "create table users (id text primary key, created_at timestamp not null)"


@pytest.mark.asyncio
async def test_they_stand_after_the_first_call(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(TABLE)
    assert [one.action for one in (await create_indexes(database_url)).outcomes] == [Action.CREATED] * len(WANTED)
    assert not (await create_indexes(database_url)).changed
    assert await connection.fetchval("select count(*) from pg_indexes where indexname = $1", WANTED[0].name) == 1
    await connection.close()


@pytest.mark.asyncio
async def test_they_stand_in_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "prices.db"
    async with aiosqlite.connect(file) as connection:
        await connection.execute(TABLE)
    assert (await create_indexes(f"sqlite:///{file}")).changed
    assert not (await create_indexes(f"sqlite:///{file}")).changed
