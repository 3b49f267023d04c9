"""What RFC 7662 answers about a token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .claims import VerifiedToken

_SHOWN = ("scope", "client_id", "sub", "aud", "iss", "jti", "exp", "iat", "nbf", "cnf", "acr", "auth_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """Whether a token is active, and if so what it says. An inactive one says nothing (RFC 7662, 2.2)."""

    active: bool
    claims: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @classmethod
    def of(cls, token: VerifiedToken, /) -> Introspection:
        """The answer for a token that has just been verified."""
        claims = token.claims
        shown = {name: claims[name] for name in _SHOWN if name in claims}
        bound = isinstance(claims.get("cnf"), dict) and "jkt" in claims["cnf"]
        return cls(active=True, claims={**shown, "token_type": "DPoP" if bound else "Bearer"})

    def as_dict(self) -> dict[str, Any]:
        """The JSON object to send."""
        return {"active": self.active, **self.claims}
