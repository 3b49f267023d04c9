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

_ENDED = 1.6
# One word with its ends: the mask that most passwords under a composition rule fit.
_ENDED_WORD = r"[\W_]{0,3}(?:[A-Z]?[a-z]{3,}|[A-Z]{3,})(?:[\W_]{0,3}[0-9]{1,6}[\W_]{0,3}|[\W_]{1,3})"
_OUTLINES: Final[tuple[tuple[re.Pattern[str], float], ...]] = ((re.compile(_ENDED_WORD), _ENDED),)
_KNOWN_PIECES: Final = (2.4, 2.4, 1.2)
_LONGEST = 24


def rebates(text: Text) -> Sequence[float]:
    """What to take off where known pieces make up the whole, by the number of words: none, one, two.

    Nothing without a capital or a sign: these are put there to please a rule, in one of few ways.
    """
    pleasing = text.letters[-1] and (text.uppers[-1] or not text.folded.isalnum())
    return _KNOWN_PIECES if pleasing else ()


def outlined(text: Text) -> float:
    """What to take off for a whole password whose outline is usual, whatever it is made of."""
    if text.size > _LONGEST:
        return 0.0
    cased = "".join([char.upper() if up else char for char, up in zip(text.folded, text.upper, strict=True)])
    return max((price for outline, price in _OUTLINES if outline.fullmatch(cased)), default=0.0)
