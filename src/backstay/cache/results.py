"""What the cache answers with, beside the values themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar, final

T = TypeVar("T")


@final
class Missing(Enum):
    """The type of `MISSING`, which tells "nothing is cached" from a cached None."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Nothing is cached."""


class Invalidation(Enum):
    """What became of an invalidation."""

    APPLIED = "applied"
    """No read that starts from now on, on any node, sees what was invalidated."""
    QUEUED = "queued"
    """The backend is away: applied once it is back, before this process reads from it again. Until then other
    processes may still read the old value, and a process that dies loses what it has queued."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A cached value and what is known about it."""

    value: T
    fresh: bool
    """Whether it is within its ttl; if not, it is within grace or stale-while-revalidate."""
    expires_in: float
    """Seconds until it is stale; negative if it is."""
    tags: tuple[str, ...]
    cost: float
    """Seconds that its computation took; 0.0 if it was set."""
