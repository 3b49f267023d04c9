"""Why a cookie alone proves nothing: a foreign page can make a browser send it.

A request whose token came in a cookie must show that it comes from a page of ours. `Sec-Fetch-Site` says so in
every current browser and cannot be set by a page; `Origin` says so in older ones; and the double submit (a header
that repeats a cookie which foreign pages cannot read) holds where a proxy strips both. The order of the first two
is that of Go's CrossOriginProtection and of OWASP's cheat sheet; ASVS 5.0, 3.5.1 to 3.5.3.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from backstay.errors import RequestRefused

from .extraction import Transport, cookies_of, header_of, read_cookie

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, 9.2.1): a foreign page gains nothing from having them sent."""

HEADER: Final = b"x-csrf-token"


def new_csrf_token() -> str:
    """192 bits, for the cookie that a page of ours repeats in the header."""
    return secrets.token_urlsafe(24)


def check_forgery(scope: Mapping[str, Any], transport: Transport, /) -> None:
    """Let a request with a cookie pass only if a page of ours sent it.

    A WebSocket can carry no header of the page's, so that its Origin must be there and be ours, and nothing else
    may speak against it.

    Raises:
        RequestRefused: 403; it may have been forged.
    """
    if scope["type"] == "websocket":
        if not (_is_ours(scope, transport, header_of(scope, b"origin")) and _same_site(scope, transport)):
            raise _refused()
        return
    if scope["method"] in SAFE:
        return
    check_origin(scope, transport)
    if not _repeated(scope, transport):
        raise _refused()


def check_origin(scope: Mapping[str, Any], transport: Transport, /) -> None:
    """Let a request pass that no foreign page sent, so far as its headers tell: for signing in by cookie.

    Raises:
        RequestRefused: 403; a page of another site sent it.
    """
    if not _same_site(scope, transport):
        raise _refused()


def _same_site(scope: Mapping[str, Any], transport: Transport) -> bool:
    site = header_of(scope, b"sec-fetch-site")
    origin = header_of(scope, b"origin")
    if site is not None:
        # "same-site" is a sibling host, which is not this one: it must be trusted by name.
        return site in {"same-origin", "none"} or _is_trusted(transport, origin)
    return origin is None or _is_ours(scope, transport, origin)


def _is_ours(scope: Mapping[str, Any], transport: Transport, origin: str | None) -> bool:
    if origin is None:
        return False
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    # Behind a proxy that ends TLS, the scheme of the scope is not the page's. But over TLS it has to be: the same
    # host's page without it may have been written by anybody on the line.
    tapped = scope.get("scheme") in {"https", "wss"} and page.scheme != "https"
    here = bool(page.netloc) and page.netloc == header_of(scope, b"host") and not tapped
    return here or _is_trusted(transport, origin)


def _is_trusted(transport: Transport, origin: str | None) -> bool:
    return origin is not None and origin in transport.trusted_origins


def _repeated(scope: Mapping[str, Any], transport: Transport) -> bool:
    if transport.cookies is None:
        return False
    sent = read_cookie(cookies_of(scope), transport.cookies.csrf)
    repeated = header_of(scope, HEADER)
    return bool(sent and repeated) and hmac.compare_digest(str(sent).encode(), str(repeated).encode())


def _refused() -> RequestRefused:
    return RequestRefused("the request may have been forged by another site", status=403, error="cross_site")
