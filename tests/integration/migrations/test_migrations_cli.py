# ruff: noqa: E501, ISC004 - tables of SQL, one case a line
"""The command line on an SQLite file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from backstay.cli.migrate import migrate


@pytest.fixture
def call(tmp_path):
    files = tmp_path / "migrations"
    files.mkdir()
    (files / "0001_t.sql").write_text("CREATE TABLE t (id integer);")
    (files / "0001_t.down.sql").write_text("DROP TABLE t;")

    def call(*args, code=0):
        base = ["--database", f"sqlite:///{tmp_path}/app.db", "--directory", str(files)]
        result = CliRunner().invoke(migrate, [*base, *args], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.stdout

    call.files = files
    call.path = tmp_path / "app.db"
    return call


def test_up_status_down(call):
    assert "pending" in call("status")
    call("status", "--exit-code", code=5)
    assert "CREATE TABLE t" in call("up", "--dry-run")
    assert "applied" in call("up")
    assert "nothing to do" in call("up")
    call("status", "--exit-code")
    call("redo")
    assert json.loads(call("--json", "history"))[0]["migration"] == "0001_t"
    assert "rolled-back" in call("down")
    call("to", "0001")
    call("verify")


def test_new_continues_the_numbering(call):
    assert call("new", "Add e-mail").split()[0].endswith("0002_add_e_mail.sql")


def test_a_failing_step_and_a_refused_run_have_codes_of_their_own(call):
    (call.files / "0002_bad.sql").write_text("SELCT 1;")
    call("rehearse", code=1)
    call("up", code=1)
    (call.files / "0002_bad.sql").write_text("SELECT 1;")
    call("up")
    (call.files / "0001_t.sql").write_text("CREATE TABLE u (id integer);")
    call("verify", code=1)
    call("up", code=3)
    call("adopt", "0001")
    call("up")


def test_check_lints_and_shows_the_rewrite(call):
    (call.files / "0002_i.sql").write_text("CREATE INDEX ON elsewhere (a);")
    assert "CREATE INDEX CONCURRENTLY" in call("check", code=1)
    (call.files / "0002_i.sql").write_text("SELECT 1;")
    assert "no danger" in call("check", "--all")


@pytest.mark.parametrize(
    ("ddl", "code"),
    [
        ("CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('0001')", 0),
        ("CREATE TABLE schema_migrations (version int, dirty bool); INSERT INTO schema_migrations VALUES (1, false)", 0),
        ("CREATE TABLE schema_migrations (version int, dirty bool); INSERT INTO schema_migrations VALUES (1, true)", 3),
        ("CREATE TABLE _yoyo_migration (migration_id text); INSERT INTO _yoyo_migration VALUES ('0001_t')", 0),
        ("CREATE TABLE _sqlx_migrations (version int, success bool); INSERT INTO _sqlx_migrations VALUES (1, true)", 0),
        ("CREATE TABLE _sqlx_migrations (version int, success bool); INSERT INTO _sqlx_migrations VALUES (1, false)", 3),
        ("CREATE TABLE goose_db_version (id int, version_id int, is_applied bool);"
         "INSERT INTO goose_db_version VALUES (1, 0, true), (2, 1, true)", 0),
        ("CREATE TABLE flyway_schema_history (installed_rank int, version text, type text, script text, success bool);"
         "INSERT INTO flyway_schema_history VALUES (1, '1', 'SQL', 'V1__t.sql', true)", 0),
        ("CREATE TABLE flyway_schema_history (installed_rank int, version text, type text, script text, success bool);"
         "INSERT INTO flyway_schema_history VALUES (1, '1', 'SQL', 'V1__t.sql', false)", 3),
        ("CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('0009')", 3),
        ("SELECT 1", 3),
    ],
)  # fmt: skip
def test_adopts_another_tools_history_or_says_why_not(call, ddl, code):
    with closing(sqlite3.connect(call.path)) as connection:
        connection.executescript(ddl)
    call("adopt", code=code)
    if not code:
        assert "0001_t" in call("status")
        assert "nothing to do" in call("up")
