"""Edits that people make to the whole of a password, undone. A new one is a function here and a row in `EDITS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from .text import Text

_SHORTEST, _LONGEST = 6, 64
_AT_LEAST_LEFT = 4
_SEPARATORS = frozenset("-_. ")
_TAIL = "0123456789!@#$%&*.?_-"


def undone(text: Text) -> Iterator[tuple[Text, float]]:
    """The text without each edit that it shows, and what the edit costs."""
    if _SHORTEST <= text.size <= _LONGEST:
        for edit, price in EDITS:
            for simpler in edit(text):
                yield simpler, price


def _without_separator(text: Text) -> Iterator[Text]:
    """``I-love-you``."""
    return _without_inserted(text, _SEPARATORS.__contains__)


def _without_symbol(text: Text) -> Iterator[Text]:
    """``p.a.s.s.w.o.r.d``, ``mon!key``."""
    return _without_inserted(text, lambda char: not char.isalnum() and char not in _SEPARATORS)


def _without_digit(text: Text) -> Iterator[Text]:
    """``p1a1s1s1``, ``mon7key``."""
    return _without_inserted(text, str.isdigit)


def _without_inserted(text: Text, is_kind: Callable[[str], bool]) -> Iterator[Text]:
    folded = text.folded
    between = {
        at
        for at in range(1, text.size - 1)
        if is_kind(folded[at]) and folded[at - 1].isalpha() and folded[at + 1].isalpha()
    }
    # What stands inside goes; the same character at the very end is a tail and stays priced as such.
    for char in sorted({folded[at] for at in between})[:2]:
        keep = [at for at in range(text.size) if at not in between or folded[at] != char]
        if len(keep) >= _AT_LEAST_LEFT:
            yield text.only(keep)


def _undoubled(text: Text) -> Iterator[Text]:
    """``ppaassss11``."""
    core = len(text.folded.rstrip(_TAIL))
    for start in (0, 1):
        pairs = range(start, core - 1, 2)
        if core >= _SHORTEST and all(text.folded[at] == text.folded[at + 1] for at in pairs):
            yield text.only([*range(start), *pairs, *range(core - (core - start) % 2, text.size)])


def _disentangled(text: Text) -> Iterator[Text]:
    """Two halves by turns, ``p1a2s3s4``: first the one, then the other."""
    core = len(text.folded.rstrip("!@#$%&*.?_-"))
    kinds = [char.isalpha() for char in text.folded[:core]]
    if core >= _SHORTEST and all(one != other for one, other in zip(kinds, kinds[1:], strict=False)):
        yield text.only([*range(0, core, 2), *range(1, core, 2), *range(core, text.size)])


EDITS: Final[tuple[tuple[Callable[[Text], Iterator[Text]], float], ...]] = (
    (_without_separator, 0.5),
    (_without_symbol, 0.9),
    (_without_digit, 0.9),
    (_undoubled, 0.6),
    (_disentangled, 0.9),
)
