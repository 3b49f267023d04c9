"""Edits that people make to the whole of a password, undone.

A new one is a function here and its name in `EDITS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, TypeAlias

from .shapes import pleases
from .text import Knowledge, Text

_Undone: TypeAlias = tuple[Text, float]
"""The text before the edit, and what the edit costs."""

_SHORTEST, _LONGEST = 6, 40
_AT_LEAST_LEFT = 4
_SHORTEST_SPLIT = 5  # what one sign splits into fewer letters is no word worth looking for
_SEPARATORS = frozenset("-_. ")
_SEPARATED, _FILLED, _INSERTED, _DOUBLED, _ENTANGLED, _WIDE = 0.5, 0.9, 1.4, 0.6, 0.9, 0.6
_PARTED, _HELD, _MOST_BLOCKS, _SHORTEST_PARTED = 0.7, 0.7, 2, 4
_BY_TURNS = re.compile(r"(?:[a-z][0-9]){3,}")
_CORE = re.compile(r".*[^\W\d_]", re.DOTALL)


def undone(text: Text, known: Knowledge) -> Iterator[_Undone]:
    """The text without each edit that it shows, and what the edit costs."""
    if _SHORTEST <= text.size <= _LONGEST:
        yield from chain.from_iterable(edit(text, known) for edit in EDITS)


def without_symbol(text: Text, _known: Knowledge) -> Iterator[_Undone]:
    """``I-love-you``, ``p#a#s#s#w#0#r#d``, ``mon!key``."""
    yield from _without(text, [at for at, char in enumerate(text.folded) if not char.isalnum()])


def without_digit(text: Text, _known: Knowledge) -> Iterator[_Undone]:
    """``p1a1s1s1``, ``mon7key``."""
    yield from _without(text, [at for at, char in enumerate(text.folded) if char.isdigit()])


def _without(text: Text, positions: list[int]) -> Iterator[_Undone]:
    folded = text.folded
    inner = {at for at in positions if 0 < at < text.size - 1 and _parts(folded, at)}
    # What stands inside goes; the same character at the very end is a tail and stays priced as such.
    for char in sorted({folded[at] for at in inner})[:2]:
        gone = {at for at in inner if folded[at] == char}
        if len(gone) == 1 and _letters_around(folded, min(gone), min(gone) + 1) < _SHORTEST_SPLIT:
            continue
        keep = [at for at in range(text.size) if at not in gone]
        if len(keep) >= _AT_LEAST_LEFT:
            price = _SEPARATED if char in _SEPARATORS else _FILLED if len(gone) > 1 else _INSERTED
            yield text.only(keep), price


def _letters_around(folded: str, start: int, end: int) -> int:
    """How many letters touch a span on both sides together."""
    parted = end - start
    while start and folded[start - 1].isalpha():
        start -= 1
    while end < len(folded) and folded[end].isalpha():
        end += 1
    return end - start - parted


def _parts(folded: str, at: int) -> bool:
    """Whether a character stands between two letters, or is a sign between letters and digits."""
    before, after = folded[at - 1], folded[at + 1]
    return (before.isalpha() and after.isalpha()) or (
        not folded[at].isalnum() and before.isalnum() and after.isalnum() and folded.count(folded[at]) > 1
    )


_BLOCK = re.compile(r"(?<=[^\W\d_])(?:[0-9]{1,4}|[\W_]{2,4}|[\W_]*[0-9]{1,4}[\W_]*)(?=[^\W\d_])")


def closed_up(text: Text, _known: Knowledge) -> Iterator[_Undone]:
    """``Dra2024gon!``: what parts a word goes to its end, and is priced there."""
    blocks = [match.span() for match in _BLOCK.finditer(text.folded)]
    # Without anything that pleases a rule, digits among letters are chance.
    at_least = _SHORTEST_PARTED if pleases(text) else _SHORTEST_SPLIT + 1
    for start, end in blocks[:_MOST_BLOCKS]:
        if end - start > 1 and _letters_around(text.folded, start, end) >= at_least:
            yield text.only([*range(start), *range(end, text.size), *range(start, end)]), _PARTED


_STRETCHED = re.compile(r"([^\W\d_])\1\1+")


def unstretched(text: Text, _known: Knowledge) -> Iterator[_Undone]:
    """``Yesssss``, ``helloooo``: a letter that is held stands for one or for two."""
    spans = [match.span() for match in _STRETCHED.finditer(text.folded)]
    for left in (1, 2) if spans else ():
        gone = {at for start, end in spans for at in range(start + left, end)}
        yield text.only([at for at in range(text.size) if at not in gone]), _HELD


def undoubled(text: Text, _known: Knowledge) -> Iterator[_Undone]:
    """``ppaassss11``."""
    core = _core(text)
    pairs = range(0, core - core % 2, 2)
    if core >= _SHORTEST and all(text.folded[at] == text.folded[at + 1] for at in pairs):
        yield text.only([*pairs, *range(core, text.size)]), _DOUBLED


def disentangled(text: Text, known: Knowledge) -> Iterator[_Undone]:
    """Two texts by turns, ``p1a2s3s4`` or ``dcoagt``: first the one, then the other."""
    match = _BY_TURNS.search(text.folded)
    start, core = match.span() if match else (0, _core(text))
    if match or (core >= 2 * _AT_LEAST_LEFT and text.folded[:core:2] in known.lexicon.words):
        parted = [*range(start, core, 2), *range(start + 1, core, 2)]
        yield text.only([*range(start), *parted, *range(core, text.size)]), _ENTANGLED


_WIDE_L33T: Final = {
    "|-|": "h", "|<": "k", "|{": "k", "/\\/\\": "m", "|\\/|": "m", "|\\|": "n", "/\\": "a", "\\/\\/": "w",
    "|)": "d", "|_|": "u", "\\/": "v", "()": "o", "vv": "w", "ph": "f",
}  # fmt: skip


def without_wide_l33t(text: Text, _known: Knowledge) -> Iterator[_Undone]:
    """``|-|3llo``, ``ph00tball``: several characters for one."""
    if not any(written in text.folded for written in _WIDE_L33T):
        return
    folded, upper = text.folded, list(text.upper)
    for written, letter in _WIDE_L33T.items():
        while (at := folded.find(written)) >= 0:
            folded = folded[:at] + letter + folded[at + len(written) :]
            upper[at : at + len(written)] = [upper[at]]
    yield Text(folded, upper), _WIDE


def _core(text: Text) -> int:
    """Where the last letter ends."""
    match = _CORE.match(text.folded)
    return match.end() if match else 0


EDITS: Final[tuple[Callable[[Text, Knowledge], Iterator[_Undone]], ...]] = (
    without_symbol,
    without_digit,
    closed_up,
    unstretched,
    undoubled,
    disentangled,
    without_wide_l33t,
)
