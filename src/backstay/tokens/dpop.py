"""DPoP (RFC 9449): a token that is worth nothing without the key it was given to.

`read_proof` is the pure check of one proof, in the order of section 4.3; `DpopVerifier` adds that each proof
is used once. A stolen refresh or access token alone is then useless, within the grace as well.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

from backstay.clock import Clock, SystemClock
from backstay.errors import InvalidToken, KeyRejected
from backstay.errors import TokenReason as Reason

from . import base64url, checks
from .checks import check_binding
from .jose import JoseKey, import_jwk
from .protocol import ReplayStore

__all__ = ["DpopNonces", "DpopVerifier", "Proof", "check_binding", "read_proof"]

MAX_PROOF = 4096
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_HEADER = frozenset({"typ", "alg", "jwk"})
_REQUIRED = frozenset({"jti", "htm", "htu", "iat"})
_NONCE = re.compile(r"(?P<time>[0-9]{1,12})\.(?P<mac>[A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof that holds: whose key (`jkt`, its thumbprint), and by which identifier it must be unique."""

    jkt: str
    token_id: str
    issued_at: float
    nonce: str | None


def read_proof(
    proof: str,
    *,
    method: str,
    url: str,
    now: float,
    access_token: str | None = None,
    max_age: float = 60.0,
    leeway: float = 5.0,
) -> Proof:
    """Check one proof for one request.

    Raises:
        InvalidToken: with reason `PROOF`, or the reason of the step that failed.
    """
    head, body, tail = checks.split_token(proof, MAX_PROOF)
    key = _embedded_key(head)
    checks.check_signature(key, head + b"." + body, tail)
    payload = checks.decode_segment(body)
    claims = checks.read_json(payload)
    if not claims.keys() >= _REQUIRED:
        raise InvalidToken(Reason.MISSING_CLAIM)
    checks.check_controls(checks.check_claim_types(claims), payload)
    if claims["htm"] != method or not _same_target(claims["htu"], url):
        raise InvalidToken(Reason.PROOF)
    if claims["iat"] > now + leeway:
        raise InvalidToken(Reason.NOT_YET_VALID)
    if claims["iat"] < now - max_age - leeway:
        raise InvalidToken(Reason.EXPIRED)
    if access_token is not None and claims.get("ath") != _digest(access_token):
        raise InvalidToken(Reason.PROOF)
    nonce = claims.get("nonce")
    if nonce is not None and not checks.is_text(nonce):
        raise InvalidToken(Reason.CLAIM)
    return Proof(jkt=key.thumbprint(), token_id=claims["jti"], issued_at=claims["iat"], nonce=nonce)


class DpopNonces:
    """Nonces that need no memory: a time and a MAC, so that any process accepts what any other gave."""

    __slots__ = ("_keyed", "_max_age")

    def __init__(self, secret: bytes, *, max_age: float = 300.0) -> None:
        if len(secret) < 32:
            raise KeyRejected("the secret of nonces has at least 32 bytes")
        self._keyed = hmac.new(secret, b"backstay dpop nonce v1\0", sha256)
        self._max_age = max_age

    def issue(self, now: float, /) -> str:
        """A nonce for the ``DPoP-Nonce`` header."""
        return f"{int(now)}.{self._mac(str(int(now)))}"

    def accepts(self, nonce: str | None, now: float, /) -> bool:
        """Whether we gave it out within its time."""
        form = _NONCE.fullmatch(nonce or "")
        if form is None or not hmac.compare_digest(form["mac"], self._mac(form["time"])):
            return False
        return -1 <= now - int(form["time"]) <= self._max_age

    def _mac(self, text: str) -> str:
        mac = self._keyed.copy()
        mac.update(text.encode("ascii"))
        return base64url.encode(mac.digest()).decode("ascii")


class DpopVerifier:
    """Checks proofs, and lets each be used once."""

    def __init__(
        self,
        replay: ReplayStore,
        *,
        nonces: DpopNonces | None = None,
        clock: Clock | None = None,
        max_age: float = 60.0,
    ) -> None:
        self._replay = replay
        self._nonces = nonces
        self._clock = clock or SystemClock()
        self._max_age = max_age

    async def check(self, proof: str, /, *, method: str, url: str, access_token: str | None = None) -> str:
        """The thumbprint of the key that the caller has proven to hold.

        Raises:
            InvalidToken: the proof is refused; `REPLAYED` if it was used before.
            TokenStoreUnavailable: whether it was used before cannot be known now.
        """
        now = self._clock.now().timestamp()
        found = read_proof(proof, method=method, url=url, now=now, access_token=access_token, max_age=self._max_age)
        if self._nonces is not None and not self._nonces.accepts(found.nonce, now):
            raise InvalidToken(Reason.PROOF)
        # Hashed: what the client chose does not decide how long or how odd a key of the store is.
        once = "dpop:" + _digest(f"{found.jkt}\0{found.token_id}")
        if not await self._replay.first_use(once, ttl=2 * (self._max_age + 5)):
            raise InvalidToken(Reason.REPLAYED)
        return found.jkt


def _embedded_key(segment: bytes) -> JoseKey:
    # The one place where a key is taken from a header: a proof shows that its maker holds the key, nothing
    # else, and `check_binding` compares it to the token's.
    if len(segment) > checks.MAX_HEADER:
        raise InvalidToken(Reason.TOO_LARGE)
    members = checks.read_json(checks.decode_segment(segment))
    if "crit" in members:
        raise InvalidToken(Reason.CRITICAL)
    if not members.keys() >= _HEADER or not checks.FORBIDDEN.isdisjoint(members.keys() - {"jwk"}):
        raise InvalidToken(Reason.HEADER)
    if not checks.is_text(members["typ"]) or checks.normal_type(members["typ"]) != "dpop+jwt":
        raise InvalidToken(Reason.TYPE)
    alg, jwk = members["alg"], members["jwk"]
    if type(alg) is not str or alg not in checks.ALGORITHMS or alg.startswith("HS"):
        raise InvalidToken(Reason.ALGORITHM)
    if not isinstance(jwk, dict) or not _PRIVATE.isdisjoint(cast("dict[str, Any]", jwk)):
        raise InvalidToken(Reason.HEADER)
    try:
        return import_jwk({**cast("dict[str, Any]", jwk), "alg": alg}, kid="dpop")
    except KeyRejected:
        raise InvalidToken(Reason.UNKNOWN_KEY) from None


def _same_target(claimed: object, url: str) -> bool:
    if not checks.is_text(claimed):
        return False
    try:
        return _target(claimed) == _target(url)
    except ValueError:
        return False


def _target(url: str) -> tuple[str, str, int | None, str]:
    # RFC 9449, 4.3: without query and fragment, after scheme-based normalisation (RFC 3986, 6.2.3).
    parts = urlsplit(url)
    return (
        parts.scheme.lower(),
        (parts.hostname or "").lower(),
        parts.port or _DEFAULT_PORTS.get(parts.scheme.lower()),
        parts.path or "/",
    )


def _digest(text: str) -> str:
    return base64url.encode(sha256(text.encode("utf-8", "surrogatepass")).digest()).decode("ascii")
