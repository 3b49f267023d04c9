"""What the password package tells its listeners.

Counts, durations and codes; never a password, hash or name.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from backstay.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordEvent(Event):
    """The root of this package's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChecked(PasswordEvent):
    """A policy gave its verdict."""

    valid: bool
    codes: tuple[str, ...]
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HashComputed(PasswordEvent):
    """Hashing work was done; `seconds` includes the wait for a thread."""

    seconds: float
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingRefused(PasswordEvent):
    """The hasher shed load."""

    level: ClassVar[int] = logging.WARNING

    waiting: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordVerified(PasswordEvent):
    """A login was compared with a stored hash."""

    ok: bool
    scheme: str
    rehashed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachLookedUp(PasswordEvent):
    """A breach source was asked; `state` is ``breached``, ``clear`` or ``unknown``."""

    state: str
    source: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachSourceFailed(PasswordEvent):
    """A breach source did not answer properly; `open` says that the breaker keeps requests from it now."""

    level: ClassVar[int] = logging.WARNING

    source: str
    reason: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRefused(PasswordEvent):
    """The throttle refused a login attempt before any password was compared. `bucket` says which limit."""

    level: ClassVar[int] = logging.WARNING

    bucket: str
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptAdmitted(PasswordEvent):
    """The throttle let a login attempt through. `known_device`: it came with a good device token."""

    known_device: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleFailed(PasswordEvent):
    """The throttle's store did not answer, so that nobody may log in: every such event is an outage of logins."""

    level: ClassVar[int] = logging.ERROR

    reason: str
