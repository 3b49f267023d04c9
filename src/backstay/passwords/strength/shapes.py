"""The outline of a password: which kinds of characters follow each other, and what an attacker makes of that.

Guessing goes by outline before it goes by content: known pieces put together in a usual order are tried before
the same pieces among strewn characters. What a machine draws has such an outline by rare chance only.
A new outline is a row in `_OUTLINES`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .text import Text

_WORD = r"(?:[A-Z]?[a-z]{3,}|[A-Z]{3,})"
_OUTLINES: Final[tuple[tuple[re.Pattern[str], float], ...]] = (
    # One word with its ends: the mask that most passwords under a composition rule fit.
    (re.compile(rf"[\W_]{{0,3}}{_WORD}(?:[\W_]{{0,3}}[0-9]{{1,6}}[\W_]{{0,3}}|[\W_]{{1,3}})"), 2.4),
    # The same with the digits before.
    (re.compile(rf"[0-9]{{1,6}}[\W_]{{0,2}}{_WORD}[\W_]{{0,3}}"), 1.2),
    # Two words that show where the second one begins, after a short one or none.
    (
        re.compile(
            r"(?:[A-Z][a-z]{0,3}[\W_]?)?[A-Za-z][a-z]{2,}[\W_]?[A-Z][a-z]{2,}"
            r"[\W_]?(?:[0-9]{0,3}|(?:19|20)[0-9]{2})[\W_]{0,2}"
        ),
        1.6,
    ),
    # Two words about a number.
    (re.compile(rf"{_WORD}[\W_]?[0-9]{{1,3}}[\W_]?[A-Za-z][a-z]{{2,}}[\W_]{{0,2}}"), 1.6),
)
_KNOWN_PIECES: Final = (2.4, 3.4, 1.6)
_IN_FULL_FROM = 9.0
_MOST_SIGNS = 3
# A capital in the midst of letters that begins no word.
_ODD_CAPITAL = re.compile(r"[a-z][A-Z](?![a-z]{2})")
_LONGEST = 24


def lowered(price: float, off: float) -> float:
    """A price less a rebate, which is smaller for what is cheap, so that the cheap keep their order."""
    return price - off * min(price / _IN_FULL_FROM, 1.0)


def rebates(text: Text) -> Sequence[float]:
    """What to take off where known pieces make up the whole, by the number of words: none, one, two.

    Nothing without a capital or a sign: these are put there to please a rule, in one of few ways.
    """
    return _KNOWN_PIECES if pleases(text) else ()


def pleases(text: Text) -> bool:
    """Whether there are capitals or signs, as composition rules demand, and no odder ones than people put there."""
    # Capitals throughout are the caps lock, and please no rule.
    mixed = 0 < text.uppers[-1] < text.letters[-1]
    if not text.letters[-1] or (not mixed and text.folded.isalnum()):
        return False
    signs = {char for char in text.folded if not char.isalnum()}
    return len(signs) <= _MOST_SIGNS and (text.uppers[-1] <= 1 or not _ODD_CAPITAL.search(_cased(text)))


def _cased(text: Text) -> str:
    return "".join([char.upper() if up else char for char, up in zip(text.folded, text.upper, strict=True)])


def outlined(text: Text) -> float:
    """What to take off for a whole password whose outline is usual, whatever it is made of."""
    if text.size > _LONGEST or not pleases(text):
        return 0.0
    cased = _cased(text)
    return max((price for outline, price in _OUTLINES if outline.fullmatch(cased)), default=0.0)
