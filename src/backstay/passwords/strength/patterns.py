"""What hands and calendars make: walks over keyboards, sequences, dates. No list is needed for these."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from .pieces import Piece, Text

_Step: TypeAlias = "tuple[int, int] | None"

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
_LAYOUT_PRICE = {"qwerty": 0.0, "qwertz": 0.5, "azerty": 0.6, "keypad": 0.3}
_KEYS = 1.7  # log10 of the keys to start from
_NEAR, _FAR = 0.9, 1.4
_REACH = 4


def _keys(rows: Sequence[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    keys: dict[str, tuple[int, int]] = {}
    for row, pair in enumerate(rows):
        for line in pair:
            for column, char in enumerate(line):
                if char != " ":
                    keys.setdefault(char, (row, column))
    return keys


_BOARDS = [(_keys(rows), _LAYOUT_PRICE[name]) for name, rows in _LAYOUTS.items()]


def add_walks(pieces: list[list[Piece]], text: Text) -> None:
    """Runs over neighbouring keys, straight (``asdf``) or in a figure that repeats (``1qaz2wsx``)."""
    if text.size < 4:
        return
    for keys, layout_price in _BOARDS:
        places = [keys.get(char) for char in text.folded]
        steps = [_step(one, other) for one, other in itertools.pairwise(places)]
        for period in (1, 2, 3, 4):
            for start, end in _periodic(steps, period):
                price = _KEYS + layout_price + sum(_step_price(steps[at]) for at in range(start, start + period))
                price += math.log10(end - start) + min(text.case_price(start, end), 1.0) / 2
                pieces[start].append((end, price, "keyboard"))


def _step(one: tuple[int, int] | None, other: tuple[int, int] | None) -> _Step:
    if one is None or other is None:
        return None
    down, right = other[0] - one[0], other[1] - one[1]
    return (down, right) if abs(right) <= _REACH else None


def _step_price(step: _Step) -> float:
    return _NEAR if step is not None and max(abs(step[0]), abs(step[1])) <= 1 else _FAR


def _periodic(steps: Sequence[_Step], period: int) -> Iterator[tuple[int, int]]:
    """Character spans whose key steps repeat with that period, and show at least two more than it needs."""
    at = 0
    size = len(steps)
    while at + period < size:
        end = at + period
        while end < size and steps[end] is not None and steps[end] == steps[end - period]:
            end += 1
        moves = any(steps[i] not in {None, (0, 0)} for i in range(at, min(at + period, size)))
        if end - at >= period + 2 - (period == 1) and moves and None not in steps[at:end]:
            yield at, end + 1
            if period > 1:
                at = max(at + 1, end - period)
                continue
            at = end
        else:
            at += 1


_OBVIOUS = frozenset("a1z90")


def add_sequences(pieces: list[list[Piece]], text: Text) -> None:
    """Characters at a constant distance (``abcd``, ``2468``), the same one again, or two such interleaved."""
    codes = [ord(char) for char in text.folded]
    for stride in (1, 2):
        gaps = [codes[at + stride] - codes[at] for at in range(len(codes) - stride)]
        at = 0
        while at < len(gaps):
            end = at
            while end < len(gaps) and gaps[end] == gaps[at + (end - at) % stride] and abs(gaps[end]) <= 3:
                end += 1
            if end - at >= (2 if stride == 1 else 4):
                price = _sequence_price(text, at, end + stride, gaps, stride)
                pieces[at].append((end + stride, price, "repeat" if not any(gaps[at:end]) else "sequence"))
            at = max(at + 1, end - (stride - 1))


def _sequence_price(text: Text, start: int, end: int, gaps: Sequence[int], stride: int) -> float:
    price = math.log10(end - start) + min(text.case_price(start, end), 1.0) / 2
    for at in range(start, start + stride):
        char = text.folded[at]
        price += 0.6 if char in _OBVIOUS else 1.0 if char.isdigit() else 1.5
        price += {0: 0.0, 1: 0.0, -1: 0.3}.get(gaps[at], 0.9)
    return price


_SEPARATED = re.compile(r"(?=(\d{1,4})([-/._, ])(\d{1,2})\2(\d{4}|\d{2})(?!\d))")
_QUARTER = re.compile(r"(?=(?:q[1-4]|h[12]|fy)[-_./ ]?(?:20)?[0-4]\d(?!\d))")
_SHORT_DATE, _DATE, _LONG_DATE, _SEPARATED_DATE = 2.7, 4.3, 4.4, 4.8


def add_dates(pieces: list[list[Piece]], text: Text) -> None:
    """Days written in any common order, with or without separators, where a run of digits begins or ends."""
    folded = text.folded
    for run in re.finditer(r"\d+", folded):
        start, end = run.span()
        digits = run.group()
        # Tied to a whole run: a date inside random digits is chance.
        if len(digits) == 4 and is_day(digits):
            pieces[start].append((end, _SHORT_DATE, "date"))
        elif len(digits) == 6 and any(is_day(part) for part in (digits[:4], digits[2:])):
            pieces[start].append((end, _DATE, "date"))
        elif len(digits) == 8 and _is_long_date(digits):
            pieces[start].append((end, _LONG_DATE, "date"))
    for match in _SEPARATED.finditer(folded):
        start = match.start()
        if start == 0 or not folded[start - 1].isdigit():
            end = start + sum(len(match.group(at)) for at in (1, 2, 3, 4)) + 1
            pieces[start].append((end, _SEPARATED_DATE, "date"))
    for match in _QUARTER.finditer(folded):
        end = match.start() + 2
        while end < text.size and (folded[end].isdigit() or folded[end] in "-_./ "):
            end += 1
        pieces[match.start()].append((end, 2.5, "date"))


def is_day(four: str) -> bool:
    """Whether four digits are a day and a month, in either order."""
    if not four.isascii():
        return False
    one, other = int(four[:2]), int(four[2:])
    return (1 <= one <= 12 and 1 <= other <= 31) or (1 <= one <= 31 and 1 <= other <= 12)


def _is_long_date(eight: str) -> bool:
    return (eight[:2] in {"19", "20"} and is_day(eight[4:])) or (eight[4:6] in {"19", "20"} and is_day(eight[:4]))


_PAIRS: Mapping[str, float] = {"aa": 0.6, "ab": 0.6, "qq": 0.9, "az": 1.0, "zz": 1.0, "xx": 1.0, "qw": 0.9}


def add_composition_pairs(pieces: list[list[Piece]], text: Text) -> None:
    """``Aa``, ``Qq`` and the like: two letters that are there for a composition rule and nothing else."""
    for start in range(text.size - 1):
        if text.upper[start] and not text.upper[start + 1]:
            pair = text.folded[start : start + 2]
            price = _PAIRS.get(pair, 1.4 if pair[0] == pair[1] and pair.isalpha() else None)
            if price is not None:
                pieces[start].append((start + 2, price, "sequence"))
