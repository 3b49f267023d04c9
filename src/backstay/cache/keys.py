"""Cache keys: text that two different things never share, and that nothing in a value can break out of.

The grammar, in full::

    key    = namespace *( ":" part ) *( ":" name ":" value )
    text   = every character outside A-Z a-z 0-9 . _ ~ @ + = , - becomes %XX per UTF-8 byte, upper-case hex

so ``:``, ``%``, glob characters, braces and control characters never stand raw where a value was. What is not
text carries a sigil, ``%`` and a letter that is no upper-case hex digit, which a text cannot produce because
its own ``%`` is always ``%25``. Parameters are sorted by name.

`int` 1 and `str` "1" share a key on purpose: a path parameter and the number it stands for agree.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Final, TypeAlias, final
from uuid import UUID

from backstay.errors import InvalidKey, UncacheableKey

Scalar: TypeAlias = bool | int | float | str | bytes | date | time | timedelta | Decimal | UUID | Enum | None
KeyPart: TypeAlias = Scalar | Sequence["KeyPart"] | AbstractSet["KeyPart"] | Mapping[str, "KeyPart"]

MAX_KEY_BYTES: Final = 8192
"""Longest key text, in UTF-8 bytes. What is longer is a mistake; what is long is hashed when stored."""

MAX_STORED_BYTES: Final = 512
"""Longest key text that is stored under its own name, in UTF-8 bytes."""

_SURELY_SHORT = MAX_STORED_BYTES // 4
_UNSAFE = re.compile(r"[^A-Za-z0-9._~@+=,-]")
_ESCAPE = re.compile(r"(?:%[0-9A-F]{2})+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MARK = "%p"
_MAX_DEPTH = 8


@final
class Any:
    """The type of `ANY`: in `key_pattern`, a place where any value matches."""

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = Any()
"""In `key_pattern`, matches any value at this place (and whatever follows it up to the next literal)."""


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key taken apart. Parts and values are the canonical tokens; `text_of` turns one back into a text."""

    namespace: str
    parts: tuple[str, ...]
    params: tuple[tuple[str, str], ...]


def cache_key(namespace: str, *parts: KeyPart, **params: KeyPart) -> str:
    """The key for a namespace, positional parts and named parameters. Injective: see the module's grammar.

    Raises:
        InvalidKey: the namespace is empty, or the key is longer than `MAX_KEY_BYTES`.
        UncacheableKey: a part has no canonical text form (an arbitrary object). Names the parameter.
    """
    tokens = [_token(part, f"part {place}", 0) for place, part in enumerate(parts)]
    pairs = [(_name(name), _token(params[name], f"parameter {name!r}", 0)) for name in sorted(params)]
    return _join(_namespace(namespace), tokens, pairs)


def key_pattern(namespace: str, *parts: KeyPart | Any, **params: KeyPart | Any) -> str:
    """The glob for all keys of this shape: values are escaped as in `cache_key`, `ANY` becomes ``*``.

    The safe way to build a pattern from user input: nothing in a value is ever read as a glob.
    """
    tokens = [_pattern_token(part, f"part {place}") for place, part in enumerate(parts)]
    pairs = [(_name(name), _pattern_token(params[name], f"parameter {name!r}")) for name in sorted(params)]
    return _join(_namespace(namespace), tokens, pairs)


def parse_key(key: str) -> ParsedKey:
    """The inverse of `cache_key`, which is what proves that two different keys never share a text.

    Raises:
        InvalidKey: the text is not one that `cache_key` makes.
    """
    namespace, *tokens = key.split(":")
    if not namespace or any(not token for token in tokens):
        raise InvalidKey("a key has a namespace and no empty parts; build it with cache_key(...)")
    count = _param_count(tokens)
    split = len(tokens) - 2 * count
    parts = tuple(token.removeprefix(_MARK) for token in tokens[:split])
    params = tuple(zip(tokens[split::2], tokens[split + 1 :: 2], strict=True))
    return ParsedKey(text_of(namespace), parts, params)


def key_text(value: KeyPart, name: str) -> str:
    """The token that `cache_key` makes of one value: for templates. `name` is how an error calls it."""
    return _token(value, f"parameter {name!r}", 0)


def text_of(token: str) -> str:
    """The text that a token stands for; the canonical form (with its sigil) of what was no text."""
    if token == "%e":  # noqa: S105 - the sigil of the empty text
        return ""
    return _ESCAPE.sub(_unescape, token)


def namespace_of(key: str) -> str:
    """What stands before the first colon: the label of statistics, and what `invalidate_namespace` means."""
    return key.partition(":")[0]


def stored_name(key: str) -> str:
    """The name under which a backend stores the key: itself, or a digest of it where it is long.

    The envelope carries the whole key, so even two keys with one digest would not be taken for each other.
    """
    if len(key) * 4 <= MAX_STORED_BYTES:  # four bytes at most per character
        return key
    encoded = key.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_STORED_BYTES:
        return key
    digest = b32encode(sha256(encoded).digest()).decode().rstrip("=").lower()
    return f"{namespace_of(key)[:64]}:%h{digest}"


