"""One word that makes up the middle of a password and is not written as the list has it.

These look at the whole of the middle, so that each disguise costs a look-up or two and chance finds nothing.
A new one is a function here and a row in `_DISGUISES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from .lexicon import MASK
from .text import Knowledge, Piece, Text

_SHORTEST, _LONGEST = 5, 16
_MIDDLE = re.compile(r"[^\W\d_].*[^\W\d_]", re.DOTALL)
# A hand one key to the right takes l to ; and p to [ and m to a comma, which end no word otherwise.
_SLIPPED = re.compile(r"[a-z;,\[].*[a-z;\[]", re.DOTALL)


def disguised(text: Text, known: Knowledge) -> Iterator[Piece]:
    """Swapped halves, ciphers of children, slipped hands, masked vowels."""
    words = known.lexicon.words
    for pattern, disguise, price in _DISGUISES:
        match = pattern.search(text.folded)
        if match and _SHORTEST <= match.end() - match.start() <= _LONGEST:
            start, end = match.span()
            found = min((words[word] for word in disguise(match.group()) if word in words), default=None)
            if found is not None:
                yield start, end, found + price + min(text.case_price(start, end), 1.0), "word"


_KEYS: Final = "1234567890qwertyuiopasdfghjkl;zxcvbnm,./"
_A_ROW: Final = 10
# What was meant by hands a row too high, and by hands a row too low.
_DISPLACED: Final = (str.maketrans(_KEYS[:-_A_ROW], _KEYS[_A_ROW:]), str.maketrans(_KEYS[_A_ROW:], _KEYS[:-_A_ROW]))
_DISPLACED_PRICE, _LONGEST_END = 1.5, 6


def displaced(text: Text, known: Knowledge) -> Iterator[Piece]:
    """``jq0o3``: a word typed with the hands a row off, which makes digits of letters, before what follows."""
    words, size = known.lexicon.words, min(text.size, _LONGEST + _LONGEST_END)
    for meant in _DISPLACED:
        typed = text.folded[:size].translate(meant)
        for end in range(size, max(size - _LONGEST_END, _SHORTEST) - 1, -1):
            word = typed[:end]
            if word in words and word.isalpha():
                yield 0, end, words[word] + _DISPLACED_PRICE + min(text.case_price(0, end), 1.0), "word"


def _turned(middle: str) -> Iterator[str]:
    """``wordpass``."""
    for at in range(2, len(middle) - 1):
        yield middle[at:] + middle[:at]


def _masked(middle: str) -> Iterator[str]:
    """``p*ssw*rd``."""
    for char in set(middle):
        if not char.isalpha():
            yield middle.replace(char, MASK)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CIPHERS = [str.maketrans(_LETTERS, _LETTERS[by:] + _LETTERS[:by]) for by in (1, 13, 25)]


def _deciphered(middle: str) -> Iterator[str]:
    """``qbttxpse``."""
    for table in _CIPHERS:
        yield middle.translate(table)


_KEY_ROWS = ("qwertyuiop[", "asdfghjkl;", "zxcvbnm,")
_TO_THE_LEFT = str.maketrans({right: left for row in _KEY_ROWS for left, right in pairwise(row)})
_TO_THE_RIGHT = str.maketrans({left: right for row in _KEY_ROWS for left, right in pairwise(row)})


def _slipped(middle: str) -> Iterator[str]:
    """``[sddeptf``: the hand one key off."""
    yield middle.translate(_TO_THE_LEFT)
    yield middle.translate(_TO_THE_RIGHT)


def _miswritten(middle: str) -> Iterator[str]:
    """``samurzai``, ``microzoft``: a letter too many, or another one. The lists hold the words less a letter."""
    for at in range(1, len(middle)):
        yield middle[:at] + middle[at + 1 :]


def _in_pig_latin(middle: str) -> Iterator[str]:
    """``asswordpay``, ``ckerhay``: the beginning after the rest, and ``ay``."""
    if middle.endswith("ay"):
        for moved in (1, 2):
            yield middle[-2 - moved : -2] + middle[: -2 - moved]


_DISGUISES: Final[tuple[tuple[re.Pattern[str], Callable[[str], Iterator[str]], float], ...]] = (
    (_MIDDLE, _turned, 1.0),
    (_MIDDLE, _masked, 0.5),
    (_MIDDLE, _deciphered, 1.0),
    (_SLIPPED, _slipped, 1.0),
    (_MIDDLE, _miswritten, 1.5),
    (_MIDDLE, _in_pig_latin, 0.5),
)
