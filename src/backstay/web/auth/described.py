"""What an API description says of the ways to authenticate, where a framework cannot find it out by itself."""

from __future__ import annotations

from typing import Any, Final

from .csrf import HEADER, SAFE
from .extraction import CookieNames, Transport

SCHEME: Final = "backstay"
"""What descriptions call the token in the Authorization header."""
COOKIE: Final = "backstay_cookie"
"""What they call the token in a cookie."""
CSRF: Final = "backstay_csrf"
"""What they call the header that goes with a cookie wherever something is changed."""

# A path has other members besides, such as parameters that its operations share.
_OPERATIONS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def described(said: dict[str, Any], transport: Transport, /) -> dict[str, Any]:
    """The same OpenAPI description, in which a cookie is another way in wherever a token is one.

    Requests that change something need the cookie and the header that repeats another one, both.
    """
    if transport.cookies is not None:
        said.setdefault("components", {}).setdefault("securitySchemes", {}).update(_schemes(transport.cookies))
        for methods in said.get("paths", {}).values():
            for method in _OPERATIONS & set(methods):
                _add_cookie(method.upper(), methods[method])
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


def _add_cookie(method: str, operation: dict[str, Any]) -> None:
    ways: list[dict[str, list[str]]] = operation.get("security") or []
    if any(SCHEME in way for way in ways):
        cookie: dict[str, list[str]] = {COOKIE: []} if method in SAFE else {COOKIE: [], CSRF: []}
        operation["security"] = [*ways, cookie]
