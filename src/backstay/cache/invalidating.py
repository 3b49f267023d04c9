"""What an invalidation does here: nobody joins what it concerns, the backend is told, and it is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backstay.events import Emitter

from .events import Invalidated
from .filler import Filler
from .flights import Flight
from .results import Invalidation
from .shelf import Shelf
from .stats import Tally


class Invalidator:
    """Replaces and invalidates, by key and by scope."""

    def __init__(self, shelf: Shelf, filler: Filler, tally: Tally, emit: Emitter) -> None:
        self._shelf = shelf
        self._filler = filler
        self._tally = tally
        self._emit = emit

    async def replace(self, raws: Mapping[str, bytes | None], kept: float) -> Invalidation:
        """Store for `kept` seconds, or remove (None), by key."""
        self._filler.forget_alone(lambda flight: flight.request.key in raws)
        applied = await self._shelf.put(raws, kept)
        for key in raws:
            self._tally.of(key).invalidated += 1
        return self._told(tuple(raws), applied=applied)

    async def scopes(
        self, scopes: Sequence[str], matches: Callable[[str], bool] | None = None, tags: Sequence[str] = ()
    ) -> Invalidation:
        """Invalidate all that the scopes match: keys for which `matches` is true, entries with one of the tags."""

        def concerns(flight: Flight[Any]) -> bool:
            return (matches is not None and matches(flight.request.key)) or any(tag in flight.tags for tag in tags)

        self._filler.forget_alone(concerns)
        applied = await self._shelf.far.bump(scopes)
        return self._told(tuple(scopes), applied=applied)

    def _told(self, what: tuple[str, ...], *, applied: bool) -> Invalidation:
        self._emit(Invalidated(what=what, queued=not applied))
        return Invalidation.APPLIED if applied else Invalidation.QUEUED
