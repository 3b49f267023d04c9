"""Every check between a text and a `VerifiedToken`, in the order in which it runs.

Read `verify` first: it is the list. Nothing in the payload is looked at before the signature over it has been
checked, nothing in the header chooses how it is checked beyond an exact look-up of `kid`, and whatever is
wrong with a token leaves as `InvalidToken` with one of the reasons below. Pure and synchronous: it takes the
time as an argument and never waits.

Rules and their sources: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best practices), RFC 9068 (access tokens).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeGuard

import msgspec
from msgspec import UNSET

from backstay.errors import InvalidToken
from backstay.errors import TokenReason as Reason

from . import base64url
from .claims import MAX_TEXT, REGISTERED, RegisteredClaims, TokenProfile, VerifiedToken
from .json import NotStrictJson, dump_object, parse_object
from .protocol import KeySource, VerificationKey

MAX_HEADER = 2048

# Exact spellings. "none" is absent, and so is every algorithm without integrity.
ALGORITHMS = frozenset(
    (
        *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "Ed448"),
    )
)
# Members that say where to find a key (an attacker's), or that belong to another serialisation or to JWE.
FORBIDDEN = frozenset(
    (
        *("jku", "jwk", "x5u", "x5c", "cty", "b64", "payload", "signatures", "protected"),
        *("zip", "enc", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c"),
    )
)
_encode_claims = msgspec.json.Encoder().encode
_BACKSLASH, _DEL = 0x5C, 0x7F
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Header(msgspec.Struct, frozen=True, gc=False):
    """A header that passed its table."""

    alg: str
    kid: str
    typ: str


class HeaderMemo(dict[bytes, Header]):
    """Headers of tokens whose signature was good, by their exact text: an issuer has only a few.

    Filled after verification only, so that nobody without a key can grow or flush it.
    """

    _LIMIT = 256

    def add(self, segment: bytes, header: Header, /) -> None:
        """Remember the header of a token whose signature has just been checked."""
        if len(self) >= self._LIMIT:
            self.clear()
        self[segment] = header


def verify(token: str, keys: KeySource, expect: TokenProfile, now: float, memo: HeaderMemo) -> VerifiedToken:
    """Check a token against a profile, at a Unix time.

    Raises:
        InvalidToken: the token is not accepted. Nothing else is raised, whatever the token is.
    """
    head, body, tail = split_token(token, expect.max_bytes)
    try:
        known = memo.get(head)
        header = known or read_header(head)
        if header.typ != expect.typ:  # an ID token or a proof is no access token (RFC 8725, 3.11)
            raise InvalidToken(Reason.TYPE)
        key = keys.verification_key(header.kid)  # compared, never interpreted; no other key is tried
        if key is None:
            raise InvalidToken(Reason.UNKNOWN_KEY)
        if header.alg not in key.accepts:  # the key says which algorithm; the header may only agree
            raise InvalidToken(Reason.ALGORITHM)
        if not key.verify(head + b"." + body, base64url.decode(tail)):  # over the very text that was received
            raise InvalidToken(Reason.SIGNATURE)
        if known is None:
            memo.add(head, header)
        payload = base64url.decode(body)
    except base64url.NotBase64Url:
        raise InvalidToken(Reason.ENCODING) from None
    registered = read_plain_claims(payload, expect)
    if registered is None:  # the same four rules one by one, each with its reason
        claims = read_json(payload)
        check_required(claims, expect.required)
        registered = check_claim_types(claims)
        check_controls(registered, payload)
    if registered.iss != expect.issuer:  # equal as texts: no prefix, no missing slash, no other case
        raise InvalidToken(Reason.ISSUER)
    audience = check_audience(registered, expect.audience)
    check_times(registered, expect, now)
    return VerifiedToken(header.typ, header.kid, keys.version, audience, payload, registered)


def verify_signature(token: str, key: VerificationKey, max_bytes: int = 65536) -> bytes:
    """Check a compact JWS under one key and return its payload, whatever that is.

    For signed texts that are not access tokens. A `kid` in the header must be this key's; it may be absent.

    Raises:
        InvalidToken: the text is not a JWS of that key.
    """
    head, body, tail = split_token(token, max_bytes)
    members = read_header_members(head)
    if members.get("kid", key.kid) != key.kid:
        raise InvalidToken(Reason.UNKNOWN_KEY)
    check_algorithm(Header(members["alg"], key.kid, ""), key)
    check_signature(key, head + b"." + body, tail)
    return decode_segment(body)


# ---- the text -------------------------------------------------------------------------------------------


def split_token(token: str, max_bytes: int, segments: int = 3) -> list[bytes]:
    """First of all the size, so that no later step works on more than `max_bytes` characters; then the alphabet.

    Exactly so many segments: JSON serialisation, trailing text, and what is encrypted where it should only be
    signed (or the other way round) are refused here.
    """
    if not isinstance(token, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers pass raw headers
        raise InvalidToken(Reason.MALFORMED)
    if len(token) > max_bytes:
        raise InvalidToken(Reason.TOO_LARGE)
    try:
        found = token.encode("ascii").split(b".", segments)
    except UnicodeEncodeError:
        raise InvalidToken(Reason.MALFORMED) from None
    if len(found) != segments:
        raise InvalidToken(Reason.MALFORMED)
    return found


def decode_segment(segment: bytes) -> bytes:
    """Canonical base64url without padding."""
    try:
        return base64url.decode(segment)
    except base64url.NotBase64Url:
        raise InvalidToken(Reason.ENCODING) from None


def read_json(raw: bytes) -> dict[str, Any]:
    """One JSON object in UTF-8: no BOM, no duplicates, no NaN, no deep nesting, no lone surrogates."""
    try:
        return parse_object(raw)
    except NotStrictJson:
        raise InvalidToken(Reason.JSON) from None


# ---- the header -----------------------------------------------------------------------------------------


def read_header(segment: bytes) -> Header:
    """The header by its table: `alg`, `kid` and `typ` are there and are texts; nothing forbidden is."""
    members = read_header_members(segment)
    kid = members.get("kid")
    typ = members.get("typ")
    if not is_text(kid):
        raise InvalidToken(Reason.UNKNOWN_KEY)
    if not is_text(typ):
        raise InvalidToken(Reason.TYPE)
    return Header(members["alg"], kid, normal_type(typ))


def read_header_members(segment: bytes) -> dict[str, Any]:
    """What holds for every header, with or without `kid` and `typ`."""
    if len(segment) > MAX_HEADER:
        raise InvalidToken(Reason.TOO_LARGE)
    members = read_json(decode_segment(segment))
    # No extension is understood here, so that any `crit` makes the token invalid (RFC 7515, 4.1.11).
    if "crit" in members:
        raise InvalidToken(Reason.CRITICAL)
    if not FORBIDDEN.isdisjoint(members):
        raise InvalidToken(Reason.HEADER)
    alg = members.get("alg")
    if type(alg) is not str or alg not in ALGORITHMS:
        raise InvalidToken(Reason.ALGORITHM)
    return members


def normal_type(typ: str) -> str:
    """A media type as RFC 7515, 4.1.9 compares it: without case and without ``application/``."""
    return typ.lower().removeprefix("application/")


def check_algorithm(header: Header, key: VerificationKey) -> None:
    """The key says which algorithm; the header may only agree."""
    if header.alg not in key.accepts:
        raise InvalidToken(Reason.ALGORITHM)


def check_signature(key: VerificationKey, signed: bytes, tail: bytes) -> None:
    """Over the very text that was received."""
    if not key.verify(signed, decode_segment(tail)):
        raise InvalidToken(Reason.SIGNATURE)


# ---- the claims -----------------------------------------------------------------------------------------


def read_plain_claims(payload: bytes, expect: TokenProfile) -> RegisteredClaims | None:
    """The claims of a payload that needs no further look, or None: at one stroke what `verify` else does in four.

    Read straight into their forms (which refuses a wrong one, and lets none that is required be absent) and written
    out again, they give the very bytes that were read. So no member occurs twice, none is spelled in a second way,
    and there is none beside the registered ones, nor, with `cnf` absent, any nesting. Nothing hides a control
    character.
    """
    read = expect.read_claims
    if read is None or not _is_plain(payload):
        return None
    try:
        registered = read(payload)
    except (ValueError, RecursionError):
        return None
    plain = _encode_claims(registered) == payload and registered.cnf is UNSET
    return registered if plain else None


def check_claim_types(claims: Mapping[str, Any]) -> RegisteredClaims:
    """Every registered claim has its registered form."""
    try:
        return msgspec.convert(claims, RegisteredClaims)
    except msgspec.ValidationError:
        raise InvalidToken(Reason.CLAIM) from None


def check_controls(registered: RegisteredClaims, payload: bytes) -> None:
    """No text of a registered claim could break a log line."""
    if not _is_plain(payload) and any(map(_has_controls, msgspec.structs.astuple(registered))):
        raise InvalidToken(Reason.CLAIM)


def _is_plain(payload: bytes) -> bool:
    # JSON has control characters only as escapes, or from DEL on: without either there is none to look for.
    # Bytes are looked for by their numbers: as one-byte texts they would take five times as long.
    return payload.isascii() and _BACKSLASH not in payload and _DEL not in payload


def is_text(value: object) -> TypeGuard[str]:
    """A text that is not empty, not huge, and has no control characters."""
    return type(value) is str and 0 < len(value) <= MAX_TEXT and not _has_controls(value)


def is_storable(value: object) -> TypeGuard[str]:
    """A text that is fit for a claim and has a UTF-8 form, so that every store takes it."""
    return is_text(value) and not any("\ud800" <= character <= "\udfff" for character in value)


def _has_controls(value: object) -> bool:
    if type(value) is str:
        return _CONTROLS.search(value) is not None
    return type(value) is list and any(map(_has_controls, value))  # pyright: ignore[reportUnknownArgumentType]


def check_required(claims: Mapping[str, Any], required: frozenset[str]) -> None:
    """All that the profile requires; `exp` always, so that no token is for ever."""
    if not claims.keys() >= required or "exp" not in claims:
        raise InvalidToken(Reason.MISSING_CLAIM)


def check_audience(claims: RegisteredClaims, audience: frozenset[str]) -> tuple[str, ...]:
    """At least one of the token's audiences is one of ours."""
    named = claims.aud
    if type(named) is str:
        if named in audience:
            return (named,)
    elif type(named) is list and not audience.isdisjoint(named):
        return tuple(named)
    raise InvalidToken(Reason.AUDIENCE)


