"""Migrations that cannot go wrong: SQL and async Python files, run once, resumed after a crash."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .alembic import AlembicRunner
    from .ambient import open_runners, run_pending_migrations
    from .backfill import Backfill, Progress
    from .choose import runner_for
    from .directives import Directives, Phase
    from .drift import Drift, compare
    from .files import Migration, Script
    from .model import (
        Blocker,
        Direction,
        EventKind,
        Finding,
        HistoryEvent,
        Outcome,
        Plan,
        Problem,
        Report,
        State,
        Status,
        Step,
        fold,
    )
    from .plan import find, ordered, plan_down, plan_up, validate
    from .postgres import PostgresRunner
    from .postgres_backfill import run_backfill
    from .protocol import MigrationConnection, MigrationRunner
    from .runner import StepRunner
    from .snapshot import Snapshot
    from .sources import DirectorySource, PackageSource, Source
    from .splitting import Statement, split
    from .sqlalchemy_snapshot import metadata_drift
    from .sqlite import SqliteRunner
    from .versions import RunningVersion, VersionNotReported, reporting_version

__all__ = [
    "AlembicRunner",
    "Backfill",
    "Blocker",
    "Direction",
    "Directives",
    "DirectorySource",
    "Drift",
    "EventKind",
    "Finding",
    "HistoryEvent",
    "Migration",
    "MigrationConnection",
    "MigrationRunner",
    "Outcome",
    "PackageSource",
    "Phase",
    "Plan",
    "PostgresRunner",
    "Problem",
    "Progress",
    "Report",
    "RunningVersion",
    "Script",
    "Snapshot",
    "Source",
    "SqliteRunner",
    "State",
    "Statement",
    "Status",
    "Step",
    "StepRunner",
    "VersionNotReported",
    "compare",
    "find",
    "fold",
    "metadata_drift",
    "open_runners",
    "ordered",
    "plan_down",
    "plan_up",
    "reporting_version",
    "run_backfill",
    "run_pending_migrations",
    "runner_for",
    "split",
    "validate",
]

_HOMES: Final = {
    "reporting_version": "versions",
    "VersionNotReported": "versions",
    "RunningVersion": "versions",
    "metadata_drift": "sqlalchemy_snapshot",
    "compare": "drift",
    "Snapshot": "snapshot",
    "Drift": "drift",
    "AlembicRunner": "alembic",
    "Backfill": "backfill",
    "Blocker": "model",
    "Direction": "model",
    "Directives": "directives",
    "DirectorySource": "sources",
    "EventKind": "model",
    "Finding": "model",
    "HistoryEvent": "model",
    "Migration": "files",
    "MigrationConnection": "protocol",
    "MigrationRunner": "protocol",
    "Outcome": "model",
    "PackageSource": "sources",
    "Phase": "directives",
    "Plan": "model",
    "PostgresRunner": "postgres",
    "Problem": "model",
    "Progress": "backfill",
    "Report": "model",
    "Script": "files",
    "Source": "sources",
    "SqliteRunner": "sqlite",
    "State": "model",
    "Statement": "splitting",
    "Status": "model",
    "Step": "model",
    "StepRunner": "runner",
    "find": "plan",
    "fold": "model",
    "open_runners": "ambient",
    "ordered": "plan",
    "plan_down": "plan",
    "plan_up": "plan",
    "run_backfill": "postgres_backfill",
    "run_pending_migrations": "ambient",
    "runner_for": "choose",
    "split": "splitting",
    "validate": "plan",
}


def __getattr__(name: str) -> Any:
    """Load a name's module when it is first asked for: most starts have nothing to do, and drivers are optional."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value  # the next look-up finds it without asking here
    return value
