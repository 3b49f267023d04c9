# ruff: noqa: E501 - tables of SQL, one case a line
"""The linter: what it calls dangerous, what it leaves alone, and that its advice is sound."""

from __future__ import annotations

import asyncpg
import pytest

from backstay.migrations.files import Migration, Script
from backstay.migrations.lint import Level, danger_checker, lint, lint_migrations

DANGERS = [
    ("CREATE INDEX ON t (a)", "creating-index"),
    ("CREATE UNIQUE INDEX IF NOT EXISTS new_i ON public.t (a, b) WHERE a > 1", "creating-index"),
    ("DROP INDEX i", "dropping-index"),
    ("DROP INDEX IF EXISTS i", "dropping-index"),
    ("REINDEX TABLE t", "reindexing"),
    ("REINDEX INDEX i", "reindexing"),
    ("ALTER TABLE t ADD COLUMN c int NOT NULL", "adding-required-column"),
    ("ALTER TABLE t ADD c text NOT NULL", "adding-required-column"),
    ("ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid()", "adding-column-with-volatile-default"),
    (
        "ALTER TABLE t ADD COLUMN c timestamptz NOT NULL DEFAULT clock_timestamp()",
        "adding-column-with-volatile-default",
    ),
    ("ALTER TABLE t ADD COLUMN c bigserial", "adding-serial-column"),
    ("ALTER TABLE t ADD COLUMN c bigint GENERATED ALWAYS AS IDENTITY", "adding-serial-column"),
    ("ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (a + 1) STORED", "adding-generated-column"),
    ("ALTER TABLE t ADD COLUMN c json", "json-column"),
    ("ALTER TABLE t ADD COLUMN c int UNIQUE", "adding-unique-column"),
    ("ALTER TABLE t ADD COLUMN c int REFERENCES o (id)", "adding-foreign-key"),
    ("ALTER TABLE t ADD COLUMN c int CHECK (c > 0)", "adding-check-constraint"),
    (
        "ALTER TABLE t ADD c int DEFAULT 1 CONSTRAINT pos CHECK ((c > 0) AND c < 9) NOT NULL",
        "adding-check-constraint",
    ),
    ("ALTER TABLE t ALTER COLUMN a TYPE bigint", "changing-column-type"),
    ("ALTER TABLE t ALTER a SET DATA TYPE bigint USING a::bigint", "changing-column-type"),
    ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "setting-not-null"),
    ("ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "dropping-not-null"),
    ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o (id)", "adding-foreign-key"),
    ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o (id)", "adding-foreign-key"),
    ("ALTER TABLE ONLY t ADD CONSTRAINT c CHECK (a > 0)", "adding-check-constraint"),
    ("ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)", "adding-unique-constraint"),
    ("ALTER TABLE k ADD PRIMARY KEY (a)", "adding-primary-key"),
    ("ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING gist (r WITH &&)", "adding-exclusion"),
    ("ALTER TABLE t DROP COLUMN a", "dropping-column"),
    ("ALTER TABLE public.t * DROP COLUMN a", "dropping-column"),
    ("ALTER TABLE ONLY (t) DROP COLUMN a", "dropping-column"),
    ("ALTER TABLE t RENAME COLUMN a TO z", "renaming-column"),
    ("ALTER TABLE t RENAME TO z", "renaming-table"),
    ("ALTER TABLE t SET SCHEMA s", "moving-table"),
    ("ALTER TABLE t SET UNLOGGED", "rewriting-table"),
    ("ALTER TABLE p DETACH PARTITION p1", "detaching-partition"),
    ("DROP TABLE t", "dropping-table"),
    ("DROP SCHEMA s CASCADE", "dropping-schema"),
    ("DROP DATABASE d", "dropping-database"),
    ("TRUNCATE t", "truncating"),
    ("TRUNCATE t CASCADE", "truncating-cascade"),
    ("UPDATE t SET a = 1", "unbatched-update"),
    ("UPDATE t SET a = 1 WHERE a IS NULL", "unbatched-update"),
    ("DELETE FROM t", "unbatched-delete"),
    ("WITH x AS (SELECT 1) UPDATE t SET a = 1", "unbatched-update"),
    ("WITH gone AS (DELETE FROM ONLY t RETURNING *) SELECT count(*) FROM gone WHERE id = 1", "unbatched-delete"),
    ("ALTER INDEX i SET TABLESPACE pg_default", "moving-tablespace"),
    ("VACUUM FULL t", "vacuum-full"),
    ("VACUUM (FULL, ANALYZE) t", "vacuum-full"),
    ("CLUSTER t USING i", "clustering"),
    ("LOCK TABLE t", "locking-table"),
    ("REFRESH MATERIALIZED VIEW m", "refreshing-view"),
    ("ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0)", "constraining-domain"),
    ("ALTER TYPE e RENAME VALUE 'a' TO 'b'", "changing-type"),
    ("ALTER TYPE e ADD VALUE 'new'; INSERT INTO t (n) VALUES ('new')", "using-new-enum-value"),
    (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c",
        "validating-under-lock",
    ),
]
FINE = [
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "CREATE TABLE n (id bigint PRIMARY KEY, o bigint REFERENCES o (id)); CREATE INDEX ON n (o); ALTER TABLE n ALTER COLUMN o SET NOT NULL",
    "ALTER TABLE t ADD COLUMN c text",
    "ALTER TABLE t ADD COLUMN c text NOT NULL DEFAULT 'x'",
    "ALTER TABLE t ADD COLUMN c timestamptz DEFAULT now()",
    "ALTER TABLE t ADD COLUMN c numeric(10, 2) DEFAULT 0.0",
    "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES o (id) NOT VALID",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID NO INHERIT",
    "ALTER TABLE t ADD COLUMN c text DEFAULT 'CHECK (c)'",
    "WITH x AS (SELECT 1 AS id FOR UPDATE) UPDATE t SET a = 1 WHERE id = 7",
    "ALTER TABLE t VALIDATE CONSTRAINT f",
    "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT 3",
    "ALTER TABLE t DROP CONSTRAINT c",
    "UPDATE t SET a = 1 WHERE id = 7",
    "DELETE FROM t WHERE id IN (1, 2)",
    "INSERT INTO t VALUES (1)",
    "COMMENT ON TABLE t IS 'UPDATE t SET a = 1; DROP TABLE t'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ DELETE FROM t; SELECT 1 $$",
    "ALTER TYPE e ADD VALUE 'new'",
    "ALTER INDEX i RENAME TO j",
]


