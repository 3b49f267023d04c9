r"""Redis-style globs as regular expressions that cannot be made to run for years.

``*`` any run, ``?`` one character, ``[a-z]`` and ``[^a]`` classes, ``\x`` the character itself; the same
language as Redis' own ``KEYS``. Each ``*`` and the literal behind it become one *atomic* group, so that
``*a*a*a*a*b`` against a long text of ``a`` is linear work per star and not exponential.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from backstay.errors import InvalidKey

MAX_GLOB_BYTES = 1024
"""Longest pattern, in UTF-8 bytes."""

Matcher = Callable[[str], bool]

_SPECIAL = re.compile(r"[*?\[\]\\]")


def escape(text: str) -> str:
    """The glob that matches exactly this text."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def literal_head(glob: str) -> str:
    """What every match begins with: a cheap first test before the expression is asked."""
    head: list[str] = []
    place = 0
    while place < len(glob) and glob[place] not in "*?[":
        if glob[place] == "\\" and place + 1 < len(glob):
            place += 1
        head.append(glob[place])
        place += 1
    return "".join(head)


def check_glob(glob: str) -> str:
    """The pattern itself, if it can be one.

    Raises:
        InvalidKey: it is no text, empty, or longer than `MAX_GLOB_BYTES`.
    """
    if type(glob) is not str or not glob:
        raise InvalidKey(
            f"a pattern is a non-empty text, not {type(glob).__name__}; build it with key_pattern(...)"
        )
    if len(glob.encode("utf-8", "surrogatepass")) > MAX_GLOB_BYTES:
        raise InvalidKey(f"a pattern has at most {MAX_GLOB_BYTES} bytes; {glob[:40]!r}… is longer")
    return glob


@lru_cache(maxsize=1024)
def matcher(glob: str) -> Matcher:
    """A function that says whether a whole text matches the glob."""
    pattern = re.compile(_translate(glob), re.DOTALL)
    return lambda text: pattern.fullmatch(text) is not None


def _translate(glob: str) -> str:
    pieces = _pieces(glob)
    out: list[str] = []
    place = 0
    while place < len(pieces):
        if pieces[place] != "*":
            out.append(pieces[place])
            place += 1
            continue
        while place < len(pieces) and pieces[place] == "*":
            place += 1
        start = place
        while place < len(pieces) and pieces[place] != "*":
            place += 1
        run = "".join(pieces[start:place])
        # The last run must reach the end, so it may have to skip earlier matches; one run cannot explode.
        out.append(f"(?>.*?{run})" if place < len(pieces) else f".*{run}")
    return "".join(out)


def _pieces(glob: str) -> list[str]:
    """The glob as regular expressions of one character each, and ``*``."""
    pieces: list[str] = []
    place = 0
    while place < len(glob):
        char = glob[place]
        if char == "[":
            piece, place = _character_class(glob, place)
        else:
            piece = {"*": "*", "?": "."}.get(char, "")
            if char == "\\" and place + 1 < len(glob):
                place += 1
                char = glob[place]
            piece = piece or re.escape(char)
            place += 1
        pieces.append(piece)
    return pieces


def _character_class(glob: str, start: int) -> tuple[str, int]:
    """One ``[...]`` from `start`, and where it ends. An unclosed one reaches to the end, as in Redis."""
    place = start + 1
    negated = place < len(glob) and glob[place] == "^"
    place += negated
    ranges: list[str] = []
    while place < len(glob) and glob[place] != "]":
        low = high = glob[place]
        # As Redis reads it: what is quoted begins no range, and a range ends at the very next character.
        if low == "\\" and place + 1 < len(glob):
            low = high = glob[place + 1]
            place += 2
        elif place + 2 < len(glob) and glob[place + 1] == "-":
            low, high = min(low, glob[place + 2]), max(low, glob[place + 2])
            place += 3
        else:
            place += 1
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    if not ranges:
        return ("." if negated else "(?!)"), place + 1
    return f"[{'^' if negated else ''}{''.join(ranges)}]", place + 1
