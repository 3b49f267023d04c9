"""The cookies that carry tokens, as exact header texts (RFC 6265bis; ASVS 5.0, 3.3)."""

from __future__ import annotations

from backstay.errors import RequestRefused
from backstay.tokens import TokenPair

from .csrf import new_csrf_token
from .extraction import CookieNames

Headers = tuple[tuple[str, str], ...]

_MAX_BYTES = 4096  # what browsers keep of a cookie; ASVS 5.0, 3.3.5


def set_cookie(name: str, value: str, *, max_age: int, same_site: str, http_only: bool = True) -> tuple[str, str]:
    """A header for a cookie of this host alone. Raises RequestRefused if no browser would keep it."""
    if len(name) + len(value) > _MAX_BYTES:
        raise RequestRefused("the token is too large for a cookie", status=500)
    hidden = "; HttpOnly" if http_only else ""
    return "set-cookie", f"{name}={value}; Path=/; Max-Age={max_age}; Secure{hidden}; SameSite={same_site}"


def signed_in(names: CookieNames, pair: TokenPair, *, lifetime: int) -> tuple[Headers, str]:
    """The headers that sign a browser in, and the CSRF token that its pages repeat. `lifetime` is in seconds.

    The access cookie is Lax, so that following a link from elsewhere does not look like being signed out. The
    CSRF cookie is readable by pages of this host, which is its purpose.
    """
    csrf = new_csrf_token()
    return (
        set_cookie(names.access, pair.access_token, max_age=pair.expires_in, same_site="Lax"),
        set_cookie(names.refresh, pair.refresh_token, max_age=lifetime, same_site="Strict"),
        set_cookie(names.csrf, csrf, max_age=lifetime, same_site="Strict", http_only=False),
    ), csrf


def signed_out(names: CookieNames) -> Headers:
    """The headers that make a browser forget its tokens."""
    return (
        set_cookie(names.access, "", max_age=0, same_site="Lax"),
        set_cookie(names.refresh, "", max_age=0, same_site="Strict"),
        set_cookie(names.csrf, "", max_age=0, same_site="Strict", http_only=False),
    )


def device_cookie(names: CookieNames, token: str) -> tuple[str, str]:
    """The header by which the throttle will know this browser again, for a year."""
    return set_cookie(names.device, token, max_age=365 * 86_400, same_site="Lax")
