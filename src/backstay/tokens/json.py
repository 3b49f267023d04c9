"""JSON as RFC 8725 wants it read: UTF-8 only, no duplicate members, no NaN, bounded depth.

Two decoders. The fast one keeps the last of duplicate members, so its answer is trusted only when writing it
out again gives the very bytes that were read: then nothing was dropped, and nothing was spelled in a second
way. Everything else goes to the slow one, which looks at each rule in turn.
"""

from __future__ import annotations

import json
import math
from typing import Any, Never

import msgspec

MAX_DEPTH = 16

_fast_decoder = msgspec.json.Decoder()
_fast_encoder = msgspec.json.Encoder()


class NotStrictJson(ValueError):
    """The text is not one JSON object under the strict rules. Never quotes the text."""


def parse_object(raw: bytes, /) -> dict[str, Any]:
    """The one JSON object that `raw` is.

    Raises:
        NotStrictJson: it is anything else, however slightly.
    """
    # The count of brackets bounds the depth from above, and is far cheaper than the depth itself.
    if raw.count(0x7B) + raw.count(0x5B) > MAX_DEPTH and depth(raw) > MAX_DEPTH:
        raise NotStrictJson("nested too deeply")
    try:
        value = _fast_decoder.decode(raw)
        if type(value) is dict and _fast_encoder.encode(value) == raw:
            return value  # pyright: ignore[reportUnknownVariableType]
    except (ValueError, RecursionError):
        pass  # the slow decoder says what is wrong, or that only the fast one was too narrow
    return _parse_slowly(raw)


def dump_object(value: object, /) -> bytes:
    """Compact JSON in UTF-8. Raises TypeError or ValueError for what JSON cannot say."""
    return _fast_encoder.encode(value)


def depth(raw: bytes, /) -> int:
    """How deeply arrays and objects nest, brackets inside of strings not counted."""
    deepest = level = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"]}":
            level -= 1
    return deepest


def _parse_slowly(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            raw.decode("utf-8"),  # given bytes, json would guess UTF-16 and UTF-32 as well
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
        )
        # A lone surrogate, escaped as \ud800, is read by json and has no UTF-8 form.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise NotStrictJson("not strict JSON") from None
    if type(value) is not dict:
        raise NotStrictJson("not an object")
    return value  # pyright: ignore[reportUnknownVariableType]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("a member occurs twice")
    return members


def _refuse(constant: str) -> Never:
    raise NotStrictJson(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotStrictJson("a number is out of range")
    return number