def check_times(claims: RegisteredClaims, expect: TokenProfile, now: float) -> None:
    """`nbf` and `iat` are past, `exp` is not, and the span between is no longer than allowed."""
    leeway, expires, issued, begins = expect.leeway_seconds, claims.exp, claims.iat, claims.nbf
    if expires is UNSET:
        raise InvalidToken(Reason.MISSING_CLAIM)
    if now >= expires + leeway:
        raise InvalidToken(Reason.EXPIRED)
    if begins is not UNSET and begins > now + leeway:
        raise InvalidToken(Reason.NOT_YET_VALID)
    if issued is UNSET:
        # The remaining time is bounded instead, with the leeway by which the issuer's clock may differ.
        if expires - now > expect.max_lifetime_seconds + leeway:
            raise InvalidToken(Reason.LIFETIME)
        if expect.max_age is not None:
            raise InvalidToken(Reason.MISSING_CLAIM)
        return
    if issued > now + leeway:
        raise InvalidToken(Reason.NOT_YET_VALID)
    if not 0 < expires - issued <= expect.max_lifetime_seconds:
        raise InvalidToken(Reason.LIFETIME)
    if expect.max_age is not None and now - issued > expect.max_age.total_seconds() + leeway:
        raise InvalidToken(Reason.EXPIRED)


