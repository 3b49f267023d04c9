"""argon2id through argon2-cffi. The only file that imports it."""

from __future__ import annotations

from backstay.errors import MalformedHash, MissingExtraError, PasswordError

from .profile import Argon2Profile

try:
    from argon2.exceptions import Argon2Error, HashingError, VerifyMismatchError
    from argon2.low_level import Type, hash_secret, verify_secret
except ImportError as exc:
    raise MissingExtraError("passwords", "hashing passwords") from exc

_KINDS = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}


def make(secret: bytes, salt: bytes, profile: Argon2Profile) -> str:
    """Hash with argon2id; the result is a PHC string.

    Raises:
        PasswordError: no memory for the hash.
    """
    try:
        return hash_secret(
            secret,
            salt,
            time_cost=profile.time_cost,
            memory_cost=profile.memory_kib,
            parallelism=profile.lanes,
            hash_len=profile.hash_bytes,
            type=Type.ID,
        ).decode()
    except HashingError as exc:
        raise PasswordError("argon2 could not hash: is the memory limit of this process too low?") from exc


def matches(secret: bytes, encoded: str, kind: str) -> bool:
    """Whether the secret belongs to the PHC string. Compares in constant time.

    Raises:
        MalformedHash: argon2 cannot read the string.
        PasswordError: no memory for the hash.
    """
    try:
        return verify_secret(encoded.encode(), secret, _KINDS[kind])
    except VerifyMismatchError:
        return False
    except Argon2Error as exc:
        if "memory" in str(exc).lower():
            raise PasswordError("argon2 could not verify: no memory") from exc
        raise MalformedHash("argon2 cannot read a stored hash") from None
