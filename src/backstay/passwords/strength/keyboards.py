"""Walks over the keys of qwerty, qwertz, azerty and keypad. No list is needed for these."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .text import Knowledge, Piece, Text, runs

# Rows of keys from the top; the second string of a pair has what Shift makes of the same keys. Row n is
# shifted right by a fraction of a key, which column steps of 0 and ±1 absorb.
_LAYOUTS: Final = {
    "qwerty": [
        ("`1234567890-=", "~!@#$%^&*()_+"),
        (" qwertyuiop[]", " qwertyuiop{}"),
        (" asdfghjkl;'", ' asdfghjkl:"'),
        (" zxcvbnm,./", " zxcvbnm<>?"),
    ],
    "qwertz": [
        ("^1234567890ß´", '°!"§$%&/()=?`'),
        (" qwertzuiopü+", " qwertzuiopü*"),
        (" asdfghjklöä#", " asdfghjklöä'"),
        (" yxcvbnm,.-", " yxcvbnm;:_"),
    ],
    "azerty": [
        ("²&é\"'(-è_çà)=", " 1234567890°+"),
        (" azertyuiop^$", " azertyuiop¨£"),
        (" qsdfghjklmù*", " qsdfghjklm%µ"),
        (" wxcvbn,;:!", " wxcvbn?./§"),
    ],
    "keypad": [("789", "   "), ("456", "   "), ("123", "   "), (" 0 ", "   ")],
}
_LAYOUT_PRICE = {"qwerty": 0.0, "qwertz": 0.3, "azerty": 0.4, "keypad": 0.2}
_ROW = 64  # far more than a row has keys, so that a difference of two places says which step it was
_REACH = 4

_OBVIOUS_START, _START = 0.6, 1.2
_CORNERS = frozenset("1qaz0plm379yw&")
_RIGHT, _LEFT, _VERTICAL, _NEAR, _FAR = 0.2, 0.4, 0.4, 0.7, 1.1
_TURN = 1.0
_SHORTEST, _LONGEST_PERIOD = 4, 4


def _step_prices() -> dict[int, float]:
    prices: dict[int, float] = {}
    for down in range(-3, 4):
        for right in range(-_REACH, _REACH + 1):
            near = abs(down) <= 1 and abs(right) <= 1
            prices[down * _ROW + right] = _NEAR if near else _FAR
    return prices | {0: 0.3, 1: _RIGHT, -1: _LEFT, _ROW: _VERTICAL, -_ROW: _VERTICAL}


_STEPS = _step_prices()
_NEAR_STEPS = frozenset(down * _ROW + right for down in (-1, 0, 1) for right in (-1, 0, 1)) - {0}


@dataclass(frozen=True, slots=True)
class _Board:
    places: dict[str, int]
    price: float


def _places(rows: Sequence[tuple[str, str]]) -> dict[str, int]:
    places: dict[str, int] = {}
    for row, pair in enumerate(rows):
        for line in pair:
            for column, char in enumerate(line):
                if char != " ":
                    places.setdefault(char, row * _ROW + column)
    return places


_BOARDS = [_Board(_places(rows), _LAYOUT_PRICE[name]) for name, rows in _LAYOUTS.items()]


def walks(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """Runs over keys: straight (``asdf``), in a figure that repeats (``1qaz2wsx``), or with turns (``asdfrewq``)."""
    for board in _BOARDS:
        get = board.places.get
        # A character that the board has not lies far from everything, and from others of its kind.
        places = [get(char, 1 << 20 + at) for at, char in enumerate(text.folded)]
        steps = [after - before for before, after in zip(places, places[1:], strict=False)]
        for start, end, price in (*_figures(steps, text.folded), *_turning(steps, text.folded)):
            # Three letters in a row are met by chance, unless where a row begins (``qwe``, ``asd``).
            if end - start >= _SHORTEST or text.folded[start] in "qaz" or text.folded[start:end].isdigit():
                case = min(text.case_price(start, end), 1.0) / 2
                yield start, end, price + board.price + case, "keyboard"


def _figures(steps: Sequence[int], folded: str) -> Iterator[tuple[int, int, float]]:
    """Spans whose steps come again after one to four keys."""
    for period in range(1, _LONGEST_PERIOD + 1):
        again = [one == other for one, other in zip(steps, steps[period:], strict=False)]
        for start, end in runs(again, at_least=1 if period == 1 else 2):
            figure = steps[start : start + period]
            if any(figure) and all(step in _STEPS for step in figure):
                price = sum([_STEPS[step] for step in figure]) + math.log10(end - start + period + 1)
                yield start, end + period + 1, price + _start_price(folded[start])


def _turning(steps: Sequence[int], folded: str) -> Iterator[tuple[int, int, float]]:
    """Spans from key to neighbouring key, by the number of turns."""
    for start, end in runs([step in _NEAR_STEPS for step in steps], at_least=3):
        if folded[start : end + 1].isdigit():
            continue  # among digits, every other one is a neighbour
        turns = sum([steps[at] != steps[at + 1] for at in range(start, end - 1)])
        price = _start_price(folded[start]) + _STEPS[steps[start]] + _TURN * turns + math.log10(end - start + 1)
        yield start, end + 1, price


def _start_price(char: str) -> float:
    return _OBVIOUS_START if char in _CORNERS else _START