def check_binding(token: VerifiedToken, jkt: str | None, /) -> None:
    """A bound token needs the very key it is bound to, and a proof needs a token that is bound to its key.

    `jkt` is the thumbprint of the key that the bearer has proven to hold (RFC 9449, 7.1), or None without a
    proof. A binding of another kind (a certificate's, RFC 8705) is one that nobody has checked here.

    Raises:
        InvalidToken: `BINDING`.
    """
    confirmation = token.registered.cnf
    bound = None if confirmation is UNSET else confirmation
    if bound != (None if jkt is None else {"jkt": jkt}):
        raise InvalidToken(Reason.BINDING)


def payload_to_sign(claims: Mapping[str, Any], profile: TokenProfile, now: float) -> bytes:
    """The claims as they will be signed, after the same checks: what is issued is what will be accepted.

    Registered claims alone are written in the order of their table, which makes them quick to verify.

    Raises:
        ValueError: naming the check that the claims would fail.
        TypeError: a claim is of a type that JSON cannot say.
    """
    try:
        registered = check_claim_types(claims)
        payload = _encode_claims(registered) if REGISTERED.issuperset(claims) else dump_object(dict(claims))
        check_controls(registered, payload)
        if registered.iss != profile.issuer:
            raise InvalidToken(Reason.ISSUER)
        check_audience(registered, profile.audience)
        check_times(registered, profile, now)
        check_required(claims, profile.required)
    except InvalidToken as exc:
        _explain(exc)
    return payload


def _explain(exc: InvalidToken) -> NoReturn:
    raise ValueError(f"these claims would be refused when presented ({exc.reason}); correct them") from None
