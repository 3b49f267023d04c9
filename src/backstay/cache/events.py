"""What the cache tells its listeners. Keys are named, values never."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

from backstay.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEvent(Event):
    """The root of the cache's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(CacheEvent):
    """A computation ended well."""

    key: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputationFailed(CacheEvent):
    """A computation raised; its callers got the error, or a stale value."""

    level: ClassVar[int] = logging.WARNING
    key: str
    error: str
    """The exception's type. Its message may quote what it was handling, and is not told."""
    served_stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStored(CacheEvent):
    """A computed value was delivered but not stored."""

    key: str
    reason: Literal["refused", "unavailable", "too-large", "unencodable", "unsealed"]
    """`refused`: it was invalidated or replaced while it was computed, which is normal."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted(CacheEvent):
    """Stored bytes were not what was stored under the key; they were treated as a miss."""

    level: ClassVar[int] = logging.WARNING
    key: str
    doubt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidated(CacheEvent):
    """Keys or scopes were invalidated, or will be once the backend is back (`queued`)."""

    what: tuple[str, ...]
    queued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendFailed(CacheEvent):
    """One operation of the backend failed; the caller was served without it."""

    level: ClassVar[int] = logging.INFO
    operation: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendLost(CacheEvent):
    """The breaker opened: the backend is not asked until a probe succeeds."""

    level: ClassVar[int] = logging.ERROR
    failures: int
    retry_in: float
    """Seconds until the next probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendBack(CacheEvent):
    """The breaker closed, after the invalidations that waited were applied."""

    level: ClassVar[int] = logging.INFO
    replayed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWasLost(CacheEvent):
    """A held lock's lease ran out or was taken while its holder still worked."""

    level: ClassVar[int] = logging.WARNING
    name: str
    fence: int
