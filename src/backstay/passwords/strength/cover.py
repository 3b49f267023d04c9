"""The cheapest way to put a password together from pieces, and what a character costs where none fits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .shapes import lowered, rebates
from .text import Piece, Text

_JOINT = 0.2
_FREE_WORDS, _MORE_WORDS = 2, 2.0
_DEAREST_KNOWN = 5.2  # a piece that takes more guesses is as good as strewn
_SHORTEST_CHOSEN, _CHOSEN = 4, frozenset({"word", "keyboard"})
_TRIGRAM_CAP = 1.8
_DIGIT = 1.0
_CAPITAL = 0.3
_LETTER_CODES = {char: code for code, char in enumerate("abcdefghijklmnopqrstuvwxyz", start=1)}
# One or two letters among digits are not the start of a word.
_SPELLED = re.compile(r"[a-z]{3,}")
_AMONG_DIGITS = re.compile(r"[a-z][0-9]+[a-z]")


_Step: TypeAlias = "tuple[int, Piece | None]"
"""The state before, and the piece that led on; None for a character that no piece covers."""

# A state is the number of words so far, the last one standing for all beyond, and whether anything was strewn among
# the pieces: a character, other than a digit, that none of them covers.
_BEYOND = _FREE_WORDS + 1
_STATES = 2 * (_BEYOND + 1)
_STREWN = 1
_ONE_WORD, _TWO_WORDS = 2, 4


@dataclass(frozen=True, slots=True)
class Cover:
    """The price of the whole, and the kind and length of the longest piece that is in it."""

    price: float
    kind: str
    longest: int


def cheapest(text: Text, pieces: Iterable[Piece], loose: Sequence[float]) -> Cover:
    """A dynamic programme over positions, the number of words so far, and whether something is strewn among them.

    Every joint of two pieces costs the choice of where it is. One or two words (and an ``and``) are what people
    choose and attackers try; every further one costs more, for it makes a passphrase. Where known pieces make up
    the whole, `shapes` takes something off. `loose` is the price of each character where no piece covers it.
    """
    size, folded = text.size, text.folded
    by_start: list[list[Piece]] = [[] for _ in range(size)]
    for piece in pieces:
        by_start[piece[0]].append(piece)
    best = [[math.inf] * _STATES for _ in range(size + 1)]
    come: list[list[_Step | None]] = [[None] * _STATES for _ in range(size + 1)]
    best[0][0] = 0.0
    for at, price in enumerate(loose):
        after, step = best[at + 1], come[at + 1]
        strewn = 0 if folded[at].isdigit() else _STREWN
        for state, here in _undominated(best[at]):
            to = state | strewn
            if here + price < after[to]:
                after[to], step[to] = here + price, (state, None)
            if by_start[at]:
                _extend(by_start[at], state, here + _JOINT if at else here, best, come)
    prices = best[size]
    for words, off in enumerate(rebates(text)):
        prices[2 * words] = lowered(prices[2 * words], off)
    state = min(range(_STATES), key=prices.__getitem__)
    return _retraced(text, state, prices[state], come)


def _undominated(row: Sequence[float]) -> Iterator[tuple[int, float]]:
    """The states that no other one betters in price, words, and what is strewn.

    One word takes more off at the end than none does (see `rebates`): a state without any rules out none with one.
    """
    none_tidy = none_untidy = tidy = untidy = math.inf
    for state, price in enumerate(row):
        if state == _ONE_WORD:
            none_tidy, none_untidy, tidy, untidy = tidy, untidy, math.inf, math.inf
        elif state == _TWO_WORDS:
            tidy, untidy = min(tidy, none_tidy), min(untidy, none_untidy)
        if price < tidy and (not state & _STREWN or price < untidy):
            yield state, price
            if state & _STREWN:
                untidy = price
            else:
                tidy = price


def _extend(
    pieces: Sequence[Piece],
    state: int,
    here: float,
    best: Sequence[list[float]],
    come: Sequence[list[_Step | None]],
) -> None:
    """Try every piece after the cheapest way that leads to its start."""
    more = _MORE_WORDS if state >= 2 * _FREE_WORDS else 0.0
    counted = 0 if state >= 2 * _BEYOND else 2
    for piece in pieces:
        start, end, price, kind = piece
        to = state | _STREWN if price > _DEAREST_KNOWN else state
        price += here
        if end - start >= _SHORTEST_CHOSEN and kind in _CHOSEN:
            price += more
            to += counted
        if price < best[end][to]:
            best[end][to] = price
            come[end][to] = state, piece


def _retraced(text: Text, state: int, price: float, come: Sequence[Sequence[_Step | None]]) -> Cover:
    longest, kind, at = 0, "random", text.size
    while at and (step := come[at][state]) is not None:
        state, piece = step
        if piece is None:
            at -= 1
            continue
        if at - piece[0] > longest:
            longest, kind = at - piece[0], piece[3]
        at = piece[0]
    return Cover(price, kind, longest)


def random_prices(text: Text, trigrams: Sequence[float]) -> list[float]:
    """The price of each character where no piece covers it: by its alphabet, or by how usual a letter is there."""
    alphabet = math.log10(_alphabet(text))
    prices = [alphabet] * text.size
    if not _AMONG_DIGITS.search(text.folded):
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
