"""What seals sensitive values: the Protocol. `backstay.cache.aead` implements it on the cryptography package."""

from __future__ import annotations

from typing import Protocol


class Encryptor(Protocol):
    """Authenticated encryption with associated data, and keys that can be rotated.

    Not promised: that sealing hides how long a value is, or that it exists.
    """

    def seal(self, data: bytes, associated: bytes, /) -> bytes:
        """Encrypt and authenticate, bound to `associated`; the result names the key it was sealed with."""
        ...

    def open(self, data: bytes, associated: bytes, /) -> bytes:
        """The data again.

        Raises ValueError, and says no more, if the key is not known, the bytes were altered, or they were
        sealed for something else: which of these it was must not be told.
        """
        ...
