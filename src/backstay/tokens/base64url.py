"""base64url without padding (RFC 7515, section 2), and exactly one text for each value."""

from __future__ import annotations

import binascii

# "+", "/" and "=" become a character of neither alphabet, so that the strict decoder refuses them.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", None, b"==", b"=")
# With 2 or 3 characters over, the last one has 4 or 2 bits that mean nothing; canonically they are zero.
_LAST = (None, None, frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))


class NotBase64Url(ValueError):
    """The text is not canonical base64url. Never quotes the text."""


def decode(segment: bytes, /) -> bytes:
    """The bytes that a segment stands for.

    Raises:
        NotBase64Url: padding, whitespace, a character of the standard alphabet, or bits that mean nothing.
            Two texts for one value would defeat deny lists and caches that are keyed by text.
    """
    over = len(segment) & 3
    padding = _PADDING[over]
    last = _LAST[over]
    if padding is None or (last is not None and segment[-1] not in last):
        raise NotBase64Url("not canonical base64url")
    try:
        return binascii.a2b_base64(segment.translate(_TO_STANDARD) + padding, strict_mode=True)
    except binascii.Error:
        raise NotBase64Url("not base64url") from None


def encode(raw: bytes, /) -> bytes:
    """The one text for these bytes."""
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=")
