"""What backstay adds around a hash: the key of the pepper, and a legacy hash that was wrapped.

$backstay$k=2026a$argon2id$v=19$…           peppered with the key ``2026a``
$backstay$w=bWQ1JHNhbHQk$argon2id$v=19$…    argon2id of the digest of a legacy hash
$backstay$k=2026a,w=…$argon2id$v=19$…       both
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from backstay.errors import ConfigError, MalformedHash

from .formats import MAX_STORED

_FORM = re.compile(
    r"\$backstay\$(?:k=(?P<k>[A-Za-z0-9_-]{1,32}))?,?(?:w=(?P<w>[A-Za-z0-9_-]+))?(?P<inner>\$argon2.+)"
)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A stored string, taken apart as far as backstay wrote it."""

    inner: str = field(repr=False)
    key_id: str | None = None
    legacy: str | None = field(default=None, repr=False)
    """The wrapped legacy hash with its digest blanked out: only scheme, salt and costs."""

    def __str__(self) -> str:
        if self.key_id is None and self.legacy is None:
            return self.inner
        parts: list[str] = []
        if self.key_id is not None:
            parts.append(f"k={self.key_id}")
        if self.legacy is not None:
            parts.append("w=" + base64.urlsafe_b64encode(self.legacy.encode()).decode().rstrip("="))
        return f"$backstay${','.join(parts)}{self.inner}"


def open_envelope(stored: str) -> Envelope:
    """Take a stored string apart. What backstay did not write comes back whole, as `inner`.

    Raises:
        MalformedHash: it begins as one of backstay's and does not go on like one.
    """
    if not stored.startswith("$backstay$"):
        return Envelope(inner=stored)
    match = _FORM.fullmatch(stored) if len(stored) <= 2 * MAX_STORED else None
    if match is None:
        raise MalformedHash("a stored hash begins with $backstay$ and is damaged")
    legacy = match["w"]
    if legacy is not None:
        try:
            legacy = base64.urlsafe_b64decode(legacy + "=" * (-len(legacy) % 4)).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            raise MalformedHash("a wrapped legacy hash is damaged") from None
    return Envelope(inner=match["inner"], key_id=match["k"], legacy=legacy)


def checked_key_id(key_id: str) -> str:
    """The key id, if it may stand in a stored hash.

    Raises:
        ConfigError: it may not.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise ConfigError("a pepper's key id is 1 to 32 of A-Z, a-z, 0-9, _ and -")
    return key_id
