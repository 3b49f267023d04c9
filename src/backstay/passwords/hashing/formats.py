"""Reading stored hashes: PHC strings, and those of Django, passlib, werkzeug, bcrypt and SHA-crypt. Pure.

Every reader checks the caps before it returns, so that nothing expensive can be asked for by a string.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from backstay.errors import MalformedHash

from .profile import CostCaps

MAX_STORED: Final = 1_024
"""Characters that a stored hash may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Hash:
    """argon2 in PHC form; the library reads `encoded` itself."""

    encoded: str = field(repr=False)
    kind: str
    memory_kib: int
    time_cost: int
    lanes: int
    salt_bytes: int
    hash_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BcryptHash:
    """bcrypt, with what was done to the password before it."""

    encoded: str = field(repr=False)
    cost: int
    prehash: str = "none"
    """``none``, ``sha256-hex`` (Django), ``sha256`` or ``hmac-sha256`` (passlib v1 and v2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pbkdf2Hash:
    """PBKDF2-HMAC."""

    digest: str
    iterations: int
    salt: bytes = field(repr=False)
    expected: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScryptHash:
    """scrypt (RFC 7914)."""

    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    expected: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestHash:
    """A fast digest of salt and password, as old systems have it. Worth wrapping at once."""

    digest: str
    salt: bytes = field(repr=False)
    expected: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShaCryptHash:
    """SHA-crypt, ``$5$`` and ``$6$``."""

    digest: str
    rounds: int
    salt: bytes = field(repr=False)
    expected: bytes = field(repr=False)
    """Still in its text form."""


Stored: TypeAlias = Argon2Hash | BcryptHash | Pbkdf2Hash | ScryptHash | ShaCryptHash | DigestHash
_Reader: TypeAlias = Callable[[re.Match[str], CostCaps], Stored]

_DIGESTS = {"sha1", "sha224", "sha256", "sha384", "sha512"}
_FAST = _DIGESTS | {"md5"}


def read(stored: str, caps: CostCaps) -> Stored:
    """Take a stored hash apart.

    Raises:
        MalformedHash: no format that is known, a damaged one, or one that demands more than the caps allow.
            The message names the format and never quotes the hash.
    """
    if len(stored) > MAX_STORED or not stored.isascii():
        raise MalformedHash("a stored hash is too long or not ASCII")
    for pattern, reader in _FORMATS:
        match = pattern.fullmatch(stored)
        if match is not None:
            try:
                return reader(match, caps)
            except (ValueError, binascii.Error, OverflowError) as exc:
                if isinstance(exc, MalformedHash):
                    raise
                raise MalformedHash(f"a stored hash of the kind {reader.__name__[1:]} is damaged") from None
    raise MalformedHash("a stored hash is of no known format")


def _within(what: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise MalformedHash(f"a stored hash asks for {what} = {value}; allowed are {least} to {most}")
    return value


def _number(text: str) -> int:
    if len(text) > 12:
        raise MalformedHash("a stored hash has a cost parameter of absurd size")
    return int(text)


def unpadded(text: str) -> bytes:
    """Decode base64 without padding, in the standard alphabet or passlib's (``.`` for ``+``)."""
    text = text.replace(".", "+").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _some(data: bytes) -> bytes:
    if not 8 <= len(data) <= 512:
        raise MalformedHash("a stored hash holds a digest of impossible length")
    return data


