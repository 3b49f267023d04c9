"""What the index planner tells listeners. Names, counts and durations; never parameters of a query."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from backstay.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEvent(Event):
    """The root of the index planner's events: the index and its table."""

    level: ClassVar[int] = logging.INFO

    index: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBuildStarted(IndexEvent):
    """A build begins; `attempt` counts from 1."""

    attempt: int
    concurrently: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBuildWaiting(IndexEvent):
    """A build waits for other sessions; one event per change of whom it waits for."""

    level: ClassVar[int] = logging.WARNING

    pids: tuple[int, ...]
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBuildRetried(IndexEvent):
    """An attempt failed for a reason that may pass; the next one begins after `delay` seconds."""

    attempt: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettled(IndexEvent):
    """`ensure` is done with one index; `action` is the value of an `Action`."""

    action: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLeftoverDropped(IndexEvent):
    """An invalid index, left by a build that failed, was dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexGateClosed(IndexEvent):
    """A build was put off because the gate is closed."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRolledBack(IndexEvent):
    """The watch dropped an index that made a query slower."""

    level: ClassVar[int] = logging.WARNING

    fingerprint: str
    ratio: float
