"""When what was found is nothing, or not surely fresh: serve it all the same, renew it behind, or compute."""

from __future__ import annotations

from typing import Any, TypeVar

import anyio

from backstay.errors import ComputeTimeout

from .filler import Filler
from .freshness import Age, Lifetime, age
from .request import Request
from .shelf import Shelf
from .transcode import Decoded

T = TypeVar("T")


class Settler:
    """Decides by age and by what the caller allows."""

    def __init__(self, shelf: Shelf, filler: Filler) -> None:
        self._shelf = shelf
        self._filler = filler

    def serves(self, request: Request[T], found: Decoded[T], seen: bytes, now_ms: float) -> bool:
        """Whether the caller gets what was found, which may be renewed behind it. `seen`: its first bytes."""
        if request.plan.refresh:
            return False
        standing = _standing(found, request.plan.lifetime, now_ms)
        if standing is Age.DEAD:
            return False
        request.counts.stale += standing is Age.STALE
        request.counts.hits += standing is not Age.STALE
        if standing is not Age.FRESH:
            self._filler.renew(request, seen)
        return True

    async def obtain(self, request: Request[T], found: Decoded[T] | None, seen: bytes) -> T:
        """Compute, or wait for who does; the old value stands in where the caller allows it."""
        plan = request.plan
        request.counts.misses += 1
        old = found if plan.lifetime.grace > 0 else None
        limit = plan.hard_timeout if old is None or plan.soft_timeout is None else plan.soft_timeout
        try:
            if limit is None:
                return await self._filler.obtain(request, seen)
            with anyio.move_on_after(limit):
                return await self._filler.obtain(request, seen)
            raise ComputeTimeout(f"computing {request.key!r} took longer than {limit} s; it goes on")
        except Exception as exc:  # whatever the computation raised: a stale value may stand in for it
            usable = old is not None and not self._shelf.invalidated(request.key, old)
            if old is not None and usable and self._shelf.age_of(old) is not Age.DEAD:
                request.counts.stale += 1
                self._filler.failed(request, exc, served_stale=True)
                return old.value
            self._filler.failed(request, exc, served_stale=False)
            raise


def _standing(found: Decoded[Any], lifetime: Lifetime, now_ms: float) -> Age:
    """What this caller may do with the entry: its own swr decides whether stale is good enough."""
    standing = age(now_ms, found.fresh_until, found.dead_after, cost=found.cost, beta=lifetime.beta)
    if standing is Age.STALE:
        return Age.STALE if (now_ms - found.fresh_until) / 1000.0 < lifetime.swr else Age.DEAD
    return standing