def dangers(sql):
    return [verdict for verdict in lint(sql) if verdict.level is Level.DANGER and verdict.allowed is None]


@pytest.mark.parametrize(("sql", "rule"), DANGERS)
def test_names_the_danger(sql, rule):
    assert [verdict.rule for verdict in dangers(sql)] == [rule]


@pytest.mark.parametrize("sql", FINE)
def test_leaves_the_harmless_alone(sql):
    assert dangers(sql) == []


@pytest.mark.parametrize(("sql", "rule"), DANGERS)
def test_every_rewrite_lints_clean(sql, rule):
    (verdict,) = dangers(sql)
    assert verdict.rewrite
    assert dangers(verdict.rewrite) == [], verdict.rewrite


_WORLD = """
    CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o VALUES (1);
    CREATE TABLE t (id int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY (START 100), a int, b int, n text, r int4range); INSERT INTO t VALUES (1, 1, 1, 'x');
    CREATE TABLE k (a int); INSERT INTO k VALUES (1);
    CREATE INDEX i ON t (b);
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS n; CREATE UNIQUE INDEX ON m (n);
    CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
    CREATE SCHEMA s; CREATE DOMAIN d AS int; CREATE TYPE e AS ENUM ('a');
"""
_ELSEWHERE = {"dropping-database", "adding-exclusion"}


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.asyncio
async def test_every_rewrite_runs(postgres_url):
    name = "migrations_lint"
    admin = await asyncpg.connect(postgres_url)
    try:
        for sql, rule in DANGERS:
            if rule in _ELSEWHERE:
                continue
            (verdict,) = dangers(sql)
            await admin.execute(f"DROP DATABASE IF EXISTS {name}")
            await admin.execute(f"CREATE DATABASE {name}")
            connection = await asyncpg.connect(f"{postgres_url.rpartition('/')[0]}/{name}")
            try:
                await connection.execute(_WORLD)
                # The enum value that was added before, and the constraint to validate, are the statement's context.
                if rule in ("using-new-enum-value", "validating-under-lock"):
                    await connection.execute(sql.partition(";")[0])
                script = Script(verdict.rewrite.encode(), name="rewrite.sql")
                if script.in_transaction():
                    await connection.execute(f"BEGIN; {script.text}\n; COMMIT")
                else:
                    for statement in script.statements:
                        await connection.execute(statement.text)
            except asyncpg.PostgresError as exc:
                raise AssertionError(f"{sql}\n{verdict.rewrite}\n{exc}") from exc
            finally:
                await connection.close()
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name}")
        await admin.close()


def migration(name, sql):
    return Migration(id=name, source="", version=(int(name),), up=Script(sql.encode(), name=f"{name}.sql"))


def test_a_table_that_an_earlier_pending_file_creates_is_nobodys_yet():
    files = [migration("1", "CREATE TABLE t (id bigint)"), migration("2", "CREATE INDEX i ON t (id)")]
    assert danger_checker(files) == []
    assert len(danger_checker(files[1:])) == 1


def test_a_reason_in_the_file_excuses_and_is_kept():
    sql = "-- backstay: allow dropping-column: unused since 2.3\nALTER TABLE t DROP COLUMN a"
    (verdict,) = lint_migrations([migration("1", sql)])
    assert verdict.allowed == "unused since 2.3"
    assert danger_checker([migration("1", sql)]) == []


def test_verdicts_say_where():
    (verdict,) = lint("-- first\n\n  DROP TABLE t", file="7.sql")
    assert (verdict.file, verdict.line, verdict.column) == ("7.sql", 3, 3)
