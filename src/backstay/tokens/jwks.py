"""Keys of another issuer, fetched from its JWKS endpoint: few fetches, whatever callers and attackers do.

- one fetch for any number of callers at once, and at most one per cooldown, after a failure as well;
- a set that cannot be renewed is used for a bounded time longer;
- https only, no redirects, a cap on size and time: the address is configuration, never a token's.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from backstay.clock import Clock, SystemClock
from backstay.errors import ConfigError, KeyRejected, TokenStoreUnavailable
from backstay.events import Emitter

from .events import KeySetRefreshed
from .jose import JoseKey, import_jwk
from .json import NotStrictJson, parse_object
from .protocol import KeySource, VerificationKey

MAX_BYTES = 262_144
MAX_KEYS = 64


class Fetch(Protocol):
    """How a key set is fetched: an HTTP client of the caller's, or `https_fetch`."""

    async def __call__(self, url: str, /) -> bytes:
        """The body of a 200 answer. Follows no redirect. Raises OSError for anything else."""
        ...


class RemoteKeys:
    """The keys of one issuer. Durations in seconds, by the monotonic clock.

    `max_age` is how long a set is used before it is fetched anew, `cooldown` the least time between two
    fetches, `max_stale` for how much longer a set is used that cannot be renewed. RSA keys that do not state
    their algorithm are for `rsa_alg`. Not promised: that a new key is accepted sooner than `cooldown` after
    the last fetch.
    """

    def __init__(
        self,
        url: str,
        *,
        fetch: Fetch | None = None,
        clock: Clock | None = None,
        max_age: float = 600.0,
        cooldown: float = 30.0,
        max_stale: float = 3600.0,
        timeout: float = 5.0,
        rsa_alg: str = "RS256",
        allow_http: bool = False,
        events: Emitter | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ({"https", "http"} if allow_http else {"https"}) or not parts.hostname:
            raise ConfigError("a key set is fetched by https; allow_http=True is for tests on this machine")
        if parts.username or parts.password:
            raise ConfigError("the address of a key set has no credentials in it")
        self._url = url
        self._fetch = fetch or https_fetch
        self._clock = clock or SystemClock()
        self._max_age = max_age
        self._cooldown = cooldown
        self._max_stale = max_stale
        self._timeout = timeout
        self._rsa_alg = rsa_alg
        self._events = events or Emitter()
        self._lock = anyio.Lock()
        self._keys: dict[str, JoseKey] = {}
        self._body = b""
        self._version = 0
        self._fetched_at = self._usable_until = self._asked_at = float("-inf")
        self._failed = False

    @property
    def version(self) -> int:
        """Counts the changes of the set; fetching the same set again is none."""
        return self._version

    def verification_key(self, kid: str, /) -> VerificationKey | None:
        """The key, if the set is recent enough to be used."""
        return self._keys.get(kid) if self._clock.monotonic() <= self._usable_until else None

    async def ensure(self, kid: str, /) -> None:
        """Fetch the set if that could help and is allowed now.

        Raises:
            TokenStoreUnavailable: the endpoint failed, so that nobody can say whether the key exists.
        """
        async with self._lock:  # whoever waited finds the answer of the one who asked
            if self.verification_key(kid) is not None:
                return
            if self._clock.monotonic() - self._asked_at >= self._cooldown:
                await self._renew()
        if self._failed and self.verification_key(kid) is None:
            raise TokenStoreUnavailable("the key set could not be fetched, and the key is not among the last")

    async def _renew(self) -> None:
        before, self._asked_at = self._asked_at, self._clock.monotonic()
        try:
            with anyio.fail_after(self._timeout):
                body = await self._fetch(self._url)
            keys = self._read(body)
        except (OSError, TimeoutError, NotStrictJson, KeyRejected):
            self._failed = True
            # Go on with the last set until the next attempt, but not for ever.
            last = self._fetched_at + self._max_age + self._max_stale
            self._usable_until = min(self._clock.monotonic() + self._cooldown, last)
        except anyio.get_cancelled_exc_class():
            self._asked_at = before  # this caller gave up; the next one may ask
            raise
        else:
            self._failed = False
            self._fetched_at = self._clock.monotonic()
            self._usable_until = self._fetched_at + self._max_age
            if body != self._body:
                self._body, self._keys = body, keys
                self._version += 1
        self._events(KeySetRefreshed(url=self._url, keys=len(self._keys), failed=self._failed))

    def _read(self, body: bytes) -> dict[str, JoseKey]:
        stated: object = parse_object(body).get("keys") if len(body) <= MAX_BYTES else None
        if not isinstance(stated, list):
            raise KeyRejected("not a key set, or too large")
        members = cast("list[object]", stated)
        if len(members) > MAX_KEYS:
            raise KeyRejected("too many keys in one set")
        found: dict[str, JoseKey] = {}
        for member in members:
            key = self._usable(member)
            if key is None:
                continue
            if key.kid in found:
                raise KeyRejected("two keys of the set have the same identifier")
            found[key.kid] = key
        return found

    def _usable(self, member: object) -> JoseKey | None:
        # A set may hold keys for other purposes and of kinds to come: those are passed over. A symmetric key
        # in a public place is no secret.
        if not isinstance(member, dict):
            return None
        jwk = cast("Mapping[str, Any]", member)
        if jwk.get("kty") == "oct" or not isinstance(jwk.get("kid"), str):
            return None
        alg = self._rsa_alg if jwk.get("kty") == "RSA" and "alg" not in jwk else None
        try:
            return import_jwk(jwk, alg=alg)
        except KeyRejected:
            return None


async def https_fetch(url: str, /) -> bytes:
    """Fetch with the standard library, in a thread: no redirects, at most `MAX_BYTES`, five seconds."""
    return await anyio.to_thread.run_sync(_fetch_now, url, abandon_on_cancel=True)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """None: the answer stays a redirect, which is an error."""


def _fetch_now(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Accept": "application/jwk-set+json, application/json"})  # noqa: S310 - the scheme was checked by RemoteKeys
    try:
        with opener.open(request, timeout=5) as answer:
            body = answer.read(MAX_BYTES + 1)
            if answer.status != 200 or len(body) > MAX_BYTES:
                raise OSError("not a key set of a reasonable size")
            return cast("bytes", body)
    except urllib.error.HTTPError as exc:
        exc.close()
        raise OSError(f"the key set could not be fetched: status {exc.code}") from None
    except (http.client.HTTPException, ValueError) as exc:
        raise OSError(f"the key set could not be fetched: {type(exc).__name__}") from None


if TYPE_CHECKING:
    _: type[KeySource] = RemoteKeys
