# ruff: noqa: E501 - tables of SQL, one case a line
"""Traced lint: what statements were seen to do on a real server corrects what was read from their grammar."""

from __future__ import annotations

import asyncpg
import pytest

from backstay.errors import MigrationFailed
from backstay.migrations.files import Migration, Script
from backstay.migrations.lint import Level, lint, lint_migrations
from backstay.migrations.postgres_trace import trace
from backstay.migrations.trace import judged_with

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

WORLD = """
    CREATE TABLE o (id int PRIMARY KEY);
    CREATE TABLE t (id int PRIMARY KEY, a int, v varchar(20), n numeric(8, 2), at timestamp);
    CREATE INDEX v ON t (v);
    CREATE TABLE checked (a int, CONSTRAINT c CHECK (a IS NOT NULL));
    CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 (a int NOT NULL, CHECK (a >= 0 AND a < 9)); CREATE TABLE p2 (a int);
    CREATE FUNCTION fixed() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7';
    CREATE FUNCTION random_number() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN random() * 9; END';
    CREATE DOMAIN rnd AS int DEFAULT random_number();
"""
# What is found: by the rules, or by what was seen; None for nothing.
CASES = [
    ("ALTER TABLE t ALTER v TYPE varchar(40)", None),
    ("ALTER TABLE t ALTER v TYPE text", None),
    ("ALTER TABLE t ALTER n TYPE numeric(10, 2)", None),
    ("ALTER TABLE t ALTER a TYPE bigint", "changing-column-type"),
    ("ALTER TABLE t ALTER v TYPE varchar(10)", "changing-column-type"),
    ("ALTER TABLE checked ALTER a SET NOT NULL", None),
    ("ALTER TABLE t ALTER a SET NOT NULL", "setting-not-null"),
    ("ALTER TABLE t ADD c int DEFAULT fixed()", None),
    ("ALTER TABLE t ADD c int DEFAULT random_number()", "adding-column-with-volatile-default"),
    ("ALTER TABLE t ADD c rnd", "observed-rewrite"),
    ("DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER a TYPE bigint'; END $$", "observed-rewrite"),
    ("DO $$ BEGIN ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0); END $$", "observed-scan"),
    ("DO $$ BEGIN ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; END $$", None),
    ("ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (9)", None),
    ("ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (0) TO (9)", "attaching-partition"),
    ("CREATE INDEX i ON t (a)", "creating-index"),
    ("CREATE INDEX CONCURRENTLY i ON t (a)", None),
    ("CREATE TABLE fresh (a int); ALTER TABLE fresh ALTER a TYPE bigint; CREATE INDEX ON fresh (a)", None),
    ("ALTER TABLE t DROP COLUMN v", "dropping-column"),
    ("INSERT INTO t (id) VALUES (1)", None),
]


def migration(number, sql, name=None):
    return Migration(
        id=str(number), source="", version=(number,), up=Script(sql.encode(), name=name or f"{number}.sql")
    )


@pytest.mark.parametrize(("sql", "rule"), CASES)
async def test_what_was_seen_corrects_what_was_read(postgres_url, sql, rule):
    world, judged = migration(1, WORLD), migration(2, sql)
    observed = await trace(postgres_url, [world, judged], watched={"2"})
    verdicts = judged_with(lint_migrations([judged]), observed)
    dangers = [verdict for verdict in verdicts if verdict.level is Level.DANGER]
    assert [verdict.rule for verdict in dangers] == ([rule] if rule else [])
    for verdict in dangers:
        assert all(again.allowed for again in lint(verdict.rewrite) if again.level is Level.DANGER), verdict.rewrite


async def test_locks_are_told_for_what_was_there_before(postgres_url):
    observed = await trace(
        postgres_url, [migration(1, WORLD), migration(2, "LOCK t; LOCK TABLE o IN SHARE MODE")], watched={"2"}
    )
    assert [set(one.locks) for one in observed] == [
        {"AccessExclusiveLock on t"},
        {"AccessExclusiveLock on t", "ShareLock on o"},
    ]


async def test_a_file_may_answer_for_what_was_seen(postgres_url):
    judged = migration(2, "-- backstay: allow observed-rewrite: t is empty\nALTER TABLE t ADD c rnd")
    observed = await trace(postgres_url, [migration(1, WORLD), judged], watched={"2"})
    assert [verdict.allowed for verdict in judged_with([], observed)] == ["t is empty"]


async def test_a_python_step_runs_and_a_statement_that_fails_names_its_file(postgres_url):
    step = migration(1, "async def up(db):\n    await db.execute('CREATE TABLE made (id int)')\n", name="1.py")
    assert await trace(postgres_url, [step, migration(2, "SELECT * FROM made")], watched={"2"})
    with pytest.raises(MigrationFailed, match=r"2\.sql: .*missing"):
        await trace(postgres_url, [step, migration(2, "SELECT * FROM missing")], watched={"2"})
    connection = await asyncpg.connect(postgres_url)
    left = await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'backstay_trace%'")
    await connection.close()
    assert left == 0
