"""SHA-crypt, the ``$5$`` and ``$6$`` of Unix and of passlib, for hashes of other systems.

Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6. In Python, since what the standard library had
for it is gone from 3.13. It holds the interpreter's lock: 656,000 rounds, passlib's default, take about a second in
which the event loop still turns, but no faster than the interpreter switches. Wrap such hashes soon.
"""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import Final

_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def sha_crypt(secret: bytes, salt: bytes, rounds: int, digest: str) -> bytes:
    """The text after the last ``$`` of a SHA-crypt hash. `digest` is ``sha256`` or ``sha512``."""
    mixed = _begin(secret, salt, digest)
    p = _stretched(hashlib.new(digest, secret * len(secret)).digest(), len(secret))
    s = _stretched(hashlib.new(digest, salt * (16 + mixed[0])).digest(), len(salt))
    for number in range(rounds):
        odd = number & 1
        block = (p if odd else mixed) + (s if number % 3 else b"") + (p if number % 7 else b"")
        mixed = hashlib.new(digest, block + (mixed if odd else p)).digest()
    return _encoded(mixed)


def _begin(secret: bytes, salt: bytes, digest: str) -> bytes:
    other = hashlib.new(digest, secret + salt + secret).digest()
    parts = [secret, salt, _stretched(other, len(secret))]
    bits = len(secret)
    while bits:
        parts.append(other if bits & 1 else secret)
        bits >>= 1
    return hashlib.new(digest, b"".join(parts)).digest()


def _stretched(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length]


def _encoded(digest: bytes) -> bytes:
    """Three bytes from the three thirds become four characters; the rows rotate; what is left over comes last."""
    third = len(digest) // 3
    # SHA-256 rotates one way and SHA-512 the other.
    turn = -1 if len(digest) == 32 else 1
    text: list[str] = []
    for row in range(third):
        thirds = [row, row + third, row + 2 * third]
        start = row * turn % 3
        first, second, last = (digest[at] for at in chain(thirds[start:], thirds[:start]))
        text.append(_group(first << 16 | second << 8 | last, 4))
    rest = digest[3 * third :]
    text.append(_group(int.from_bytes(rest, "little"), 3 if len(rest) == 2 else 2))
    return "".join(text).encode()


def _group(value: int, characters: int) -> str:
    return "".join(_ALPHABET[value >> 6 * at & 63] for at in range(characters))
