"""What a password may be made of, found piece by piece: words, user data, and ends.

A piece is ``(end, price, kind)``, filed under its start. Prices are log10 of guesses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from .canonical import is_substitute, skeleton
from .lexicon import Lexicon

Piece: TypeAlias = tuple[int, float, str]

REVERSED = 0.5
_L33T, _PER_SUBSTITUTE = 0.3, 0.2
_ALL_UPPER, _TITLE, _LAST_UPPER, _ALTERNATING = 0.3, 0.4, 0.5, 0.7


class Text:
    """A password in the forms that matchers look at, all of one length."""

    __slots__ = ("bare", "folded", "letters", "size", "substitutes", "upper", "uppers")

    def __init__(self, folded: str, upper: Sequence[bool]) -> None:
        self.folded = folded
        self.bare = skeleton(folded)
        self.size = len(folded)
        self.upper = upper
        # Prefix sums make the price of a span's case and l33t independent of its length.
        self.uppers = _prefix_sums(upper)
        self.letters = _prefix_sums([char.isalpha() for char in folded])
        self.substitutes = _prefix_sums([is_substitute(char) for char in folded])

    def reversed(self) -> Text:
        """The same text read from the end."""
        return Text(self.folded[::-1], self.upper[::-1])

    def without(self, keep: Sequence[int]) -> Text:
        """The text at these positions only."""
        return Text("".join(self.folded[at] for at in keep), [self.upper[at] for at in keep])

    def case_price(self, start: int, end: int) -> float:
        """What the capitals of a span add.

        Conventional ones little, others by the number of their choices.
        """
        capitals = self.uppers[end] - self.uppers[start]
        if not capitals:
            return 0.0
        letters = self.letters[end] - self.letters[start]
        if capitals == letters:
            return _ALL_UPPER if letters > 1 else _TITLE
        if capitals == 1:
            if self.upper[start]:
                return _TITLE
            if self.upper[end - 1]:
                return _LAST_UPPER
        if abs(2 * capitals - letters) <= 1 and self._alternates(start, end):
            return _ALTERNATING
        return choices(letters, min(capitals, letters - capitals))

    def _alternates(self, start: int, end: int) -> bool:
        upper = self.upper
        return all(upper[at] != upper[at + 1] for at in range(start, end - 1))


def _prefix_sums(flags: Sequence[bool]) -> list[int]:
    sums = [0]
    for flag in flags:
        sums.append(sums[-1] + flag)
    return sums


_CHOICES = [[math.log10(sum(math.comb(n, i) for i in range(1, k + 1)) or 1) for k in range(17)] for n in range(33)]


def choices(of: int, at_most: int) -> float:
    """log10 of the ways to pick up to that many of them."""
    return _CHOICES[min(of, 32)][min(at_most, 16)]


def add_words(pieces: list[list[Piece]], text: Text, lexicon: Lexicon) -> None:
    """Words of the lists as they are, capitalised, in l33t spelling, or reversed."""
    for start, end, price in _words(text, lexicon, shortest=3):
        pieces[start].append((end, price, "word"))
    size = text.size
    for start, end, price in _words(text.reversed(), lexicon, shortest=4):
        pieces[size - end].append((size - start, price + REVERSED, "word"))


def _words(text: Text, lexicon: Lexicon, *, shortest: int) -> list[tuple[int, int, float]]:
    found: list[tuple[int, int, float]] = []
    folded, bare, size = text.folded, text.bare, text.size
    words, lengths = lexicon.words, lexicon.lengths
    plain = text.uppers[-1] == 0
    for start in range(size - 2):
        for length in lengths.get(bare[start : start + 3], ()):
            end = start + length
            if end > size:
                break
            if length < shortest:
                continue
            price = words.get(folded[start:end])
            if price is None:
                price = _l33t_price(text, words, start, end) if length >= 4 else None
                if price is None:
                    continue
            found.append((start, end, price if plain else price + text.case_price(start, end)))
    return found


def _l33t_price(text: Text, words: Mapping[str, float], start: int, end: int) -> float | None:
    price = words.get(text.bare[start:end])
    # Something written in symbols alone is no word to anybody.
    if price is None or text.letters[end] == text.letters[start]:
        return None
    substitutes = text.substitutes[end] - text.substitutes[start]
    return price + _L33T + _PER_SUBSTITUTE * substitutes


def add_tokens(pieces: list[list[Piece]], text: Text, tokens: Mapping[str, float]) -> None:
    """What is known of the user or the service, straight, in l33t spelling, and reversed."""
    for token, price in tokens.items():
        bare = skeleton(token)
        forms = ((text.folded, token, price), (text.bare, bare, price + _L33T))
        for haystack, needle, at_price in forms:
            _add_occurrences(pieces, text, haystack, needle, at_price)
            _add_occurrences(pieces, text, haystack, needle[::-1], at_price + REVERSED)


def _add_occurrences(pieces: list[list[Piece]], text: Text, haystack: str, needle: str, price: float) -> None:
    at = haystack.find(needle)
    while at >= 0:
        end = at + len(needle)
        pieces[at].append((end, price + text.case_price(at, end), "user"))
        at = haystack.find(needle, at + 1)


# In the order in which people append them.
_SYMBOLS = "!.@#$*_-?&+%=,/ ()~^"
_SYMBOL_PRICE = {symbol: math.log10(rank) + 0.1 for rank, symbol in enumerate(_SYMBOLS, start=1)}
_RARE_SYMBOL = 1.5
_FIRST_YEAR, _LAST_YEAR, _RECENT = 1930, 2039, 2012


def add_ends(pieces: list[list[Piece]], text: Text, lexicon: Lexicon) -> None:
    """Symbols by how usual they are, and the digits that people put after a word."""
    folded, size, tails = text.folded, text.size, lexicon.tails
    at = 0
    while at < size:
        char = folded[at]
        if char.isdigit():
            run = at
            while run < size and folded[run].isdigit():
                run += 1
            _add_digits(pieces, folded, at, run, tails)
            at = run
            continue
        if not char.isalpha():
            run = at
            while run < size and folded[run] == char:
                run += 1
            price = _SYMBOL_PRICE.get(char, _RARE_SYMBOL)
            pieces[at].append((at + 1, price, "symbol"))
            if run - at > 1:
                pieces[at].append((run, price + math.log10(run - at), "repeat"))
            at = run
            continue
        at += 1


def _add_digits(pieces: list[list[Piece]], folded: str, start: int, end: int, tails: Mapping[str, float]) -> None:
    # Only at the end of a run: inside twelve random digits, every pair would be somebody's usual tail.
    # And a single digit between letters is no tail either, unless it ends the password.
    ends = end == len(folded) or not folded[end].isalpha()
    for at in range(max(start, end - 4), end if ends else end - 1):
        piece = folded[at:end]
        price = tails.get(piece, float(len(piece)))
        if len(piece) == 4 and _FIRST_YEAR <= int(piece) <= _LAST_YEAR:
            price = min(price, 1.3 if int(piece) >= _RECENT else 1.9)
        if price < len(piece):
            pieces[at].append((end, price, "year" if len(piece) == 4 else "digits"))
    if end - start > 4 and folded[start : start + 4].isascii():
        year = int(folded[start : start + 4])
        if end - start <= 8 and _FIRST_YEAR <= year <= _LAST_YEAR:
            pieces[start].append((start + 4, 1.9, "year"))
