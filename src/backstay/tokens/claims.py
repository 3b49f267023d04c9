"""What a token says, and what a purpose demands of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from .json import parse_object

# RFC 9068, section 2.2: what an access token must have.
ACCESS_CLAIMS = frozenset({"iss", "aud", "sub", "client_id", "iat", "exp", "jti"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenProfile:
    """Everything that one purpose demands of a token. Made once, at start; never assembled at a call site."""

    typ: str
    issuer: str
    audience: frozenset[str]
    leeway: timedelta = timedelta(seconds=30)
    max_lifetime: timedelta = timedelta(hours=1)
    required: frozenset[str] = ACCESS_CLAIMS
    max_bytes: int = 8192
    max_age: timedelta | None = None
    leeway_seconds: float = field(init=False, repr=False, compare=False, default=0.0)
    max_lifetime_seconds: float = field(init=False, repr=False, compare=False, default=0.0)

    def __post_init__(self) -> None:
        if not self.typ or self.typ != self.typ.lower() or self.typ.startswith("application/"):
            raise ValueError("typ is a lower-case media type without 'application/', such as 'at+jwt'")
        if not self.issuer or not self.audience or "" in self.audience:
            raise ValueError("a profile names its issuer and at least one audience")
        if not timedelta(0) <= self.leeway <= timedelta(minutes=5):
            raise ValueError("leeway is between zero and five minutes")
        if self.max_lifetime <= timedelta(0) or self.max_bytes < 64:
            raise ValueError("max_lifetime and max_bytes must leave room for a token")
        # Read on every request; a timedelta would be turned into seconds each time.
        object.__setattr__(self, "leeway_seconds", self.leeway.total_seconds())
        object.__setattr__(self, "max_lifetime_seconds", self.max_lifetime.total_seconds())

    @classmethod
    def access(
        cls, *, issuer: str, audience: str | Iterable[str], leeway: timedelta = timedelta(seconds=30)
    ) -> TokenProfile:
        """The profile of RFC 9068 access tokens: ``at+jwt``, all seven claims, at most an hour."""
        names = frozenset([audience] if isinstance(audience, str) else audience)
        return cls(typ="at+jwt", issuer=issuer, audience=names, leeway=leeway)


class VerifiedToken(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A token that passed every check of its profile. Immutable, and holds no signature.

    A struct and not a dataclass because one is made per request: a frozen dataclass of this size costs more
    to build than its MAC to check.
    """

    typ: str
    kid: str
    key_version: int
    issuer: str
    audience: tuple[str, ...]
    expires_at: float
    subject: str = ""
    issued_at: float | None = None
    not_before: float | None = None
    token_id: str = ""
    client_id: str = ""
    session_id: str = ""
    epoch: int = 0
    scope: str = ""
    payload: bytes = b""

    def __repr__(self) -> str:
        return f"VerifiedToken(typ={self.typ!r}, kid={self.kid!r}, expires_at={self.expires_at!r})"

    @property
    def claims(self) -> dict[str, Any]:
        """All claims, decoded anew at each call: changing the answer changes no other request's."""
        return parse_object(self.payload)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes, as a set."""
        return frozenset(self.scope.split())

    @property
    def expires(self) -> datetime:
        """The end of validity, aware and in UTC."""
        return datetime.fromtimestamp(self.expires_at, UTC)
