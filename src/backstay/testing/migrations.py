# ruff: noqa: S101, PT017, S608 - a test suite that is shipped
"""The conformance suite of `MigrationRunner`: subclass it, give it a runner, and pytest does the rest.

Call ``pytest.register_assert_rewrite("backstay.testing.migrations")`` before the import to see full diffs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from backstay.errors import MigrationPlanError, StepFailed
from backstay.migrations import EventKind, MigrationRunner, Problem, Status

Maker = Callable[[], MigrationRunner]
"""Makes a runner on one and the same fresh database and the files as they are now."""

_FILES = {
    "0001_one.sql": "CREATE TABLE one (id integer PRIMARY KEY, note text);\nINSERT INTO one VALUES (1, 'a;b');",
    "0001_one.down.sql": "DROP TABLE one;",
    "0002_two.py": (
        "async def up(db):\n"
        "    await db.execute('CREATE TABLE two (id integer)')\n"
        "    for row in await db.fetch('SELECT id FROM one'):\n"
        "        await db.execute(f\"INSERT INTO two VALUES ({row['id']})\")\n"
        "    assert await db.fetchval('SELECT count(*) FROM two') == 1\n\n\n"
        "async def down(db):\n"
        "    await db.execute('DROP TABLE two')\n"
    ),
    "0010_three.sql": "ALTER TABLE one ADD COLUMN extra text;",
    "0010_three.down.sql": "ALTER TABLE one DROP COLUMN extra;",
}
_ALL = ["0001_one", "0002_two", "0010_three"]


class MigrationRunnerSuite:
    """What every runner promises. Give `open` and inherit the tests.

    `open` gets a directory of migrations and returns an async context manager around a `Maker` for a
    database of its own; the SQL of the suite is what PostgreSQL and SQLite have in common.
    """

    @abstractmethod
    def open(self, directory: Path) -> AbstractAsyncContextManager[Maker]:
        """A fresh database, gone when the block ends."""

    def _run(self, check: Callable[[Maker, Path], Awaitable[None]]) -> None:
        async def opened(directory: Path) -> None:
            async with self.open(directory) as make:
                await check(make, directory)

        with TemporaryDirectory() as name:
            directory = Path(name)
            for file, content in _FILES.items():
                (directory / file).write_text(content)
            anyio.run(partial(opened, directory))

    def test_runs_everything_once_and_in_numeric_order(self) -> None:
        """Two runs: the first does all, the second nothing."""
        self._run(_runs_everything_once)

    def test_stops_at_a_target(self) -> None:
        """The target is included."""
        self._run(_stops_at_target)

    def test_a_failing_step_leaves_nothing_behind(self) -> None:
        """Neither its table nor an entry that says it was applied; what came before stands."""
        self._run(_failure_leaves_nothing)

    def test_rolls_back_newest_first(self) -> None:
        """Steps, target and batch."""
        self._run(_rolls_back)

    def test_names_what_changed_after_it_was_applied(self) -> None:
        """A changed file blocks the run, a reformatted one does not."""
        self._run(_names_changes)

    def test_names_missing_and_out_of_order(self) -> None:
        """Each has a name of its own."""
        self._run(_names_gaps)

    def test_many_runners_apply_once(self) -> None:
        """Eight at once: all return, one has done the work."""
        self._run(_many_runners)

    def test_adopts_without_running(self) -> None:
        """What is adopted is not run."""
        self._run(_adopts)

    def test_repeats_what_is_repeatable(self) -> None:
        """Only after it changed."""
        self._run(_repeats)

    def test_resumes_without_transaction_where_it_failed(self) -> None:
        """Statements that were completed are not run again."""
        self._run(_resumes)


async def _runs_everything_once(make: Maker, directory: Path) -> None:
    del directory
    assert [step.migration.id for step in (await make().plan()).steps] == _ALL
    report = await make().run()
    assert dict(report) == dict.fromkeys(_ALL, Status.APPLIED)
    assert all(outcome.duration > 0 and outcome.attempts >= 1 for outcome in report.outcomes)
    assert not await make().run()
    history = await make().history()
    assert [(event.migration, event.kind) for event in history] == [(key, EventKind.SUCCEEDED) for key in _ALL]
    assert all(event.at is not None and event.checksum and event.duration > 0 for event in history)
    assert await make().validate() == ()


async def _stops_at_target(make: Maker, directory: Path) -> None:
    del directory
    assert list(await make().run("0002")) == _ALL[:2]
    assert list(await make().run()) == _ALL[2:]


async def _failure_leaves_nothing(make: Maker, directory: Path) -> None:
    bad = directory / "0011_bad.sql"
    bad.write_text("CREATE TABLE three (id integer);\nINSERT INTO nowhere VALUES (1);")
    (directory / "0012_later.sql").write_text("CREATE TABLE four (id integer);")
    try:
        await make().run()
    except StepFailed as failed:
        assert failed.migration == "0011_bad"
        assert failed.report["0010_three"] == Status.APPLIED
        assert failed.report["0011_bad"] == Status.FAILED
        assert failed.report["0012_later"] == Status.SKIPPED
        assert "nowhere" in str(failed)
    else:
        raise AssertionError("a step that fails must raise StepFailed")
    assert (await make().history())[-1].kind is EventKind.FAILED
    bad.write_text("CREATE TABLE three (id integer);")
    assert list(await make().run()) == ["0011_bad", "0012_later"]


async def _rolls_back(make: Maker, directory: Path) -> None:
    del directory
    await make().run("0002")
    await make().run()
    assert dict(await make().rollback(batch=True)) == {"0010_three": Status.ROLLED_BACK}
    await make().run()
    assert list(await make().rollback(steps=2)) == ["0010_three", "0002_two"]
    await make().run()
    assert list(await make().rollback("0001")) == ["0010_three", "0002_two"]
    await make().run()
    assert await make().validate() == ()
    assert not await make().run()


async def _names_changes(make: Maker, directory: Path) -> None:
    await make().run()
    file = directory / "0001_one.sql"
    file.write_bytes(b"\xef\xbb\xbf-- said better\r\n" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert [finding.problem for finding in await make().validate()] == [Problem.REFORMATTED]
    await make().run()
    file.write_text(file.read_text().replace("a;b", "a;c"))
    (finding,) = await make().validate()
    assert finding.problem is Problem.CHANGED
    assert "statement 2" in finding.message
    try:
        await make().run()
    except MigrationPlanError as refused:
        assert "changed-after-apply" in str(refused)
    else:
        raise AssertionError("a run must be refused after a migration was changed")
    await make().adopt("0001")
    assert await make().validate() == ()


async def _names_gaps(make: Maker, directory: Path) -> None:
    await make().run()
    (directory / "0005_late.sql").write_text("CREATE TABLE late (id integer);")
    (directory / "0002_two.py").unlink()
    problems = {finding.migration: finding.problem for finding in await make().validate()}
    assert problems == {"0005_late": Problem.OUT_OF_ORDER, "0002_two": Problem.MISSING}


async def _many_runners(make: Maker, directory: Path) -> None:
    del directory
    reports: list[dict[str, Status]] = []

    async def one() -> None:
        reports.append(dict(await make().run()))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(one)
    assert sorted(map(len, reports)) == [0] * 7 + [3]
    assert len(await make().history()) == 3


async def _adopts(make: Maker, directory: Path) -> None:
    del directory
    assert dict(await make().adopt("0001")) == {"0001_one": Status.ADOPTED}
    assert [step.migration.id for step in (await make().plan()).steps] == _ALL[1:]
    try:
        await make().run()
    except StepFailed as failed:
        assert failed.migration == "0002_two"
    else:
        raise AssertionError("0002 reads a table that only 0001 makes, and 0001 was adopted")


async def _repeats(make: Maker, directory: Path) -> None:
    view = directory / "R__totals.sql"
    view.write_text("DROP VIEW IF EXISTS totals; CREATE VIEW totals AS SELECT 1 AS n;")
    assert list(await make().run()) == [*_ALL, "R__totals"]
    view.write_text("DROP VIEW IF EXISTS totals; CREATE VIEW totals AS SELECT 2 AS n;")
    assert list(await make().run()) == ["R__totals"]
    assert not await make().run()


async def _resumes(make: Maker, directory: Path) -> None:
    file = directory / "0011_parts.sql"
    good = "-- backstay: no-transaction\nCREATE TABLE parts (id integer);\nINSERT INTO parts VALUES (1);\n"
    file.write_text(good + "INSERT INTO parts VALUES (nonsense);")
    try:
        await make().run()
    except StepFailed as failed:
        assert "2 of its 3 statements stand" in str(failed)
    (finding,) = await make().validate()
    assert finding.problem is Problem.DIRTY
    assert not finding.blocks
    file.write_text(good + "INSERT INTO parts VALUES (2);")
    assert list(await make().run()) == ["0011_parts"]
    completed = [e.statement for e in await make().history() if e.kind is EventKind.STATEMENT]
    assert completed == [1, 2, 3]
