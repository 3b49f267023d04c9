"""What a token says, and what a purpose demands of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .json import parse_object

# RFC 9068, section 2.2: what an access token must have.
ACCESS_CLAIMS = frozenset({"iss", "aud", "sub", "client_id", "iat", "exp", "jti"})


MAX_TEXT = 1024
MAX_NUMBER = 2**53  # beyond it, a double no longer counts one by one

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
# Seconds since 1970: a number (True is none, and neither is NaN), not before 1970.
Instant = Annotated[int, Meta(ge=0, lt=MAX_NUMBER)] | Annotated[float, Meta(ge=0, lt=float(MAX_NUMBER))]
Counter = Annotated[int, Meta(ge=0, lt=MAX_NUMBER)]


class RegisteredClaims(msgspec.Struct, frozen=True, gc=False):
    """The claims that have a registered form, and that form: the table by which they are checked.

    A claim that is there must have its form whether or not anybody asks for it; ``null`` is no form. One that is
    not there is `UNSET`, and is not written. The sources: RFC 7519 4.1, RFC 8693 4.2, RFC 9068 2.2, RFC 7800 3.1;
    `sid` is OpenID Connect's, `epoch` ours.
    """

    iss: Text | UnsetType = UNSET
    sub: Text | UnsetType = UNSET
    aud: Text | Annotated[list[Text], Meta(min_length=1)] | UnsetType = UNSET
    exp: Instant | UnsetType = UNSET
    nbf: Instant | UnsetType = UNSET
    iat: Instant | UnsetType = UNSET
    jti: Text | UnsetType = UNSET
    client_id: Text | UnsetType = UNSET
    sid: Text | UnsetType = UNSET
    epoch: Counter | UnsetType = UNSET
    scope: Annotated[str, Meta(max_length=MAX_TEXT)] | UnsetType = UNSET
    roles: list[Text] | UnsetType = UNSET
    permissions: list[Text] | UnsetType = UNSET
    auth_time: Instant | UnsetType = UNSET
    acr: Text | UnsetType = UNSET
    amr: list[Text] | UnsetType = UNSET
    cnf: dict[str, Any] | UnsetType = UNSET


REGISTERED = frozenset(RegisteredClaims.__struct_fields__)
_FORMS = get_type_hints(RegisteredClaims, include_extras=True)


def _reader(required: frozenset[str]) -> Callable[[bytes], RegisteredClaims]:
    """A decoder of payloads that lets none of the required claims be absent, nor `exp`."""
    fields = [
        (name, form) if name in required or name == "exp" else (name, form, UNSET) for name, form in _FORMS.items()
    ]
    # All fields again, so that the order in which they are written stays that of the table.
    kind = msgspec.defstruct(
        "RequiredClaims", fields, bases=(RegisteredClaims,), kw_only=True, frozen=True, gc=False
    )
    return cast("Callable[[bytes], RegisteredClaims]", msgspec.json.Decoder(kind).decode)


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
    read_claims: Callable[[bytes], RegisteredClaims] | None = field(
        init=False, repr=False, compare=False, default=None
    )

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
        if self.required <= REGISTERED:
            object.__setattr__(self, "read_claims", _reader(self.required))

    @classmethod
    def access(
        cls, *, issuer: str, audience: str | Iterable[str], leeway: timedelta = timedelta(seconds=30)
    ) -> TokenProfile:
        """The profile of RFC 9068 access tokens: ``at+jwt``, all seven claims, at most an hour."""
        names = frozenset([audience] if isinstance(audience, str) else audience)
        return cls(typ="at+jwt", issuer=issuer, audience=names, leeway=leeway)


class VerifiedToken(msgspec.Struct, frozen=True, gc=False):
    """A token that passed every check of its profile. Immutable, and holds no signature.

    A struct and not a dataclass: one is made per request, and a frozen dataclass costs more than its MAC.
    """

    typ: str
    kid: str
    key_version: int
    audience: tuple[str, ...]
    payload: bytes
    registered: RegisteredClaims

    def __repr__(self) -> str:
        return f"VerifiedToken(typ={self.typ!r}, kid={self.kid!r}, expires_at={self.expires_at!r})"

    @property
    def claims(self) -> dict[str, Any]:
        """All claims, decoded anew at each call: changing the answer changes no other request's."""
        return parse_object(self.payload)

    @property
    def issuer(self) -> str:
        """`iss`."""
        return self.registered.iss or ""

    @property
    def subject(self) -> str:
        """`sub`; with the issuer, who the bearer is. Empty if the profile does not require it."""
        return self.registered.sub or ""

    @property
    def client_id(self) -> str:
        """`client_id`, or empty."""
        return self.registered.client_id or ""

    @property
    def token_id(self) -> str:
        """`jti`, or empty."""
        return self.registered.jti or ""

    @property
    def session_id(self) -> str:
        """`sid`: the session that the token belongs to, or empty."""
        return self.registered.sid or ""

    @property
    def epoch(self) -> int:
        """`epoch`: the user's counter at the time of issue."""
        return self.registered.epoch or 0

    @property
    def expires_at(self) -> float:
        """`exp`, a Unix time."""
        return self.registered.exp or 0

    @property
    def issued_at(self) -> float | None:
        """`iat`, a Unix time, or None."""
        issued = self.registered.iat
        return None if issued is UNSET else issued

    @property
    def scope(self) -> str:
        """`scope` as it stands in the token."""
        return self.registered.scope or ""

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes, as a set."""
        return frozenset(self.scope.split())

    @property
    def expires(self) -> datetime:
        """The end of validity, aware and in UTC."""
        return datetime.fromtimestamp(self.expires_at, UTC)
