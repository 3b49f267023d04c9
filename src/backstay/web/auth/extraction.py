"""Where a request carries its token: the Authorization header, a cookie, or what a WebSocket offers instead.

The token is taken from one place. A Bearer or DPoP header is what its sender set on purpose, so that it goes before
a cookie, which a browser adds by itself. The query string is never looked at: it ends up in logs (RFC 6750, 5.3).
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from backstay.errors import RequestRefused

Scope = MutableMapping[str, Any]
"""An ASGI connection scope: what every framework has at hand and none of them owns."""

SUBPROTOCOL: Final = "backstay.bearer"
"""A browser's WebSocket can set no header: it offers this sub-protocol, and its token as the next one."""

_TWICE = "the request carries more than one token"


class Carrier(StrEnum):
    """What carried a token. A cookie is sent by browsers unasked, so that it needs a defence against forgery."""

    HEADER = "header"
    COOKIE = "cookie"
    SUBPROTOCOL = "subprotocol"
    MESSAGE = "message"


class Credential(msgspec.Struct, frozen=True, gc=False):
    """A token as it was presented; nothing about it is believed yet. `scheme` is in lower case.

    A struct, as the verified token is: one is made per request.
    """

    token: str
    scheme: str
    carrier: Carrier

    def __repr__(self) -> str:
        return f"Credential(scheme={self.scheme!r}, carrier={self.carrier.value!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieNames:
    """The cookies of the cookie transport.

    ``__Host-`` makes browsers refuse them without Secure, with a Domain, or with another Path
    (RFC 6265bis, 4.1.3.2).
    """

    access: str = "__Host-access"
    refresh: str = "__Host-refresh"
    csrf: str = "__Host-csrf"
    device: str = "__Host-device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Which carriers an application accepts."""

    schemes: frozenset[str] = frozenset({"bearer"})
    """Of the Authorization header, in lower case: ``bearer``, ``dpop``."""
    cookies: CookieNames | None = None
    """None: cookies are not looked at."""
    trusted_origins: frozenset[str] = field(default_factory=frozenset[str])
    """Other origins that may send our cookies along, such as ``https://app.example``."""


def extract(scope: Mapping[str, Any], transport: Transport, /) -> Credential | None:
    """The token that a request carries, or None.

    Raises:
        RequestRefused: 400; two Authorization headers, or a Bearer one without a single token behind it.
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                raise _malformed(_TWICE)
            found = value
    credential = None if found is None else parse_authorization(found, transport)
    if credential is None and scope["type"] == "websocket":
        credential = _from_subprotocols(scope)
    if credential is None and transport.cookies is not None:
        token = read_cookie(cookies_of(scope), transport.cookies.access)
        credential = None if token is None else Credential(token, "bearer", Carrier.COOKIE)
    return credential


def parse_authorization(
    value: bytes, transport: Transport, /, *, carrier: Carrier = Carrier.HEADER
) -> Credential | None:
    """The credential of an Authorization header's value; None for a scheme that is not ours.

    Raises:
        RequestRefused: 400; the scheme is ours, and what follows is not one token (RFC 6750, 2.1).
    """
    text = value.decode("latin-1")
    scheme, _, token = text.partition(" ")
    name = scheme.lower()
    if name not in transport.schemes:
        return None
    token = token.strip(" ")
    if not token or " " in token or "," in token:
        raise _malformed("the Authorization header holds no token")
    return Credential(token, name, carrier)


def read_cookie(headers: list[bytes], name: str, /) -> str | None:
    """The value of a cookie. Sent twice, it is refused rather than chosen from: one of them is an injected one.

    Raises:
        RequestRefused: 400; the cookie is there twice.
    """
    wanted = name.encode("ascii")
    values = [
        value.strip()
        for header in headers
        for pair in header.split(b";")
        for key, _, value in [pair.partition(b"=")]
        if key.strip() == wanted
    ]
    if len(values) > 1:
        raise _malformed(_TWICE)
    return values[0].strip(b'"').decode("latin-1") or None if values else None


def cookies_of(scope: Mapping[str, Any], /) -> list[bytes]:
    """All Cookie headers: HTTP/2 may split them."""
    return [value for name, value in scope["headers"] if name == b"cookie"]


def header_of(scope: Mapping[str, Any], name: bytes, /) -> str | None:
    """The only value of a header, by its name in lower case; None if it is absent or there twice."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


def hide_subprotocol_token(scope: Scope, /) -> None:
    """Take the token out of what the application sees offered: it must never be echoed as the chosen one."""
    offered: list[str] = list(scope.get("subprotocols") or ())
    if SUBPROTOCOL in offered:
        at = offered.index(SUBPROTOCOL)
        scope["subprotocols"] = offered[: at + 1] + offered[at + 2 :]


def _from_subprotocols(scope: Mapping[str, Any]) -> Credential | None:
    offered: list[str] = list(scope.get("subprotocols") or ())
    if SUBPROTOCOL not in offered:
        return None
    at = offered.index(SUBPROTOCOL)
    if offered.count(SUBPROTOCOL) > 1 or len(offered) < at + 2:
        raise _malformed("a token follows the sub-protocol that announces it")
    return Credential(offered[at + 1], "bearer", Carrier.SUBPROTOCOL)


def _malformed(text: str) -> RequestRefused:
    return RequestRefused(text, status=400, error="invalid_request")
