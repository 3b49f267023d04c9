"""Sealing with AES-256-GCM-SIV or AES-256-GCM from the cryptography package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from backstay.errors import ConfigError, MissingExtraError
from backstay.secret import Secret

from .sealing import Encryptor

try:
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
except ImportError as exc:  # pragma: no cover - the extra is installed where the tests run
    raise MissingExtraError("encryption", "backstay.cache.aead") from exc

_NONCE_BYTES: Final = 12
_MOST_SEALS: Final = 2**32
"""NIST SP 800-38D 8.3: with random 96-bit nonces, at most 2^32 messages per key."""


class Aead:
    """Seals with the current key, opens with any known one.

    Layout: one byte for the length of the key's id, the id, a random nonce, ciphertext and tag. The key's id
    is authenticated together with what the value is bound to. GCM-SIV (RFC 8452) is used where the platform
    has it, because a repeated nonce then costs no more than telling that two values are equal.
    """

    def __init__(self, keys: Mapping[str, Secret | bytes], current: str) -> None:
        """`keys` by id, each of 32 bytes (a Secret holds them as hex); new values are sealed with `current`.

        Raises:
            ConfigError: no such current key, an id of more than 64 bytes, or a key that is not 32 bytes.
        """
        if current not in keys:
            raise ConfigError(f"the current sealing key {current!r} is not among the keys given")
        self._ciphers = {_key_id(name): _cipher(name, key) for name, key in keys.items()}
        self._current = _key_id(current)
        self._seals = 0

    def seal(self, data: bytes, associated: bytes, /) -> bytes:
        """Encrypt under the current key. Raises ConfigError once a key has sealed 2^32 values: rotate it."""
        if self._seals >= _MOST_SEALS:
            raise ConfigError(f"the sealing key {self._current.decode()!r} has sealed its 2^32 values: rotate it")
        self._seals += 1
        nonce = os.urandom(_NONCE_BYTES)
        header = bytes((len(self._current),)) + self._current
        return header + nonce + self._ciphers[self._current].encrypt(nonce, data, header + associated)

    def open(self, data: bytes, associated: bytes, /) -> bytes:
        """Decrypt under the key that the bytes name. Raises ValueError, whatever is wrong."""
        header, nonce, body = _split(data)
        cipher = self._ciphers.get(header[1:])
        if cipher is None or len(nonce) < _NONCE_BYTES:
            raise ValueError("cannot be opened")
        try:
            return cipher.decrypt(nonce, body, header + associated)
        except InvalidTag as exc:
            raise ValueError("cannot be opened") from exc


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    body = 1 + (data[0] if data else 0)
    return data[:body], data[body : body + _NONCE_BYTES], data[body + _NONCE_BYTES :]


def _key_id(name: str) -> bytes:
    encoded = name.encode()
    if not 1 <= len(encoded) <= 64:
        raise ConfigError(f"a sealing key's id has 1 to 64 bytes, not {len(encoded)}")
    return encoded


def _cipher(name: str, key: Secret | bytes) -> AESGCM | AESGCMSIV:
    try:
        raw = bytes.fromhex(key.reveal()) if isinstance(key, Secret) else key
    except ValueError:
        raise ConfigError(f"the sealing key {name!r} is not written in hex") from None
    if len(raw) != 32:
        raise ConfigError(f"the sealing key {name!r} has {len(raw)} bytes and not 32")
    try:
        return AESGCMSIV(raw)
    except UnsupportedAlgorithm:  # pragma: no cover - OpenSSL before 3.2
        return AESGCM(raw)


if TYPE_CHECKING:
    _: type[Encryptor] = Aead