def check_key(key: str) -> str:
    """The key itself, if it can be one.

    Raises:
        InvalidKey: it is no text, empty, or longer than `MAX_KEY_BYTES`.
    """
    if type(key) is not str or not key:
        raise InvalidKey(f"a cache key is a non-empty text, not {type(key).__name__}; build it with cache_key(...)")
    # Four bytes at most per character: the exact count is only made where it could matter.
    if len(key) * 4 > MAX_KEY_BYTES and len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise InvalidKey(f"a cache key has at most {MAX_KEY_BYTES} bytes; {key[:40]!r}… is longer")
    return key


def names_of(keys: Sequence[str]) -> list[str]:
    """`stored_name` of each, if all can be keys. Raises as `check_key`."""
    # A short text needs no closer look, and most are.
    return [
        key if type(key) is str and 0 < len(key) <= _SURELY_SHORT else stored_name(check_key(key)) for key in keys
    ]


def _namespace(namespace: str) -> str:
    if not namespace:
        raise InvalidKey("a cache key begins with a namespace; it is empty")
    return _escape(namespace)


def _name(name: str) -> str:
    if not _NAME.match(name):
        raise InvalidKey(f"a parameter of a cache key is named by an ASCII identifier, not {name!r}")
    return name


def _join(namespace: str, tokens: list[str], pairs: list[tuple[str, str]]) -> str:
    flat = [token for pair in pairs for token in pair]
    if tokens and _param_count(tokens + flat) != len(pairs):
        # Read back plainly, some parts would be taken for a parameter: say where the parts end.
        tokens[-1] = _MARK + tokens[-1]
    return check_key(":".join([namespace, *tokens, *flat]))


def _param_count(tokens: Sequence[str]) -> int:
    """How many (name, value) pairs the tokens end in: as many as are in strict order by name."""
    count, following = 0, None
    for place in range(len(tokens) - 2, -1, -2):
        name, value = tokens[place], tokens[place + 1]
        if value.startswith(_MARK) or not _NAME.match(name):
            break
        if following is not None and name >= following:
            break
        count, following = count + 1, name
    return count


def _pattern_token(value: KeyPart | Any, where: str) -> str:
    return "*" if isinstance(value, Any) else _token(value, where, 0)


def _token(value: KeyPart, where: str, depth: int) -> str:
    """The canonical form of one value. Exact types first: `bool` is an `int`, an Enum may be a `str`."""
    kind = type(value)
    if kind is str:
        return _escape(value)  # type: ignore[arg-type]
    if kind is int:
        return str(value) if value.bit_length() <= 4096 else _refuse(value, where)  # type: ignore[union-attr]
    if value is None or kind is bool:
        return {None: "%n", True: "%t", False: "%f"}[value]  # type: ignore[index]
    if depth >= _MAX_DEPTH:
        raise UncacheableKey(f"{where} of a cache key is nested deeper than {_MAX_DEPTH} levels")
    return _scalar(value) or _collection(value, where, depth) or _refuse(value, where)


def _scalar(value: KeyPart) -> str | None:
    match value:
        case Enum():
            kind = type(value)
            return f"%TE{_escape(kind.__module__)}.{_escape(kind.__qualname__)}~{_escape(value.name)}"
        case float():
            return f"%d{float(value)!r}"
        case bytes():
            return f"%b{value.hex()}"
        case datetime():
            return f"%TM{_escape(value.isoformat())}"
        case date():
            return f"%TD{value.isoformat()}"
        case time():
            return f"%TC{_escape(value.isoformat())}"
        case timedelta():
            return f"%TS{value // timedelta(microseconds=1)}"
        case Decimal():
            return f"%TN{value}"
        case UUID():
            return f"%TU{value}"
        case _:
            return None


def _collection(value: KeyPart, where: str, depth: int) -> str | None:
    def inner(item: KeyPart) -> str:
        return _token(item, where, depth + 1)

    match value:
        case list() | tuple():
            return f"%l({';'.join(inner(item) for item in value)})"
        case set() | frozenset():
            return f"%s({';'.join(sorted({inner(item) for item in value}))})"
        case dict():
            pairs = sorted((_mapping_name(name, where), inner(item)) for name, item in value.items())
            return f"%m({';'.join(f'{name};{item}' for name, item in pairs)})"
        case _:
            return None


def _mapping_name(name: object, where: str) -> str:
    if type(name) is not str:
        raise UncacheableKey(
            f"{where} of a cache key is a mapping with a {type(name).__name__} as a name; use text"
        )
    return _escape(name)


def _refuse(value: object, where: str) -> str:
    raise UncacheableKey(
        f"{where} of a cache key is a {type(value).__qualname__}, which has no canonical text form; "
        "pass one of its identifying fields instead"
    )


def _escape(text: str) -> str:
    return _UNSAFE.sub(_escape_character, text) or "%e"


def _escape_character(match: re.Match[str]) -> str:
    # surrogatepass: a lone surrogate is a text that Python allows, so it needs a key of its own.
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _unescape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass")
