"""The cheapest way to put a password together from pieces, and what a character costs where none fits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .text import Piece, Text

_JOINT = 0.2
_FREE_WORDS, _MORE_WORDS = 2, 1.5
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
    """A dynamic programme over positions and the number of words so far.

    Every joint of two pieces costs the choice of where it is. One or two words (and an ``and``) are what people
    choose and attackers try; every further one costs more, for it makes a passphrase.
    """
    by_start: list[list[Piece]] = [[(at, at + 1, random[at], "random")] for at in range(size)]
    for piece in pieces:
        by_start[piece[0]].append(piece)
    # best[at][words] is the cheapest way to `at` with that many words, the last count standing for all beyond.
    best = [[math.inf] * (_FREE_WORDS + 1) for _ in range(size + 1)]
    come: list[dict[int, tuple[int, Piece]]] = [{} for _ in range(size + 1)]
    best[0][0] = 0.0
    for at in range(size):
        for words, here in enumerate(best[at]):
            if here < math.inf:
                _extend(by_start[at], words, here, best, come)
    words = min(range(_FREE_WORDS + 1), key=best[size].__getitem__)
    return _retraced(size, words, best[size][words], come)


def _extend(
    pieces: Sequence[Piece],
    words: int,
    here: float,
    best: Sequence[list[float]],
    come: Sequence[dict[int, tuple[int, Piece]]],
) -> None:
    """Try every piece after the cheapest way that leads to its start."""
    for piece in pieces:
        start, end, price, kind = piece
        price += here if not start or kind == "random" else here + _JOINT
        counted = words
        if kind == "word" and end - start >= _SHORTEST_CHOSEN:
            if words == _FREE_WORDS:
                price += _MORE_WORDS
            else:
                counted += 1
        if price < best[end][counted]:
            best[end][counted] = price
            come[end][counted] = words, piece


def _retraced(size: int, words: int, price: float, come: Sequence[dict[int, tuple[int, Piece]]]) -> Cover:
    longest, kind, at = 0, "random", size
    while at:
        words, (start, _, _, found) = come[at][words]
        if found != "random" and at - start > longest:
            longest, kind = at - start, found
        at = start
    return Cover(price, kind, longest)


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
