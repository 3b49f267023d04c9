"""A password in the forms that matchers look at, and the piece that a matcher finds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TypeAlias

from .canonical import SUBSTITUTES, skeleton
from .lexicon import Lexicon

Piece: TypeAlias = tuple[int, int, float, str]
"""Start, end, log10 of its guesses, and its kind."""

_ALL_UPPER, _TITLE, _LAST_UPPER, _ALTERNATING, _CAMEL = 0.3, 0.2, 0.5, 0.7, 0.3


class Text:
    """A folded password and what can be read off it, all of one length. Not changed after construction."""

    __slots__ = ("bare", "folded", "letters", "size", "substitutes", "upper", "uppers")

    def __init__(self, folded: str, upper: Sequence[bool]) -> None:
        self.folded = folded
        self.bare = skeleton(folded)
        self.size = len(folded)
        self.upper = upper
        # Prefix sums make the price of a span's case and l33t independent of its length.
        self.uppers = _prefix_sums(upper)
        self.letters = _prefix_sums(map(str.isalpha, folded))
        self.substitutes = _prefix_sums([char in SUBSTITUTES for char in folded])

    def only(self, keep: Sequence[int]) -> Text:
        """The text at these positions only."""
        return Text("".join([self.folded[at] for at in keep]), [self.upper[at] for at in keep])

    def case_price(self, start: int, end: int) -> float:
        """What the capitals of a span add: usual ones little, others by the number of their choices."""
        capitals = self.uppers[end] - self.uppers[start]
        if not capitals:
            return 0.0
        letters = self.letters[end] - self.letters[start]
        if capitals == letters:
            return _ALL_UPPER
        if capitals == 1:
            if self.upper[start]:
                return _TITLE
            if self.upper[end - 1]:
                return _LAST_UPPER
        if abs(2 * capitals - letters) <= 1 and self._alternates(start, end):
            return _ALTERNATING
        price = _choices(letters, min(capitals, letters - capitals))
        # ``IloveYou``: capitals where words begin.
        return min(price, _TITLE + _CAMEL * (capitals - 1)) if self.upper[start] else price

    def _alternates(self, start: int, end: int) -> bool:
        upper = self.upper
        return all(upper[at] != upper[at + 1] for at in range(start, end - 1))


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the attacker goes by: the lists, and the texts known of this user at their prices."""

    lexicon: Lexicon
    tokens: Mapping[str, float]


def runs(flags: Sequence[bool], at_least: int = 1) -> Iterator[tuple[int, int]]:
    """Where flags are set in a row, as (start, end); runs shorter than `at_least` are left out."""
    at = 0
    while True in flags[at:]:
        start = flags.index(True, at)
        at = flags.index(False, start) if False in flags[start:] else len(flags)
        if at - start >= at_least:
            yield start, at


def _prefix_sums(flags: Iterable[bool]) -> list[int]:
    return list(accumulate(flags, initial=0))


_MOST_LETTERS: Final = 32
_CHOICES = [
    [math.log10(sum(math.comb(n, i) for i in range(1, k + 1)) or 1) for k in range(_MOST_LETTERS // 2 + 1)]
    for n in range(_MOST_LETTERS + 1)
]


def _choices(of: int, at_most: int) -> float:
    """log10 of the ways to pick up to that many of them."""
    return _CHOICES[min(of, _MOST_LETTERS)][min(at_most, _MOST_LETTERS // 2)]
