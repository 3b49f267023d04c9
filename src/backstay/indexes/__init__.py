"""Indexes that earn their keep: declare them, make them stand safely, judge them, and be advised on new ones.

Importing this package loads no driver. `PostgresIndexPlanner`, `SqliteIndexPlanner` and what takes a
SQLAlchemy engine are loaded when they are first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .advice import (
    AdviceLimits,
    AppliedPlan,
    Baseline,
    IndexAdvisor,
    IndexPlan,
    Timing,
    Verification,
    WatchReport,
)
from .catalog import CatalogIndex, CatalogKey
from .declared import Index, Key, Registry, declare, declared_indexes
from .gate import Activity, Gate, GateVerdict, Window
from .health import Finding, HealthReport, IndexUse, Trouble
from .logs import workload_from_log
from .protocol import (
    Action,
    Blocker,
    BuildProgress,
    Comparison,
    EnsureOptions,
    EnsureReport,
    IndexDiff,
    IndexPlanner,
    Outcome,
    Status,
    SupportsProgress,
)
from .refuted import Refutation
from .settling import SettledAdvice, settle
from .workload import Query, Workload, WorkloadRecorder

if TYPE_CHECKING:
    from .postgres import PostgresIndexAdvisor, PostgresIndexPlanner
    from .sqlalchemy import create_all_indexes, from_metadata, planner_for, record_engine
    from .sqlite import SqliteIndexPlanner

__all__ = [
    "Action",
    "Activity",
    "AdviceLimits",
    "AppliedPlan",
    "Baseline",
    "Blocker",
    "BuildProgress",
    "CatalogIndex",
    "CatalogKey",
    "Comparison",
    "EnsureOptions",
    "EnsureReport",
    "Finding",
    "Gate",
    "GateVerdict",
    "HealthReport",
    "Index",
    "IndexAdvisor",
    "IndexDiff",
    "IndexPlan",
    "IndexPlanner",
    "IndexUse",
    "Key",
    "Outcome",
    "PostgresIndexAdvisor",
    "PostgresIndexPlanner",
    "Query",
    "Refutation",
    "Registry",
    "SettledAdvice",
    "SqliteIndexPlanner",
    "Status",
    "SupportsProgress",
    "Timing",
    "Trouble",
    "Verification",
    "WatchReport",
    "Window",
    "Workload",
    "WorkloadRecorder",
    "create_all_indexes",
    "declare",
    "declared_indexes",
    "from_metadata",
    "planner_for",
    "record_engine",
    "settle",
    "workload_from_log",
]

_LAZY = {
    "PostgresIndexAdvisor": "postgres",
    "PostgresIndexPlanner": "postgres",
    "SqliteIndexPlanner": "sqlite",
    "create_all_indexes": "sqlalchemy",
    "from_metadata": "sqlalchemy",
    "planner_for": "sqlalchemy",
    "record_engine": "sqlalchemy",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
