"""Does this password belong to that stored hash? Sync, does the work in the calling thread."""

from __future__ import annotations

import hashlib
import hmac
from typing import assert_never

from .formats import Argon2Hash, BcryptHash, DigestHash, Pbkdf2Hash, ScryptHash, ShaCryptHash, Stored
from .shacrypt import sha_crypt


def matches(secret: bytes, stored: Stored) -> bool:
    """Whether the secret belongs to the hash; every comparison takes constant time.

    Raises:
        MalformedHash: the library behind a scheme cannot read the hash after all.
        MissingExtraError: bcrypt is needed and not installed.
    """
    match stored:
        case Argon2Hash():
            from . import argon2

            return argon2.matches(secret, stored.encoded, stored.kind)
        case BcryptHash():
            from . import bcrypt

            return bcrypt.matches(secret, stored)
        case Pbkdf2Hash() | ScryptHash() | ShaCryptHash() | DigestHash():
            return hmac.compare_digest(derive(secret, stored), stored.expected)
        case _:
            assert_never(stored)


def derive(secret: bytes, stored: Pbkdf2Hash | ScryptHash | ShaCryptHash | DigestHash) -> bytes:
    """The digest that this secret has under the salt and the costs of the stored hash."""
    match stored:
        case Pbkdf2Hash():
            return hashlib.pbkdf2_hmac(stored.digest, secret, stored.salt, stored.iterations, len(stored.expected))
        case ScryptHash():
            memory = 128 * stored.r * (stored.n + stored.p + 2) + 4096
            return hashlib.scrypt(
                secret,
                salt=stored.salt,
                n=stored.n,
                r=stored.r,
                p=stored.p,
                maxmem=memory,
                dklen=len(stored.expected),
            )
        case ShaCryptHash():
            return sha_crypt(secret, stored.salt, stored.rounds, stored.digest)
        case DigestHash():
            digest = hashlib.new(stored.digest, usedforsecurity=False)
            digest.update(stored.salt + secret)
            return digest.digest()
        case _:
            assert_never(stored)


def memory_of(stored: Stored) -> int:
    """What verifying it keeps in memory, in bytes."""
    match stored:
        case Argon2Hash():
            return stored.memory_kib * 1024
        case ScryptHash():
            return 128 * stored.r * stored.n
        case BcryptHash() | Pbkdf2Hash() | ShaCryptHash() | DigestHash():
            return 64 * 1024
        case _:
            assert_never(stored)


def is_quick(stored: Stored) -> bool:
    """Whether verifying it takes much less time than a hash of the default profile."""
    match stored:
        case DigestHash():
            return True
        case Pbkdf2Hash():
            return stored.iterations < 50_000
        case ShaCryptHash():
            return stored.rounds < 20_000
        case Argon2Hash():
            return stored.memory_kib * stored.time_cost < 19_456
        case ScryptHash():
            return stored.n * stored.r * stored.p < 1 << 16
        case BcryptHash():
            return stored.cost < 8
        case _:
            assert_never(stored)
