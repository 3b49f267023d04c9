# ruff: noqa: E501 - tables of SQL, one case a line
"""An Alembic environment, adopted half-way and continued."""

from __future__ import annotations

import uuid

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine

from backstay.errors import StepFailed
from backstay.migrations import AlembicRunner, Status

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

_REVISION = '''"""{label}"""
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}


def upgrade():
    {up}


def downgrade():
    {undo}
'''


def revision(directory, identity, down, up, undo="pass"):
    text = _REVISION.format(label=identity, revision=identity, down=down, up=up, undo=undo)
    (directory / "versions" / f"{identity}_step.py").write_text(text)


@pytest_asyncio.fixture
async def url(postgres_url):
    name = f"migrations_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_url.rpartition('/')[0]}/{name}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "versions").mkdir()
    revision(
        tmp_path,
        "aaa1",
        None,
        'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))',
        'op.drop_table("t")',
    )
    revision(
        tmp_path,
        "bbb2",
        "'aaa1'",
        'op.add_column("t", sa.Column("note", sa.Text))',
        'op.drop_column("t", "note")',
    )
    revision(tmp_path, "ccc3", "'aaa1'", 'op.execute("INSERT INTO t VALUES (1)")', 'op.execute("DELETE FROM t")')
    revision(tmp_path, "ddd4", "('bbb2', 'ccc3')", "pass")
    return tmp_path


@pytest_asyncio.fixture
async def engine(url):
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    yield engine
    await engine.dispose()


async def versions(url):
    connection = await asyncpg.connect(url)
    try:
        return {row[0] for row in await connection.fetch("SELECT version_num FROM alembic_version")}
    finally:
        await connection.close()


async def test_runs_revisions_and_keeps_alembics_table_in_step(url, engine, directory):
    report = await AlembicRunner(engine, directory).run()
    assert next(iter(report)) == "aaa1_step"
    assert list(report)[-1] == "ddd4_step"
    assert len(report) == 4
    assert await versions(url) == {"ddd4"}
    assert not await AlembicRunner(engine, directory).run()
    await AlembicRunner(engine, directory).rollback(steps=1)
    assert await versions(url) == {"bbb2", "ccc3"}


async def test_a_failing_revision_leaves_neither_schema_nor_version(url, engine, directory):
    revision(
        directory,
        "eee5",
        "'ddd4'",
        'op.create_table("u", sa.Column("id", sa.Integer)); op.execute("SELECT nonsense")',
    )
    with pytest.raises(StepFailed, match="nonsense") as caught:
        await AlembicRunner(engine, directory).run()
    assert caught.value.report["eee5_step"] == Status.FAILED
    assert await versions(url) == {"ddd4"}
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass('u')") is None
    await connection.close()


async def test_takes_over_what_alembic_has_applied(url, engine, directory):
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ('bbb2');"
        "CREATE TABLE t (id int PRIMARY KEY, note text)"
    )
    await connection.close()
    assert set(await AlembicRunner(engine, directory).run()) == {"ccc3_step", "ddd4_step"}
    assert await versions(url) == {"ddd4"}
