# ruff: noqa: E501, ISC004 - tables of SQL, one case a line
"""The command line on an SQLite file."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner
from rich.console import Console

from backstay.cli.migrate import migrate
from backstay.cli.migrate_progress import LiveProgress
from backstay.migrations import Blocker, Direction
from backstay.migrations.events import StepBlocked, StepStarted, StepSucceeded


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


def test_baseline_takes_without_running(call):
    assert "adopted" in call("baseline", "0001")
    assert "nothing to do" in call("up")
    assert json.loads(call("--json", "status"))["migrations"] == [{"migration": "0001_t", "state": "adopted"}]


def test_verify_finds_what_was_done_behind_the_files_back(call, tmp_path):
    call("up")
    snapshot = tmp_path / "schema.json"
    call("verify", "--write", str(snapshot))
    assert "agree" in call("verify", "--snapshot", str(snapshot))
    with closing(sqlite3.connect(call.path)) as connection:
        connection.executescript("CREATE TABLE stray (id integer); ALTER TABLE t ADD COLUMN extra text")
    told = json.loads(call("--json", "verify", "--snapshot", str(snapshot), code=1))
    assert [drift["object"] for drift in told["drift"]] == ["column t.extra", "table stray"]
    assert "column t.extra" in call("verify", "--snapshot", str(snapshot), "--ignore", "str*", code=1)
    snapshot.write_text("{}")
    call("verify", "--snapshot", str(snapshot), code=1)


def test_verify_against_sqlalchemy_metadata(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cli_models.py").write_text(
        "from sqlalchemy import Column, Integer, MetaData, Table\n"
        "metadata = MetaData()\n"
        "Table('t', metadata, Column('id', Integer))\n"
    )
    call("up")
    call("verify", "--metadata", "cli_models:metadata")
    call("verify", "--metadata", "cli_models:nothing", code=2)
    (call.files / "0002_u.sql").write_text("CREATE TABLE u (id integer);")
    call("up")
    assert "table u is there and should not be" in call("verify", "--metadata", "cli_models:metadata", code=1)


def test_a_contract_migration_that_is_held_back_has_a_code_of_its_own(call):
    (call.files / "0002_c.sql").write_text("-- backstay: phase contract\nSELECT 1;")
    with closing(sqlite3.connect(call.path)) as connection:
        connection.executescript(
            "CREATE TABLE backstay_versions (instance text, version text, seen_at real);"
            "INSERT INTO backstay_versions VALUES ('host:1', '1.0', julianday('now'))"
        )
    told = call("--app-version", "2.0", "up", code=6)
    assert "older version still runs: 1.0 on host:1" in told
    call("--app-version", "1.0", "up")


def test_a_database_that_is_away_and_wrong_usage_have_codes_of_their_own(call):
    base = ["--directory", str(call.files)]
    away = CliRunner().invoke(migrate, [*base, "--database", "postgresql://nobody@127.0.0.1:1/none", "up"])
    assert away.exit_code == 4
    assert CliRunner(env={"BACKSTAY_DATABASE_URL": None}).invoke(migrate, [*base, "up"]).exit_code == 2
    assert CliRunner().invoke(migrate, [*base, "--database", "sqlite:///none", "check", "--trace"]).exit_code == 2


@pytest.mark.postgres
def test_check_traced_and_backfill_on_postgresql(database_url, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    base = ["--database", database_url, "--directory", str(files)]
    (files / "0001_t.sql").write_text(
        "CREATE TABLE t (id integer PRIMARY KEY, v varchar(10), n integer DEFAULT 0);"
    )
    (files / "0002_wider.sql").write_text("ALTER TABLE t ALTER v TYPE varchar(20);")
    (files / "0003_fill.sql").write_text("INSERT INTO t SELECT generate_series(1, 300);")

    def call(*args, code=0):
        result = CliRunner().invoke(migrate, [*base, *args], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.stdout

    call("up", "0001")
    assert "changing-column-type" in call("check", code=1)
    assert "no danger" in call("check", "--trace")
    (files / "0002_wider.sql").write_text("DO $$ BEGIN ALTER TABLE t ALTER id TYPE bigint; END $$;")
    assert "no danger" in call("check")
    assert "observed-rewrite" in call("check", "--trace", code=1)
    call("up")
    fill = tmp_path / "fill.sql"
    fill.write_text("UPDATE t SET n = n + 1 WHERE ($1::bigint IS NULL OR id > $1) AND id <= $2")
    assert "300 rows are done" in call("backfill", str(fill), "--table", "t")
    assert json.loads(call("--json", "backfill", str(fill), "--table", "t"))["finished"]


def test_on_a_terminal_the_step_at_hand_is_shown_with_who_is_in_its_way():
    screen = io.StringIO()
    blocker = Blocker(pid=7, application="psql", seconds=12.0, query="SELECT '[bold]'", relation="t")
    about = {"migration": "0007_x", "direction": Direction.UP}
    with LiveProgress(Console(file=screen, force_terminal=True, width=140)) as show:
        show(StepStarted(**about))
        show(StepBlocked(migration="0007_x", blockers=(blocker,), waited=0.2))
        waiting = show._bars.get_renderable()
        Console(file=screen, width=140).print(waiting)
        show(StepSucceeded(**about, duration=1.5, lock_wait=0.5, attempts=2))
    drawn = screen.getvalue()
    assert "0007_x waits: pid 7 (psql) has a lock on t for 12.0 s with: SELECT '[bold]'" in drawn
    assert "0:00:00" in drawn
    assert "0007_x done in 1.500 s, of which 0.500 s for locks" in drawn
