"""The module-level functions: they act on the innermost open cache, or on the one they are given.

Outside any open Backstay they act on an embedded default: one `MemoryCache` per process.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import cache as once
from typing import Any, Final, TypeVar, Unpack

from anyio.lowlevel import RunVar

from backstay.ambient import Ambient

from .cache import Cache
from .freshness import Ttl
from .memory import MemoryCache
from .request import Compute, Options
from .results import Invalidation

T = TypeVar("T")

# A Cache belongs to one event loop; the memory behind it is the process's.
_default: RunVar[Cache] = RunVar("backstay.cache.default")


@once
def _memory() -> MemoryCache:
    return MemoryCache()


def _embedded() -> Cache:
    try:
        return _default.get()
    except LookupError:
        memory = _memory()
        cache = Cache(memory, locks=memory)
        _default.set(cache)
        return cache


current_cache: Final[Ambient[Cache]] = Ambient("caches", default=_embedded)
"""The open caches; the container enters its own here."""

_in_context = current_cache.variable.get


def get_cached_or_compute(
    key: str,
    compute_func: Compute[T],
    ttl: Ttl | None = None,
    *,
    cache: Cache | None = None,
    **options: Unpack[Options[T]],
) -> Coroutine[Any, Any, T]:
    """The cached value of a key, or what `compute_func` returns, which is then cached. To be awaited.

    Acts on `cache`, or on the innermost open one. Everything else is `Cache.get_or_compute`'s.
    """
    # No coroutine of its own around the cache's: a hit would pay for it.
    chosen = cache or _in_context(None) or current_cache.get()
    return chosen.served(key, compute_func, ttl, options)


async def invalidate(*keys: str, cache: Cache | None = None) -> Invalidation:
    """Forget these keys; see `Cache.invalidate`."""
    return await (cache or current_cache.get()).invalidate(*keys)


async def invalidate_pattern(pattern: str, *, cache: Cache | None = None) -> Invalidation:
    """Invalidate every key that matches a glob; see `Cache.invalidate_pattern`."""
    return await (cache or current_cache.get()).invalidate_pattern(pattern)


async def invalidate_tags(*tags: str, cache: Cache | None = None) -> Invalidation:
    """Invalidate every entry that carries one of the tags; see `Cache.invalidate_tags`."""
    return await (cache or current_cache.get()).invalidate_tags(*tags)


async def invalidate_namespace(namespace: str, *, cache: Cache | None = None) -> Invalidation:
    """Invalidate all keys of a namespace; see `Cache.invalidate_namespace`."""
    return await (cache or current_cache.get()).invalidate_namespace(namespace)
