"""The conformance suite of `IndexPlanner`: subclass it, open a planner on an empty database, and run pytest.

Before importing this module, call ``pytest.register_assert_rewrite("backstay.testing.indexes")`` so that a
failure shows its values.
"""

# ruff: noqa: S101, PT017 - assertions are what this module is for; it does not import pytest

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio

from backstay.errors import IndexBuildFailed, InvalidIndex
from backstay.indexes.declared import Index, Key
from backstay.indexes.health import Trouble
from backstay.indexes.protocol import Action, EnsureOptions, IndexPlanner, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPlanner:
    """A planner, and how to run a statement on its (empty) database behind its back."""

    planner: IndexPlanner
    execute: Callable[[str], Awaitable[object]]


_TABLES = (
    "create table book (id integer primary key, author integer not null, title text not null, sold boolean)",
    "create table loan (id integer primary key, book integer not null references book (id), since integer)",
)
_AUTHOR = Index("book", ["author", "title desc"])


class IndexPlannerSuite:
    """What every planner promises. Define `open` in a subclass whose name begins with ``Test``."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[OpenPlanner]:
        """A planner on a database without tables, which nobody else uses while the block lasts."""

    def _run(self, check: Callable[[OpenPlanner], Awaitable[None]]) -> None:
        async def opened() -> None:
            async with self.open() as planner:
                for table in _TABLES:
                    await planner.execute(table)
                await check(planner)

        anyio.run(opened)

    def test_a_missing_index_is_missing_and_then_present(self) -> None:
        """`ensure` brings about what `diff` misses."""

        async def check(at: OpenPlanner) -> None:
            assert (await at.planner.diff([_AUTHOR])).comparisons[0].status is Status.MISSING
            report = await at.planner.ensure([_AUTHOR])
            assert [outcome.action for outcome in report.outcomes] == [Action.CREATED]
            diff = await at.planner.diff([_AUTHOR])
            assert diff.clean
            assert diff.comparisons[0].found is not None

        self._run(check)

    def test_the_second_call_changes_nothing(self) -> None:
        """`ensure` is idempotent."""

        async def check(at: OpenPlanner) -> None:
            await at.planner.ensure([_AUTHOR])
            report = await at.planner.ensure([_AUTHOR])
            assert not report.changed
            assert [outcome.action for outcome in report.outcomes] == [Action.KEPT]

        self._run(check)

    def test_equality_is_by_definition_and_not_by_name(self) -> None:
        """An equal index of another name is present; one of the same name with another definition is not."""

        async def check(at: OpenPlanner) -> None:
            await at.execute("create index by_author on book (author, title desc)")
            found = (await at.planner.diff([_AUTHOR.named("wanted")])).comparisons[0]
            assert found.status is Status.OTHER_NAME
            other = Index("book", ["author", "title"], name="by_author")
            assert (await at.planner.diff([other])).comparisons[0].status is Status.CONFLICT

        self._run(check)

    def test_expressions_and_predicates_are_part_of_the_definition(self) -> None:
        """The spelling of an expression does not matter; a predicate does."""

        async def check(at: OpenPlanner) -> None:
            await at.execute("create index low on book (LOWER( title )) WHERE author > 5")
            same = Index("book", "lower(title)", where="author > 5")
            full = Index("book", "lower(title)")
            diff = await at.planner.diff([same, full])
            assert [comparison.status for comparison in diff.comparisons] == [Status.PRESENT, Status.MISSING]

        self._run(check)

    def test_a_conflicting_name_fails_and_replace_swaps(self) -> None:
        """An index of the wanted name is not touched unless the caller asks for it."""

        async def check(at: OpenPlanner) -> None:
            await at.execute("create index taken on book (title)")
            wanted = Index("book", "author", name="taken")
            try:
                await at.planner.ensure([wanted])
            except IndexBuildFailed as exc:
                assert "taken" in str(exc)
            else:
                raise AssertionError("a conflicting index was accepted")
            report = await at.planner.ensure([wanted], options=EnsureOptions(replace=True))
            assert [outcome.action for outcome in report.outcomes] == [Action.REPLACED]
            assert (await at.planner.diff([wanted])).comparisons[0].status is Status.PRESENT

        self._run(check)

    def test_without_strict_a_failure_is_in_the_report(self) -> None:
        """Nothing is raised; the outcome says what failed and why."""

        async def check(at: OpenPlanner) -> None:
            await at.execute("create index taken on book (title)")
            report = await at.planner.ensure(
                [Index("book", "author", name="taken")], options=EnsureOptions(strict=False)
            )
            assert not report.ok
            (failed,) = report.of(Action.FAILED)
            assert failed.reason

        self._run(check)

    def test_superfluous_indexes_are_listed_and_pruned_only_on_request(self) -> None:
        """What backs a constraint is never superfluous."""

        async def check(at: OpenPlanner) -> None:
            await at.execute("create index extra on book (sold)")
            await at.planner.ensure([_AUTHOR])
            assert [index.name for index in (await at.planner.diff([_AUTHOR])).superfluous] == ["extra"]
            report = await at.planner.ensure([_AUTHOR], options=EnsureOptions(prune=True))
            assert [outcome.index for outcome in report.of(Action.DROPPED)] == ["extra"]
            assert (await at.planner.diff([_AUTHOR])).superfluous == ()

        self._run(check)

    def test_a_definition_that_the_table_cannot_have_is_refused_by_name(self) -> None:
        """A missing table or column is an `InvalidIndex` that names it."""

        async def check(at: OpenPlanner) -> None:
            for index, word in ((Index("book", "nothing"), "nothing"), (Index("nowhere", "id"), "nowhere")):
                try:
                    await at.planner.diff([_AUTHOR, index])
                except InvalidIndex as exc:
                    assert word in str(exc)
                else:
                    raise AssertionError(f"{index} was accepted")

        self._run(check)

    def test_a_unique_index_over_duplicates_fails_and_leaves_nothing(self) -> None:
        """A build that fails is cleaned up."""

        async def check(at: OpenPlanner) -> None:
            await at.execute("insert into book values (1, 1, 'a', true), (2, 1, 'b', true)")
            wanted = Index("book", "author", unique=True)
            try:
                await at.planner.ensure([wanted])
            except IndexBuildFailed as exc:
                assert wanted.effective_name in str(exc)
            else:
                raise AssertionError("a unique index was built over duplicates")
            assert (await at.planner.diff([wanted])).comparisons[0].status is Status.MISSING

        self._run(check)

    def test_eight_workers_build_each_index_once(self) -> None:
        """Workers that start together do the work once, and all of them succeed."""
        wanted = [_AUTHOR, Index("book", "title"), Index("loan", "book")]

        async def check(at: OpenPlanner) -> None:
            reports: list[Action] = []

            async def work() -> None:
                report = await at.planner.ensure(wanted)
                reports.extend(outcome.action for outcome in report.outcomes)

            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(work)
            assert reports.count(Action.CREATED) == len(wanted)
            assert Action.FAILED not in reports
            assert (await at.planner.diff(wanted)).superfluous == ()

        self._run(check)

    def test_names_are_taken_exactly(self) -> None:
        """A name with quotes, blanks and other scripts is the name, and nothing is executed."""

        async def check(at: OpenPlanner) -> None:
            name = 'x"); drop table loan; -- é'
            wanted = Index("book", Key(column="title"), name=name)
            await at.planner.ensure([wanted])
            found = (await at.planner.diff([wanted])).comparisons[0].found
            assert found is not None
            assert found.name == name
            await at.execute("insert into book values (7, 1, 'still here', true)")

        self._run(check)

    def test_drop_gives_the_undo_and_protects_constraints(self) -> None:
        """What `drop` returns brings the index back."""

        async def check(at: OpenPlanner) -> None:
            await at.planner.ensure([_AUTHOR])
            name = _AUTHOR.effective_name
            (undo,) = await at.planner.drop([name, "never_was"])
            assert (await at.planner.diff([_AUTHOR])).comparisons[0].status is Status.MISSING
            await at.execute(undo)
            assert (await at.planner.diff([_AUTHOR])).clean

        self._run(check)

    def test_health_finds_overlaps_and_missing_foreign_keys(self) -> None:
        """Of a duplicate pair one is found; the reduced set stays healthy."""

        async def check(at: OpenPlanner) -> None:
            for sql in (
                "create index b1 on book (author)",
                "create index b2 on book (author)",
                "create index b3 on book (title desc)",
                "create index b4 on book (title)",
                "create index b5 on book (sold)",
                "create index b6 on book (sold, id)",
            ):
                await at.execute(sql)
            health = await at.planner.health()
            found = {(finding.trouble, finding.index) for finding in health.findings}
            assert (Trouble.DUPLICATE, "b2") in found
            assert (Trouble.MIRROR, "b4") in found
            assert (Trouble.REDUNDANT, "b5") in found
            assert [finding.table.rpartition(".")[2] for finding in health.of(Trouble.MISSING_FK)] == ["loan"]
            assert len(health.findings) == 4
            await at.planner.drop([finding.index for finding in health.findings if finding.droppable])
            await at.execute(str(health.of(Trouble.MISSING_FK)[0].remedy).replace("concurrently ", ""))
            assert (await at.planner.health()).findings == ()

        self._run(check)
