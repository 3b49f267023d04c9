"""Characters at a constant distance, and texts that come again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from .text import Knowledge, Piece, Text, runs

_OBVIOUS = frozenset("a1z90")
_WIDEST_GAP = 3
_SHORTEST_WIDE = 4
_GAP_PRICE = {0: 0.0, 1: 0.0, -1: 0.3}


def sequences(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """``abcd``, ``2468``, the same character again, or up to three such by turns."""
    codes = [ord(char) for char in text.folded]
    for stride in (1, 2, 3):
        gaps = [after - before for before, after in zip(codes, codes[stride:], strict=False)]
        same = [one == other for one, other in zip(gaps, gaps[stride:], strict=False)]
        for start, end in runs(same, at_least=stride):
            pattern = gaps[start : start + stride]
            stop = end + 2 * stride
            # Three letters at some distance are met by chance; three that follow each other hardly.
            widest = 1 if stop - start < _SHORTEST_WIDE else _WIDEST_GAP
            if all(abs(gap) <= widest for gap in pattern):
                kind = "sequence" if any(pattern) else "repeat"
                yield start, stop, _price(text, start, stop, pattern), kind


def _price(text: Text, start: int, end: int, pattern: Sequence[int]) -> float:
    price = math.log10(end - start) + min(text.case_price(start, end), 1.0) / 2
    for at, gap in enumerate(pattern, start=start):
        char = text.folded[at]
        price += 0.5 if char in _OBVIOUS else 0.8 if char.isdigit() else 1.2
        price += _GAP_PRICE.get(gap, 0.6)
    return price


_REPEATED = re.compile(r"(.{2,24}?)\1+", re.DOTALL)
_MOST_REPEATS = 4
AGAIN = 0.2
"""What it adds that a text comes again, beside the logarithm of how often."""


def repeated(folded: str) -> Iterator[tuple[int, int, int]]:
    """Texts that come again at once, as (start, end, width of one). Few: each is judged on its own."""
    for found, match in enumerate(_REPEATED.finditer(folded)):
        if found == _MOST_REPEATS:
            return
        yield match.start(), match.end(), len(match.group(1))


_LETTERS = re.compile(r"[a-z]{6,48}")


def mirrored(folded: str) -> Iterator[tuple[int, int, int]]:
    """Letters with their mirror image, as (start, end, width of one half)."""
    for match in _LETTERS.finditer(folded):
        if match.group() == match.group()[::-1]:
            yield match.start(), match.end(), (match.end() - match.start() + 1) // 2


_SHORTEST_COPY = 3
_COPY, _COPY_BACKWARDS = 1.0, 1.4


def copies(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """What stood before already, straight or as a mirror image: ``Dra12Dra13``, ``007james700``."""
    folded, size = text.folded, text.size
    first: dict[str, int] = {}
    for at in range(size - _SHORTEST_COPY + 1):
        gram = folded[at : at + _SHORTEST_COPY]
        before = first.setdefault(gram, at)
        if before + _SHORTEST_COPY <= at:
            end, length = at + _SHORTEST_COPY, _SHORTEST_COPY
            while end < size and before + length < at and folded[end] == folded[before + length]:
                end, length = end + 1, length + 1
            yield at, end, _COPY, "repeat"
        before = first.get(gram[::-1], at)
        if before + _SHORTEST_COPY <= at:
            yield at, at + _SHORTEST_COPY, _COPY_BACKWARDS, "repeat"