def _argon2(match: re.Match[str], caps: CostCaps) -> Argon2Hash:
    memory = _number(match["m"])
    passes = _within("argon2 passes", _number(match["t"]), 1, caps.argon2_passes)
    lanes = _within("argon2 lanes", _number(match["p"]), 1, caps.lanes)
    _within("argon2 memory in KiB", memory, 8 * lanes, caps.memory_bytes // 1024)
    _within("argon2 memory × passes", memory * passes, 8, caps.argon2_work_kib)
    salt, digest = unpadded(match["salt"]), unpadded(match["hash"])
    _within("argon2 salt bytes", len(salt), 8, 256)
    _within("argon2 hash bytes", len(digest), 4, 512)
    return Argon2Hash(
        encoded=match["phc"],
        kind=match["kind"],
        memory_kib=memory,
        time_cost=passes,
        lanes=lanes,
        salt_bytes=len(salt),
        hash_bytes=len(digest),
    )


def _bcrypt(match: re.Match[str], caps: CostCaps) -> BcryptHash:
    cost = _within("bcrypt cost", int(match["cost"]), 4, caps.bcrypt_cost)
    prehash = "sha256-hex" if match["django"] == "bcrypt_sha256$" else "none"
    # $2x$ marks hashes of a broken implementation, and $2y$ and $2a$ are what others call $2b$.
    return BcryptHash(encoded=f"$2b${match['cost']}${match['rest']}", cost=cost, prehash=prehash)


def _bcrypt_sha256(match: re.Match[str], caps: CostCaps) -> BcryptHash:
    cost = _within("bcrypt cost", int(match["cost"] or match["cost1"]), 4, caps.bcrypt_cost)
    encoded = f"$2b${cost:02}${match['salt']}{match['hash']}"
    return BcryptHash(encoded=encoded, cost=cost, prehash="hmac-sha256" if match["cost"] else "sha256")


def _pbkdf2(digest: str, iterations: str, salt: bytes, expected: bytes, caps: CostCaps) -> Pbkdf2Hash:
    if digest not in _DIGESTS:
        raise MalformedHash("a stored PBKDF2 hash names an unknown digest")
    rounds = _within("PBKDF2 iterations", _number(iterations), 1, caps.pbkdf2_iterations)
    if len(expected) > hashlib.new(digest, usedforsecurity=False).digest_size:
        # Each block beyond the first costs all iterations again.
        raise MalformedHash("a stored PBKDF2 hash is longer than its digest")
    return Pbkdf2Hash(digest=digest, iterations=rounds, salt=salt, expected=_some(expected))


def _pbkdf2_django(match: re.Match[str], caps: CostCaps) -> Pbkdf2Hash:
    expected = base64.b64decode(match["hash"], validate=True)
    return _pbkdf2(match["digest"], match["rounds"], match["salt"].encode(), expected, caps)


def _pbkdf2_passlib(match: re.Match[str], caps: CostCaps) -> Pbkdf2Hash:
    digest = match["digest"] or "sha1"
    return _pbkdf2(digest, match["rounds"], unpadded(match["salt"]), unpadded(match["hash"]), caps)


def _pbkdf2_werkzeug(match: re.Match[str], caps: CostCaps) -> Pbkdf2Hash:
    expected = bytes.fromhex(match["hash"])
    return _pbkdf2(match["digest"], match["rounds"] or "150000", match["salt"].encode(), expected, caps)


def _scrypt(n: int, rp: tuple[str, str], salt: bytes, expected: bytes, caps: CostCaps) -> ScryptHash:
    if n < 2 or n & (n - 1):
        raise MalformedHash("a stored scrypt hash has an N that is no power of two")
    block = _within("scrypt r", _number(rp[0]), 1, 64)
    lanes = _within("scrypt p", _number(rp[1]), 1, caps.lanes)
    _within("scrypt memory", 128 * n * block, 1, caps.memory_bytes)
    _within("scrypt work", 128 * n * block * lanes, 1, caps.scrypt_work_bytes)
    return ScryptHash(n=n, r=block, p=lanes, salt=salt, expected=_some(expected))


def _scrypt_phc(match: re.Match[str], caps: CostCaps) -> ScryptHash:
    exponent = _within("scrypt ln", _number(match["ln"]), 1, 30)
    return _scrypt(1 << exponent, (match["r"], match["p"]), unpadded(match["salt"]), unpadded(match["hash"]), caps)


def _scrypt_django(match: re.Match[str], caps: CostCaps) -> ScryptHash:
    expected = base64.b64decode(match["hash"], validate=True)
    return _scrypt(_number(match["n"]), (match["r"], match["p"]), match["salt"].encode(), expected, caps)


def _scrypt_werkzeug(match: re.Match[str], caps: CostCaps) -> ScryptHash:
    expected = bytes.fromhex(match["hash"])
    return _scrypt(_number(match["n"]), (match["r"], match["p"]), match["salt"].encode(), expected, caps)


def _sha_crypt(match: re.Match[str], caps: CostCaps) -> ShaCryptHash:
    rounds = _within("SHA-crypt rounds", _number(match["rounds"] or "5000"), 1_000, caps.sha_crypt_rounds)
    digest, length = ("sha256", 43) if match["kind"] == "5" else ("sha512", 86)
    if len(match["hash"]) != length:
        raise MalformedHash("a stored SHA-crypt hash has the wrong length")
    return ShaCryptHash(digest=digest, rounds=rounds, salt=match["salt"].encode(), expected=match["hash"].encode())


def _digest(match: re.Match[str], caps: CostCaps) -> DigestHash:
    del caps  # a fast digest has no cost to cap
    expected = bytes.fromhex(match["hash"])
    if match["digest"] not in _FAST:
        raise MalformedHash("a stored digest hash names an unknown digest")
    if len(expected) != hashlib.new(match["digest"], usedforsecurity=False).digest_size:
        raise MalformedHash("a stored digest hash has the wrong length")

    return DigestHash(digest=match["digest"], salt=match["salt"].encode(), expected=expected)


_B64 = "[A-Za-z0-9+/]+={0,2}"
_AB64 = "[A-Za-z0-9+/.]*={0,2}"
_FORMATS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (
        re.compile(
            r"(?:argon2(?=\$))?(?P<phc>\$(?P<kind>argon2(?:id|i|d))(?:\$v=(?:16|19))?\$m=(?P<m>\d+),t=(?P<t>\d+),"
            rf"p=(?P<p>\d+)\$(?P<salt>{_B64})\$(?P<hash>{_B64}))"
        ),
        _argon2,
    ),
    (
        re.compile(r"(?P<django>bcrypt_sha256\$|bcrypt\$)?\$2[aby]\$(?P<cost>\d\d)\$(?P<rest>[./A-Za-z0-9]{53})"),
        _bcrypt,
    ),
    (
        re.compile(
            r"\$bcrypt-sha256\$(?:v=2,t=2[ab],r=(?P<cost>\d{1,2})|2[ab],(?P<cost1>\d{1,2}))"
            r"\$(?P<salt>[./A-Za-z0-9]{22})\$(?P<hash>[./A-Za-z0-9]{31})"
        ),
        _bcrypt_sha256,
    ),
    (
        re.compile(rf"pbkdf2_(?P<digest>sha\d+)\$(?P<rounds>\d+)\$(?P<salt>[^$]+)\$(?P<hash>{_B64})"),
        _pbkdf2_django,
    ),
    (
        re.compile(rf"\$pbkdf2(?:-(?P<digest>sha\d+))?\$(?P<rounds>\d+)\$(?P<salt>{_AB64})\$(?P<hash>{_AB64})"),
        _pbkdf2_passlib,
    ),
    (
        re.compile(r"pbkdf2:(?P<digest>\w+)(?::(?P<rounds>\d+))?\$(?P<salt>[^$]*)\$(?P<hash>[0-9a-f]+)"),
        _pbkdf2_werkzeug,
    ),
    (
        re.compile(rf"\$scrypt\$ln=(?P<ln>\d+),r=(?P<r>\d+),p=(?P<p>\d+)\$(?P<salt>{_AB64})\$(?P<hash>{_AB64})"),
        _scrypt_phc,
    ),
    (
        re.compile(rf"scrypt\$(?P<n>\d+)\$(?P<salt>[^$]*)\$(?P<r>\d+)\$(?P<p>\d+)\$(?P<hash>{_B64})"),
        _scrypt_django,
    ),
    (
        re.compile(r"scrypt:(?P<n>\d+):(?P<r>\d+):(?P<p>\d+)\$(?P<salt>[^$]*)\$(?P<hash>[0-9a-f]+)"),
        _scrypt_werkzeug,
    ),
    (
        re.compile(
            r"\$(?P<kind>[56])\$(?:rounds=(?P<rounds>\d+)\$)?(?P<salt>[./A-Za-z0-9]{0,16})"
            r"\$(?P<hash>[./A-Za-z0-9]{43,86})"
        ),
        _sha_crypt,
    ),
    (re.compile(r"(?P<digest>md5|sha1|sha256|sha512)\$(?P<salt>[^$]*)\$(?P<hash>[0-9a-f]+)"), _digest),
)
