"""Walks over the keys of qwerty, qwertz, azerty and keypad. No list is needed for these."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
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
_SAME, _RIGHT, _LEFT, _VERTICAL, _NEAR, _FAR = 0.3, 0.2, 0.4, 0.4, 0.7, 1.1
_TURN = 1.0
_SHORTEST, _LONGEST_PERIOD = 4, 4
_COLUMNS = frozenset(["wsx", "xsw", "edc", "cde", "rfv", "vfr", "tgb", "bgt", "yhn", "nhy", "ujm", "mju"])


def _step_prices() -> dict[int, float]:
    prices: dict[int, float] = {}
    for down in range(-3, 4):
        for right in range(-_REACH, _REACH + 1):
            near = abs(down) <= 1 and abs(right) <= 1
            prices[down * _ROW + right] = _NEAR if near else _FAR
    return prices | {0: _SAME, 1: _RIGHT, -1: _LEFT, _ROW: _VERTICAL, -_ROW: _VERTICAL}


_STEPS = _step_prices()
_NEAR_STEPS = frozenset(down * _ROW + right for down in (-1, 0, 1) for right in (-1, 0, 1)) - {0}


def _places(rows: Sequence[tuple[str, str]]) -> dict[str, int]:
    places: dict[str, int] = {}
    for row, pair in enumerate(rows):
        for line in pair:
            for column, char in enumerate(line):
                if char != " ":
                    places.setdefault(char, row * _ROW + column)
    return places


def _steps_between(rows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The step from one key to another within reach, by the two characters."""
    places = _places(rows)
    return {
        one + other: there - here
        for one, here in places.items()
        for other, there in places.items()
        if there - here in _STEPS
    }


_BOARDS = [(_steps_between(rows), _LAYOUT_PRICE[name]) for name, rows in _LAYOUTS.items()]


def walks(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """Runs over keys: straight (``asdf``), in a figure that repeats (``1qaz2wsx``), with turns (``asdfrewq``)."""
    folded = text.folded
    pairs = [one + other for one, other in itertools.pairwise(folded)]
    usual: list[int | None] = []
    for steps_between, layout_price in _BOARDS:
        steps = [steps_between.get(pair) for pair in pairs]
        if steps == usual:
            continue  # the same walk, on a dearer layout
        usual = usual or steps
        for start, end in runs([step is not None for step in steps], at_least=2):
            reached = [step for step in steps[start:end] if step is not None]
            # Among digits, every other one is a neighbour.
            turning = () if folded[start : end + 1].isdigit() else _turning(reached)
            for first, last, price in (*_figures(reached), *turning):
                begin, stop = start + first, start + last + 1
                if _is_meant(folded[begin:stop]):
                    yield begin, stop, price + layout_price + _span_price(text, begin, stop), "keyboard"


def _span_price(text: Text, start: int, end: int) -> float:
    """What it costs to choose the first key, the length, and the capitals."""
    first = _OBVIOUS_START if text.folded[start] in _CORNERS else _START
    return first + math.log10(end - start) + min(text.case_price(start, end), 1.0) / 2


def _is_meant(walk: str) -> bool:
    # Three letters in a row are met by chance, unless where a row begins (``qwe``, ``asd``) or as a whole column.
    return len(walk) >= _SHORTEST or walk[0] in "qaz" or walk.isdigit() or walk in _COLUMNS


def _figures(steps: Sequence[int]) -> Iterator[tuple[int, int, float]]:
    """Spans of steps that come again after one to four keys, with what the figure costs."""
    for period in range(1, _LONGEST_PERIOD + 1):
        at_least = 1 if period == 1 else 2
        if len(steps) < period + at_least:
            return
        again = [one == other for one, other in zip(steps, steps[period:], strict=False)]
        for start, end in runs(again, at_least):
            figure = steps[start : start + period]
            if any(figure):
                yield start, end + period, sum([_STEPS[step] for step in figure])


def _turning(steps: Sequence[int]) -> Iterator[tuple[int, int, float]]:
    """Spans of steps to neighbouring keys, by the number of turns."""
    for start, end in runs([step in _NEAR_STEPS for step in steps], at_least=3):
        turns = sum([steps[at] != steps[at + 1] for at in range(start, end - 1)])
        yield start, end, _STEPS[steps[start]] + _TURN * turns
