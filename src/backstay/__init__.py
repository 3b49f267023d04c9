"""backstay: the async toolkit behind any Python web app or worker.

Cache, tokens, passwords, migrations and indexes, each usable alone or wired together by `Backstay`.

Every name here is loaded from its home when it is first used. So importing this package costs next to nothing, and
a worker that only hashes passwords never loads the cache.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import (
        ANY,
        MISSING,
        Cache,
        CacheBackend,
        cache_key,
        cached,
        get_cached_or_compute,
        invalidate,
        invalidate_namespace,
        invalidate_pattern,
        invalidate_tags,
        key_pattern,
        parse_key,
    )
    from .clock import Clock, ManualClock, SystemClock
    from .container import Backstay
    from .errors import BackstayError
    from .events import Event, Listener
    from .indexes import Index, IndexPlanner, create_all_indexes
    from .migrations import MigrationRunner, run_pending_migrations
    from .passwords import PasswordPolicy, hash_password, validate_password, verify_password
    from .secret import Secret
    from .settings import Settings, from_env
    from .tokens import TokenCodec

# One name, one home: kept in step with the imports above by a test.
_HOMES = {
    "ANY": ".cache",
    "MISSING": ".cache",
    "Backstay": ".container",
    "BackstayError": ".errors",
    "Cache": ".cache",
    "CacheBackend": ".cache",
    "Clock": ".clock",
    "Event": ".events",
    "Listener": ".events",
    "ManualClock": ".clock",
    "Secret": ".secret",
    "Settings": ".settings",
    "SystemClock": ".clock",
    "cache_key": ".cache",
    "cached": ".cache",
    "from_env": ".settings",
    "get_cached_or_compute": ".cache",
    "invalidate": ".cache",
    "invalidate_namespace": ".cache",
    "invalidate_pattern": ".cache",
    "invalidate_tags": ".cache",
    "key_pattern": ".cache",
    "Index": ".indexes",
    "IndexPlanner": ".indexes",
    "create_all_indexes": ".indexes",
    "MigrationRunner": ".migrations",
    "run_pending_migrations": ".migrations",
    "TokenCodec": ".tokens",
    "PasswordPolicy": ".passwords",
    "hash_password": ".passwords",
    "validate_password": ".passwords",
    "verify_password": ".passwords",
    "parse_key": ".cache",
}

__all__ = [
    "ANY",
    "MISSING",
    "Backstay",
    "BackstayError",
    "Cache",
    "CacheBackend",
    "Clock",
    "Event",
    "Index",
    "IndexPlanner",
    "Listener",
    "ManualClock",
    "MigrationRunner",
    "PasswordPolicy",
    "Secret",
    "Settings",
    "SystemClock",
    "TokenCodec",
    "cache_key",
    "cached",
    "create_all_indexes",
    "from_env",
    "get_cached_or_compute",
    "hash_password",
    "invalidate",
    "invalidate_namespace",
    "invalidate_pattern",
    "invalidate_tags",
    "key_pattern",
    "parse_key",
    "run_pending_migrations",
    "validate_password",
    "verify_password",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value  # the next look-up finds it without asking here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
