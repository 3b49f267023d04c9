"""Counting what happened, per namespace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import repeat
from operator import is_

from .keys import namespace_of

MAX_NAMESPACES = 1000
"""Most namespaces that are counted apart; the rest are counted together as ``*``."""

_MOST_KEYS = 4096


@dataclass(slots=True)
class Counts:
    """What happened in one namespace since the cache was made."""

    hits: int = 0
    """Served from the store, fresh."""
    stale: int = 0
    """Served from the store past their freshness, within grace or stale-while-revalidate."""
    misses: int = 0
    """Not in the store, or not acceptable."""
    coalesced: int = 0
    """Misses that were served by a computation somebody else had started."""
    computed: int = 0
    """Computations that ended well."""
    failed: int = 0
    """Computations that raised."""
    refused: int = 0
    """Computed values not stored because they were invalidated or replaced meanwhile."""
    doubted: int = 0
    """Stored bytes that were not what the key should hold."""
    invalidated: int = 0
    """Keys that were invalidated or replaced one by one; scopes are not counted here."""

    @property
    def hit_ratio(self) -> float:
        """The share of look-ups served from the store; 0.0 before the first."""
        served = self.hits + self.stale
        return served / (served + self.misses) if served + self.misses else 0.0


@dataclass(frozen=True, slots=True)
class CacheStats:
    """A snapshot of the counters."""

    namespaces: Mapping[str, Counts] = field(default_factory=dict[str, Counts])
    available: bool = True
    """Whether the backend answers, as far as is known."""
    queued: int = 0
    """Invalidations that wait for the backend."""

    @property
    def total(self) -> Counts:
        """All namespaces together."""
        out = Counts()
        for counts in self.namespaces.values():
            for each in fields(Counts):
                setattr(out, each.name, getattr(out, each.name) + getattr(counts, each.name))
        return out


class Tally:
    """The counters themselves."""

    __slots__ = ("_by_key", "_by_namespace")

    def __init__(self) -> None:
        self._by_namespace: dict[str, Counts] = {}
        # Taking a key apart costs ten times as much as looking it up, for every hit.
        self._by_key: dict[str, Counts] = {}

    def of(self, key: str) -> Counts:
        """The counters that a key belongs to."""
        counts = self._by_key.get(key)
        if counts is None:
            if len(self._by_key) >= _MOST_KEYS:
                self._by_key.clear()
            namespace = namespace_of(key)
            counts = self._by_namespace.get(namespace) or self._counts_of(namespace)
            self._by_key[key] = counts
        return counts

    def looked_up(self, keys: Collection[str], hits: Collection[str]) -> None:
        """Several keys were looked up, with these hits among them."""
        known = list(map(self._by_key.get, hits))
        first = known[0] if known else None
        if first is not None and all(map(is_, known, repeat(first))):  # of one namespace, as they mostly are
            first.hits += len(known)
        else:
            for key in hits:
                self.of(key).hits += 1
        if len(hits) < len(keys):
            for key in keys:
                if key not in hits:
                    self.of(key).misses += 1

    def _counts_of(self, namespace: str) -> Counts:
        """Those of a namespace that is new."""
        if len(self._by_namespace) >= MAX_NAMESPACES:
            namespace = "*"
        return self._by_namespace.setdefault(namespace, Counts())

    def snapshot(self, *, available: bool, queued: int) -> CacheStats:
        """A copy that does not change any more."""
        copies = {namespace: replace(counts) for namespace, counts in self._by_namespace.items()}
        return CacheStats(copies, available, queued)
