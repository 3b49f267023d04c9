"""What the migration runner tells its listeners. Durations in seconds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from backstay.events import Event

from .model import Blocker, Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationEvent(Event):
    """The root of this subject's events."""

    level: ClassVar[int] = logging.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(MigrationEvent):
    """The lock is held and there are steps to run."""

    steps: int
    waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(MigrationEvent):
    """A migration is about to be run in one direction."""

    migration: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSucceeded(MigrationEvent):
    """It is done and written down."""

    migration: str
    direction: Direction
    duration: float
    lock_wait: float
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailedEvent(MigrationEvent):
    """It failed; `code` is the server's SQLSTATE where there is one."""

    level: ClassVar[int] = logging.ERROR

    migration: str
    direction: Direction
    duration: float
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBlocked(MigrationEvent):
    """A step waits, outside the lock queue, for somebody who holds what it needs."""

    level: ClassVar[int] = logging.WARNING

    migration: str
    blockers: tuple[Blocker, ...]
    waited: float
