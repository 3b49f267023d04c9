"""What an API description says of authentication where a framework cannot find it out: cookies, and refusals."""

from __future__ import annotations

from typing import Any, Final

from .csrf import HEADER, SAFE
from .extraction import CookieNames, Transport
from .table import REFUSAL

SCHEME: Final = "backstay"
"""What descriptions call the token in the Authorization header."""
COOKIE: Final = "backstay_cookie"
"""What they call the token in a cookie."""
CSRF: Final = "backstay_csrf"
"""What they call the header that goes with a cookie wherever something is changed."""

# A path has other members besides, such as parameters that its operations share.
_OPERATIONS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_REFUSED: Final = ("400", "401", "403", "503")


def described(said: dict[str, Any], transport: Transport, /) -> dict[str, Any]:
    """The same OpenAPI description, which now says of all that wants a token how it refuses, and of cookies.

    A cookie is another way in. Requests that change something need the cookie and the header that repeats another
    one, both.
    """
    if transport.cookies is not None:
        said.setdefault("components", {}).setdefault("securitySchemes", {}).update(_schemes(transport.cookies))
    for methods in said.get("paths", {}).values():
        for method in _OPERATIONS & set(methods):
            operation: dict[str, Any] = methods[method]
            ways: list[dict[str, list[str]]] = operation.get("security") or []
            if any(SCHEME in way for way in ways):
                operation["responses"] = dict.fromkeys(_REFUSED, REFUSAL) | operation.get("responses", {})
                operation["security"] = [*ways, *_by_cookie(method, transport)]
    return said


def _schemes(names: CookieNames) -> dict[str, dict[str, str]]:
    return {
        COOKIE: {
            "type": "apiKey",
            "in": "cookie",
            "name": names.access,
            "description": "An access token, as login sets it for browsers",
        },
        CSRF: {
            "type": "apiKey",
            "in": "header",
            "name": HEADER.decode("ascii"),
            "description": f"What the cookie {names.csrf} holds: a page of another site cannot read it",
        },
    }


def _by_cookie(method: str, transport: Transport) -> list[dict[str, list[str]]]:
    if transport.cookies is None:
        return []
    return [{COOKIE: []} if method.upper() in SAFE else {COOKIE: [], CSRF: []}]
