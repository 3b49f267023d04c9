"""The index planner and advisor on PostgreSQL 13 and later, over asyncpg."""

from __future__ import annotations

from .advisor import PostgresIndexAdvisor
from .connect import Connect, connect_dsn, connect_pool
from .planner import PostgresIndexPlanner

__all__ = ["Connect", "PostgresIndexAdvisor", "PostgresIndexPlanner", "connect_dsn", "connect_pool"]
