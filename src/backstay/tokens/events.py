"""What the token package tells its listeners. Sessions and fingerprints, never tokens."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

from backstay.errors import TokenReason
from backstay.events import Event


def fingerprint(token: str, /) -> str:
    """The first 64 bits of the SHA-256: enough to find a token in two logs, useless as a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued(Event):
    """A session was opened."""

    user: str
    session: str
    client_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefreshed(Event):
    """A session went on; `replayed` when a racer or a retry was given the same successor again."""

    user: str
    session: str
    generation: int
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReused(Event):
    """A refresh token was used by two parties; the session has been revoked. Look at this one."""

    level: ClassVar[int] = logging.WARNING

    user: str
    session: str
    presented_generation: int
    current_generation: int
    presented: str
    current: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused(Event):
    """A token was not accepted. `fingerprint` is of what was presented."""

    level: ClassVar[int] = logging.INFO

    reason: TokenReason
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRevoked(Event):
    """One session was ended before its time."""

    level: ClassVar[int] = logging.INFO

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRevoked(Event):
    """All sessions of a user were ended, except `kept`."""

    level: ClassVar[int] = logging.INFO

    user: str
    sessions: int
    kept: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationsStale(Event):
    """The local copy of revocations is `age` seconds old: requests ask the store until it recovers."""

    level: ClassVar[int] = logging.ERROR

    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetRefreshed(Event):
    """A remote key set was fetched (`keys` of it usable), or could not be (`failed`)."""

    url: str
    keys: int
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralKeyMade(Event):
    """No key ring is configured, so this process made a key of its own: fit for development only.

    Other processes refuse its tokens, and so does this one after a restart.
    """

    level: ClassVar[int] = logging.WARNING

    kid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsInMemory(Event):
    """Keys are configured, and a store is not: sessions and revocations are this process's, and end with it."""

    level: ClassVar[int] = logging.WARNING
