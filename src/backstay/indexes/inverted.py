"""How big a GIN index will be, from a sample of what its rows hold. Pure.

See `benchmarks/indexes` for modelled beside built.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .sizes import BLOCK, ColumnFacts

_ITEM = 24.0  # bytes of an item in a GIN index beside the item itself: its first pointer, its line pointer
_REACHES = (8.0, 1024.0)  # pages: as far as a pointer's distance fits into two bytes, and into three
_MAX_ITEM = 2700.0  # bytes: pointers that would take more have a tree of their own
_OFTEN = 0.01  # of the rows: an item that so many have is known by a sample
_MANY = 0.2  # of the items seen once: more than chance, for a sample of thousands

Frequencies = Mapping[int, int]
"""How many different items occur in so many rows of a sample, by that number of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemKind:
    """Items that are about as frequent as each other, such as the values of one key of a document."""

    frequencies: Frequencies
    width: float = 4.0
    """The mean bytes of one as it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSample:
    """What so many rows hold."""

    rows: float
    kinds: Sequence[ItemKind]


def gin_bytes(
    rows: float, pages: float, column: ColumnFacts, *, trigrams: bool = False, sample: ItemSample | None = None
) -> float:
    """GIN keeps every item once, and for each row that has it a pointer, of which only the distance is stored.

    How long a pointer is depends on how many pages lie between two rows with the same item (ginpostinglist.c).
    Without a sample the items are guessed.
    """
    present = rows * (1.0 - column.null_fraction)
    if sample is not None and sample.rows and sample.kinds:
        return 2.0 * BLOCK + _sampled_postings(present, pages, sample)
    # A text has about one trigram for each of its characters, and few are not in use; a document about one
    # item for every 14 bytes, and as many different ones as there are different documents.
    items = column.width + 1.0 if trigrams else max(1.0, column.width / 14.0)
    different = 5000.0 if trigrams else column.distinct_of(max(rows, 1.0)) * max(1.0, items / 2.0)
    pointer = _pointer(pages * different / max(rows * items, 1.0))
    return max(2.0 * BLOCK, 1.1 * (present * items * pointer + different * (_ITEM + 4.0)))


def _sampled_postings(rows: float, pages: float, sample: ItemSample) -> float:
    """The bytes of all posting lists: of items that were seen often one by one, of the rare ones by an estimate."""
    often, scale = max(5.0, _OFTEN * sample.rows), rows / sample.rows
    total = 0.0
    for kind in sample.kinds:
        known = {f: n for f, n in kind.frequencies.items() if f >= often}
        total += sum(n * _postings(f * scale, pages, kind.width) for f, n in known.items())
        rare = {f: n for f, n in kind.frequencies.items() if f < often}
        for pointers, different in _populations(rare, scale):
            total += different * _postings(pointers / different, pages, kind.width)
    return total


def _populations(rare: Frequencies, scale: float) -> Iterator[tuple[float, float]]:
    """(pointers, different items) of the rare items, of which many were not seen at all.

    Were they all about as rare, those seen twice and three times would tell how many are seen once (Poisson: two
    thirds of twice squared over thrice). Many more than that belong to items that no two rows share. The others are
    estimated as ANALYZE estimates distinct values, by Haas and Stokes' Duj1.
    """
    once, twice, thrice = (float(rare.get(times, 0)) for times in (1, 2, 3))
    alone = once - twice**2 / (1.5 * thrice) if thrice else 0.0
    if alone > _MANY * once:
        once -= alone
        yield alone * scale, alone * scale
    else:
        alone = 0.0
    seen, different = sum(f * n for f, n in rare.items()) - alone, sum(rare.values()) - alone
    if seen > 0:
        pointers = seen * scale
        yield pointers, min(pointers, seen * different / (seen - once + once / scale))


def _postings(pointers: float, pages: float, width: float = 4.0) -> float:
    """The bytes of one item and the pointers to its rows: beside it, or in a tree of their own if they are many.

    Items come in order while an index is built, and the pages that they leave behind are half full: GIN splits a
    page in its middle wherever the new item goes (ginentrypage.c).
    """
    size = _ITEM + width + max(0.0, pointers - 1.0) * _pointer(pages / max(pointers, 1e-9))
    if size > _MAX_ITEM:
        return max(float(BLOCK), size * 1.1)
    return size / (0.5 + size / BLOCK / 2.0)  # the item in the middle stays on its page


def _pointer(gap: float) -> float:
    """The mean bytes of a pointer, if the rows lie anywhere and so many pages apart."""
    onto_same_page = 1.0 + gap * math.expm1(-1.0 / gap)
    beyond = sum(math.exp(-reach / gap) for reach in _REACHES)  # a byte more for each
    return 2.0 - onto_same_page + beyond
