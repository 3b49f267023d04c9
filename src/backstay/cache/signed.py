"""Pickles, for those who must: only by name, and only with a key that signs them."""

from __future__ import annotations

import hashlib
import hmac
import pickle
from typing import Any, Final

from backstay.errors import ConfigError, EncodingError
from backstay.secret import Secret

_TAG_BYTES: Final = 32


class SignedPickle:
    """A codec that pickles anything and unpickles nothing that this key did not sign.

    Whoever can sign can run code in every reader: treat the key like a deployment key. Not promised: that a
    pickle made by one version of a class loads with another.
    """

    number: int = 6

    def __init__(self, key: Secret) -> None:
        """The signing key: at least 32 characters.

        Raises:
            ConfigError: the key is shorter.
        """
        if len(key.reveal()) < 32:
            raise ConfigError("the signing key of SignedPickle has at least 32 characters")
        self._key = hashlib.sha256(b"backstay signed pickle" + key.reveal().encode()).digest()

    def encode(self, value: Any, /) -> bytes:
        """A signature and the pickle."""
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as exc:  # pickling calls the value's own code, which may raise anything
            raise EncodingError(f"a {type(value).__qualname__} cannot be pickled ({type(exc).__name__})") from exc
        return self._sign(data) + data

    def decode(self, data: bytes, /) -> Any:
        """The value. Raises ValueError, before anything is unpickled, for bytes that this key did not sign."""
        tag, body = data[:_TAG_BYTES], data[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._sign(body)):
            raise ValueError("not signed with this key")
        return pickle.loads(body)  # noqa: S301 - signed by this key just above

    def _sign(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")
