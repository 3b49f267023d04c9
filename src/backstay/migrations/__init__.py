"""Migrations that cannot go wrong: SQL and async Python files, run once, resumed after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ambient import open_runners, run_pending_migrations
from .choose import runner_for
from .directives import Directives, Phase
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
from .protocol import MigrationConnection, MigrationRunner
from .runner import StepRunner
from .sources import DirectorySource, PackageSource, Source
from .split import Statement, split

if TYPE_CHECKING:
    from .alembic import AlembicRunner
    from .backfill import Backfill, Progress
    from .postgres import PostgresRunner
    from .postgres_backfill import run_backfill
    from .sqlite import SqliteRunner

__all__ = [
    "AlembicRunner",
    "Backfill",
    "Blocker",
    "Direction",
    "Directives",
    "DirectorySource",
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
    "Script",
    "Source",
    "SqliteRunner",
    "State",
    "Statement",
    "Status",
    "Step",
    "StepRunner",
    "find",
    "fold",
    "open_runners",
    "ordered",
    "plan_down",
    "plan_up",
    "run_backfill",
    "run_pending_migrations",
    "runner_for",
    "split",
    "validate",
]

_LAZY = {
    "Backfill": "backfill",
    "Progress": "backfill",
    "run_backfill": "postgres_backfill",
    "AlembicRunner": "alembic",
    "PostgresRunner": "postgres",
    "SqliteRunner": "sqlite",
}


def __getattr__(name: str) -> Any:
    """Load the runners, and with them their drivers, when they are first asked for."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
