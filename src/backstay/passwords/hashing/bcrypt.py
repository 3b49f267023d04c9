"""bcrypt, for hashes of other systems. The only file that imports the bcrypt package."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

from backstay.errors import MalformedHash, MissingExtraError

from .formats import BcryptHash

try:
    import bcrypt
except ImportError as exc:
    raise MissingExtraError("bcrypt", "verifying bcrypt hashes") from exc

_LONGEST = 72


def matches(secret: bytes, stored: BcryptHash) -> bool:
    """Whether the secret belongs to the hash. Compares in constant time.

    A plain bcrypt hash was made of the first 72 bytes, whatever made it; so those are compared. The full
    password
    is what the new hash is made of at this login.

    Raises:
        MalformedHash: bcrypt cannot read the hash.
    """
    prepared = _PREPARE[stored.prehash](secret, stored)[:_LONGEST]
    if b"\0" in prepared:
        # C implementations stopped at NUL; none of them would have made this hash of the whole password.
        return False
    try:
        return hmac.compare_digest(bcrypt.hashpw(prepared, stored.encoded.encode()), stored.encoded.encode())
    except ValueError:
        raise MalformedHash("bcrypt cannot read a stored hash") from None


def _hmac_sha256(secret: bytes, stored: BcryptHash) -> bytes:
    salt = stored.encoded[7:29].encode()
    return base64.b64encode(hmac.digest(salt, secret, "sha256"))


_PREPARE: Mapping[str, Callable[[bytes, BcryptHash], bytes]] = {
    "none": lambda secret, _: secret,
    "sha256-hex": lambda secret, _: hashlib.sha256(secret).hexdigest().encode(),
    "sha256": lambda secret, _: base64.b64encode(hashlib.sha256(secret).digest()),
    "hmac-sha256": _hmac_sha256,
}
