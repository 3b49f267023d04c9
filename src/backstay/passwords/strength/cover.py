"""The cheapest way to put a password together from pieces, and what a character costs where none fits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .text import Piece, Text

_JOINT = 0.2
_MORE_WORDS = 1.5
_SHORTEST_CHOSEN = 4
_TRIGRAM_CAP = 1.6
_DIGIT = 1.0
_CAPITAL = 0.3
_LETTER_CODES = {char: code for code, char in enumerate("abcdefghijklmnopqrstuvwxyz", start=1)}
# One or two letters among digits are not the start of a word.
_SPELLED = re.compile(r"[a-z]{3,}")
_STREWN = re.compile(r"[a-z][0-9]+[a-z]")


@dataclass(frozen=True, slots=True)
class Cover:
    """The price of the whole, and the kind and length of the longest piece that is in it."""

    price: float
    kind: str
    longest: int


def cheapest(size: int, pieces: Iterable[Piece], random: Sequence[float]) -> Cover:
    """A dynamic programme over positions. Every joint of two pieces costs the choice of where it is."""
    by_start: list[list[Piece]] = [[] for _ in range(size)]
    for piece in pieces:
        by_start[piece[0]].append(piece)
    best = [0.0] + [math.inf] * size
    last: list[Piece] = [(0, 0, 0.0, "random")] * (size + 1)
    for at in range(size):
        here = best[at]
        price = here + random[at]
        if price < best[at + 1]:
            best[at + 1] = price
            last[at + 1] = (at, at + 1, price, "random")
        if at:
            here += _JOINT
        for piece in by_start[at]:
            price = here + piece[2]
            if price < best[piece[1]]:
                best[piece[1]] = price
                last[piece[1]] = piece
    return _retraced(size, best[size], last)


def _retraced(size: int, price: float, last: Sequence[Piece]) -> Cover:
    longest, kind, words, at = 0, "random", 0, size
    while at:
        start, _, _, found = last[at]
        words += found == "word" and at - start >= _SHORTEST_CHOSEN
        if found != "random" and at - start > longest:
            longest, kind = at - start, found
        at = start
    # One or two words (and an ``and``) are what people choose and attackers try. More are a passphrase.
    return Cover(price + _MORE_WORDS * max(words - 2, 0), kind, longest)


def random_prices(text: Text, trigrams: Sequence[float]) -> list[float]:
    """The price of each character where no piece covers it: by its alphabet, or by how usual a letter is there."""
    alphabet = math.log10(_alphabet(text))
    prices = [alphabet] * text.size
    if not _STREWN.search(text.folded):
        # Digits strewn among letters were drawn from the whole alphabet; a run of them was chosen as digits.
        digit = min(_DIGIT, alphabet)
        prices = [digit if char.isdigit() else alphabet for char in text.folded]
    mixed = 1 < text.uppers[-1] < text.letters[-1]
    for match in _SPELLED.finditer(text.folded):
        first = second = 0
        for at in range(*match.span()):
            code = _LETTER_CODES[text.folded[at]]
            price = min(trigrams[(first * 27 + second) * 27 + code], _TRIGRAM_CAP)
            prices[at] = price + _CAPITAL if mixed or (at and text.upper[at]) else price
            first, second = second, code
    return prices


_LETTERS, _DIGITS, _SIGNS, _FOREIGN, _CHINESE = 26, 10, 33, 40, 2_000
_FIRST_CHINESE = "\u2e80"
_FEWEST = 10


def _alphabet(text: Text) -> int:
    """The size of the alphabet that a random password with these characters would have been drawn from."""
    folded = text.folded
    ascii_text = folded if folded.isascii() else "".join(filter(str.isascii, folded))
    size = 0
    if not ascii_text.isdecimal():
        if any(map(str.isalpha, ascii_text)):
            size += _LETTERS if text.uppers[-1] in {0, text.letters[-1]} else 2 * _LETTERS
        if ascii_text and not ascii_text.isalnum():
            size += _SIGNS
    if any(map(str.isdigit, ascii_text)):
        size += _DIGITS
    if ascii_text is not folded:
        size += _CHINESE if max(folded) >= _FIRST_CHINESE else _FOREIGN
    return max(size, _FEWEST)
