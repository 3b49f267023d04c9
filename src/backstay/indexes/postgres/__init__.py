"""The index planner on PostgreSQL 13 and later, over asyncpg."""

from __future__ import annotations

from .connect import Connect, connect_dsn, connect_pool
from .planner import PostgresIndexPlanner

__all__ = ["Connect", "PostgresIndexPlanner", "connect_dsn", "connect_pool"]
