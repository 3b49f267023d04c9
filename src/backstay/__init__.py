"""backstay: the async toolkit behind any Python web app or worker.

Cache, tokens, passwords, migrations and indexes, each usable alone or wired together by `Backstay`. Importing this
package loads no driver and no framework.
"""

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
from .secret import Secret
from .settings import Settings, from_env

__all__ = [
    "ANY",
    "MISSING",
    "Backstay",
    "BackstayError",
    "Cache",
    "CacheBackend",
    "Clock",
    "Event",
    "Listener",
    "ManualClock",
    "Secret",
    "Settings",
    "SystemClock",
    "cache_key",
    "cached",
    "from_env",
    "get_cached_or_compute",
    "invalidate",
    "invalidate_namespace",
    "invalidate_pattern",
    "invalidate_tags",
    "key_pattern",
    "parse_key",
]
