"""The suite is worth something: planners that break one promise each are caught."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiosqlite
import pytest

from backstay.errors import InvalidIndex
from backstay.indexes import EnsureOptions, Index, SqliteIndexPlanner
from backstay.indexes.health import Trouble
from backstay.indexes.protocol import Action, IndexDiff, Status
from backstay.testing.indexes import IndexPlannerSuite, OpenPlanner


class TrustsNames(SqliteIndexPlanner):
    async def diff(self, wanted, /):
        found = await super().diff(wanted)
        trusting = [
            replace(one, status=Status.PRESENT) if one.status is Status.CONFLICT else one
            for one in found.comparisons
        ]
        return replace(found, comparisons=tuple(trusting))


class IgnoresPredicates(SqliteIndexPlanner):
    async def diff(self, wanted, /):
        found = await super().diff(wanted)
        partial = any(one.wanted.where for one in found.comparisons)
        present = [replace(one, status=Status.PRESENT) if partial else one for one in found.comparisons]
        return replace(found, comparisons=tuple(present))


class AlwaysSaysCreated(SqliteIndexPlanner):
    async def ensure(self, wanted, /, *, options=None):
        report = await super().ensure(wanted, options=options)
        return replace(report, outcomes=tuple(replace(one, action=Action.CREATED) for one in report.outcomes))


class ReplacesUnasked(SqliteIndexPlanner):
    async def ensure(self, wanted, /, *, options=None):
        return await super().ensure(wanted, options=replace(options or EnsureOptions(), replace=True))


class PrunesUnasked(SqliteIndexPlanner):
    async def ensure(self, wanted, /, *, options=None):
        return await super().ensure(wanted, options=replace(options or EnsureOptions(), prune=True))


class NeverPrunes(SqliteIndexPlanner):
    async def ensure(self, wanted, /, *, options=None):
        return await super().ensure(wanted, options=replace(options or EnsureOptions(), prune=False))


class HidesFailures(SqliteIndexPlanner):
    async def ensure(self, wanted, /, *, options=None):
        return await super().ensure(wanted, options=replace(options or EnsureOptions(), strict=False))


class PassesOverBadDefinitions(SqliteIndexPlanner):
    async def diff(self, wanted: Iterable[Index], /) -> IndexDiff:
        try:
            return await super().diff(wanted)
        except InvalidIndex:
            return IndexDiff(comparisons=())


class TidiesNames(SqliteIndexPlanner):
    async def ensure(self, wanted, /, *, options=None):
        tidy = [
            index.named("".join(c for c in index.effective_name if c.isalnum() or c == "_")) for index in wanted
        ]
        return await super().ensure(tidy, options=options)


class ForgetsTheUndo(SqliteIndexPlanner):
    async def drop(self, names, /, *, lock_timeout=5.0):
        return tuple("select 1" for _ in await super().drop(names, lock_timeout=lock_timeout))


class MissesMirrors(SqliteIndexPlanner):
    async def health(self, **options):
        report = await super().health(**options)
        return replace(report, findings=tuple(f for f in report.findings if f.trouble is not Trouble.MIRROR))


class SeesForeignKeysEverywhere(SqliteIndexPlanner):
    async def health(self, **options):
        report = await super().health(**options)
        again = tuple(f for f in report.findings if f.trouble is Trouble.MISSING_FK)
        return replace(report, findings=(*report.findings, *again))


def _suite(planner: type[SqliteIndexPlanner], directory: Path) -> IndexPlannerSuite:
    class Suite(IndexPlannerSuite):
        @asynccontextmanager
        async def open(self) -> AsyncIterator[OpenPlanner]:
            path = directory / f"{uuid.uuid4().hex}.db"
            async with aiosqlite.connect(path, isolation_level=None) as connection:
                yield OpenPlanner(planner=planner(path), execute=connection.execute)

    return Suite()


def _checks(suite: IndexPlannerSuite) -> list[Callable[[], None]]:
    return [check for name, check in inspect.getmembers(suite, inspect.ismethod) if name.startswith("test_")]


def _failures(suite: IndexPlannerSuite) -> list[str]:
    failed = []
    for check in _checks(suite):
        try:
            check()
        except Exception:
            failed.append(check.__name__)
    return failed


BROKEN = (
    TrustsNames, IgnoresPredicates, AlwaysSaysCreated, ReplacesUnasked, PrunesUnasked, NeverPrunes, HidesFailures,
    PassesOverBadDefinitions, TidiesNames, ForgetsTheUndo, MissesMirrors, SeesForeignKeysEverywhere,
)  # fmt: skip


@pytest.mark.parametrize("planner", BROKEN, ids=lambda planner: planner.__name__)
def test_a_broken_planner_is_caught(planner: type[SqliteIndexPlanner], tmp_path: Path) -> None:
    assert _failures(_suite(planner, tmp_path))


def test_a_sound_planner_is_not(tmp_path: Path) -> None:
    assert _failures(_suite(SqliteIndexPlanner, tmp_path)) == []


def test_the_hook_that_a_subclass_must_define_is_marked(tmp_path: Path) -> None:
    assert getattr(IndexPlannerSuite.open, "__isabstractmethod__", False)
