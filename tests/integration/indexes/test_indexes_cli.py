"""``backstay index``: every command on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from backstay.cli.index import index

pytestmark = pytest.mark.postgres

SCHEMA = """
create table author (id int primary key, name text not null);
create table book (id int primary key, author int not null references author, title text, sold timestamptz);
insert into author select i, 'name ' || i from generate_series(1, 500) i;
insert into book select i, 1 + i % 500, 'title ' || i, timestamptz '2026-01-01' - i * interval '1 minute'
  from generate_series(1, 60000) i;
create index twin_a on book (title);
create index twin_b on book (title);
analyze;
"""
DECLARED = """
from backstay.indexes import Index
wanted = [Index("book", ["author", "sold"], name="book_author_sold")]
bad = [Index("skewed", "id", name="skewed_id")]
"""
MISTAKEN = """
from sqlalchemy import Column, Index, Integer, MetaData, Table
from backstay.indexes import Index as Wanted
table = Table("book", MetaData(), Column("id", Integer))
models, one = [Index("book_id", table.c.id)], Wanted("book", "id")
broken = MetaData()
Index("x" * 64, Table("book", broken, Column("id", Integer)).c.id)
"""
Run = Callable[..., Result]


def execute(url: str, sql: str) -> None:
    async def connected() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(sql)
        await connection.close()

    asyncio.run(connected())


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Invoke a command on a database with two tables, from a directory with declarations."""
    execute(database_url, SCHEMA)
    (tmp_path / "declared_here.py").write_text(DECLARED)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, code: int = 0) -> Result:
        found = CliRunner().invoke(index, [arguments[0], "--database-url", database_url, *arguments[1:]])
        assert found.exit_code == code, found.output
        return found

    yield invoke
    sys.modules.pop("declared_here", None)


def rows(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("models", "neither indexes of backstay nor a SQLAlchemy MetaData"),
        ("one", "not iterable"),
        ("broken", "maximum length"),
        ("missing", "no attribute 'missing'"),
    ],
)
def test_what_declares_nothing_is_not_taken_for_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    (tmp_path / "mistaken.py").write_text(MISTAKEN)
    monkeypatch.chdir(tmp_path)
    arguments = ["ensure", "--database-url", "postgresql://nobody@127.0.0.1:1/none", "--from", f"mistaken:{name}"]
    found = CliRunner().invoke(index, arguments)
    sys.modules.pop("mistaken")
    assert found.exit_code == 1
    assert said in found.output


def test_diff_ensure_and_diff_again(run: Run) -> None:
    declared = ("--from", "declared_here:wanted")
    missing = rows(run("diff", *declared, "--json", code=1))
    assert {"table": "book", "index": "book_author_sold", "status": "missing", "found": ""} in missing
    assert [row["index"] for row in missing if row["status"] == "superfluous"] == ["twin_a", "twin_b"]
    (built,) = rows(run("ensure", *declared, "--json"))
    assert (built["index"], built["action"]) == ("book_author_sold", "created")
    assert "kept" in run("ensure", *declared).output
    pruned = rows(run("ensure", *declared, "--prune", "--json"))
    assert [row["action"] for row in pruned] == ["kept", "dropped", "dropped"]
    assert "present" in run("diff", *declared).output


def test_what_is_declared_nowhere_is_said(run: Run) -> None:
    assert "no_such_module" in run("diff", "--from", "no_such_module", code=1).output
    assert "nothing_here" in run("diff", "--from", "declared_here:nothing_here", code=1).output


def test_health_names_the_twin_and_draws_the_map(run: Run, tmp_path: Path) -> None:
    found = rows(run("health", "--json", "--html", str(tmp_path / "map.html")))
    (twin,) = [row for row in found if row["trouble"] == "duplicate"]
    assert (twin["index"], twin["droppable"]) == ("twin_b", "yes")
    assert twin["remedy"].lower().startswith("drop index")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 1
    assert "twin_b" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # nothing is loaded from elsewhere


def test_advise_from_a_file_of_statements(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "asked.sql"
    file.write_text("select * from book where author = 5;\nselect id from author where id = 7;\n")
    advice = run("advise", "--workload", str(file), "--explain", "--html", str(tmp_path / "plan.html"))
    assert 'on "public"."book" using "btree" ("author")' in advice.output
    assert "plans asked for" in advice.output
    assert "stroke-dasharray" in (tmp_path / "plan.html").read_text(encoding="utf-8")  # what is proposed
    (row,) = rows(run("advise", "--workload", str(file), "--json"))
    assert row["statement"].startswith("create index concurrently")


def test_advise_from_a_servers_log(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("LOG:  duration: 5 ms  statement: select * from book where sold = '2026-01-01'\n")
    (row,) = rows(run("advise", "--workload", str(log), "--json"))
    assert '("sold")' in row["statement"]
    log.write_text("LOG:  checkpoint starting: time\n")
    assert "log_min_duration_statement" in run("advise", "--workload", str(log), code=1).output


def test_apply_builds_what_it_advises(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "asked.sql"
    file.write_text("select * from book where author = 5;\n")
    (row,) = rows(run("apply", "--workload", str(file), "--json"))
    assert row["outcome"] == "created"
    assert rows(run("advise", "--workload", str(file), "--json")) == []


def test_verify_and_watch_take_back_an_index_that_makes_a_query_slower(
    run: Run, database_url: str, tmp_path: Path
) -> None:
    """An order that an index serves lures the planner away from the filter that it should use."""
    execute(
        database_url,
        "create table skewed as select i as id, case when i > 395000 then 7 else i % 5 end as kind,"
        "  repeat('x', 100) as filler from generate_series(1, 400000) i;"
        "create index skewed_kind on skewed (kind); analyze skewed",
    )
    file, kept = tmp_path / "asked.sql", tmp_path / "before.json"
    file.write_text("select * from skewed where kind = 7 order by id limit 20;\n")
    asked = ("--workload", str(file), "--baseline", str(kept))
    assert "the baseline is written" in run("verify", *asked).output
    run("ensure", "--from", "declared_here:bad")
    (slower,) = rows(run("verify", *asked, "--json", code=1))
    assert float(slower["ratio"]) > 1.15
    (look,) = rows(run("watch", *asked, "--from", "declared_here:bad", "--looks", "1", "--json"))
    assert look["dropped"] == "skewed_id"
    assert look["undo"].startswith("CREATE INDEX")
    run("verify", *asked)


def test_progress_follows_a_build_and_names_whom_it_waits_for(run: Run, database_url: str) -> None:
    """A build waits for a transaction that has the table open; the command ends when the build does."""
    waits, stop = threading.Event(), threading.Event()

    async def hold_and_build() -> None:
        holder, builder, observer = [await asyncpg.connect(database_url) for _ in range(3)]
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("update book set title = title where id = 1")
        build = asyncio.create_task(builder.execute("create index concurrently slow on book (sold)"))
        waiting = "select count(*) from pg_stat_progress_create_index where phase like 'waiting%'"
        while not await observer.fetchval(waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the server tells nobody of its own accord
        waits.set()
        await asyncio.to_thread(stop.wait, 20)
        await transaction.rollback()
        await build
        for connection in (holder, builder, observer):
            await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(hold_and_build()))
    thread.start()
    assert waits.wait(20)
    release = threading.Timer(1.0, stop.set)
    release.start()
    shown = run("progress", "--interval", "0.1")
    thread.join(20)
    assert "waiting for" in shown.output
    assert "pid " in shown.output
