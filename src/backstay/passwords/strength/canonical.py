"""The forms in which a password is compared with a list: folded, and as a skeleton.

Both have one character per character of the password that was folded, so that a position found in one means
the same in the other.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Every character that stands for another one in "l33t" spelling falls on one letter, in the password *and* in
# the list. A substitution then costs one more look-up and never a branch: there is nothing for hostile input
# to multiply.
_CLASSES = {
    "a": "4@^",
    "b": "8",
    "c": "({[<",
    "e": "3€",
    "g": "69q",
    "i": "1!|l¡",
    "o": "0",
    "s": "5$",
    "t": "7+",
    "x": "%*",
    "z": "2",
}
_SKELETON = str.maketrans({look: letter for letter, looks in _CLASSES.items() for look in looks})
SUBSTITUTES: Final = frozenset(char for looks in _CLASSES.values() for char in looks if not char.isalpha())
"""Folded characters that are no letters and stand for one in l33t spelling."""

# Letters with a stroke, and joined ones, which no decomposition takes apart.
_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
# Cyrillic and Greek letters that look like Latin ones.
_ALIKE = str.maketrans("аеорсухіјѕԁһкмтвαορτυκνι", "aeopcyxijsdhkmtbaoptukvi")
_LATIN = re.compile("[a-z]")


def fold(text: str) -> str:
    """The text without case, marks, and compatibility forms. Not reversible and never stored."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    decomposed = unicodedata.normalize("NFKD", decomposed)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char)).translate(_STROKES)
    # Among Latin letters, a look-alike stands for one. A text that is Cyrillic throughout stays what it is.
    return bare.translate(_ALIKE) if _LATIN.search(bare) else bare


def skeleton(folded: str) -> str:
    """The folded text with every l33t class collapsed to its letter."""
    return folded.translate(_SKELETON)
