"""The file format of a ranked word list: small on disk, quick to read, the same bytes for the same input.

An xz stream of UTF-8 lines. ``#12`` opens the band of words whose guesses are about 10^(12/4); the words of a
band are sorted and front-coded: a line is a count (one character, from ``0`` upwards) of the characters
shared
with the word before, and the rest.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator, Mapping

from backstay.errors import BreachDataError

BANDS_PER_DECADE = 4
_ZERO = 48
_FORMAT = {"format": lzma.FORMAT_XZ, "check": lzma.CHECK_CRC32}
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]


def encode(bands: Mapping[str, int]) -> bytes:
    """Write words with their bands (quarter decades of guesses) as a list file."""
    by_band: dict[int, list[str]] = {}
    for word, band in bands.items():
        by_band.setdefault(band, []).append(word)
    lines: list[str] = []
    for band in sorted(by_band):
        lines.append(f"#{band}")
        lines.extend(_front_coded(sorted(by_band[band])))
    return lzma.compress("\n".join(lines).encode(), **_FORMAT, filters=_FILTERS)


def decode(data: bytes) -> Iterator[tuple[float, list[str]]]:
    """Read a list file: pairs of log10 guesses and the words of that band.

    Raises:
        BreachDataError: the data is not a word list, or is damaged.
    """
    try:
        lines = lzma.decompress(data).decode().split("\n")
        yield from _bands(lines if lines != [""] else [])
    except (lzma.LZMAError, ValueError, IndexError) as exc:
        raise BreachDataError("a word list is damaged: build it anew or install the package again") from exc


def _bands(lines: Iterable[str]) -> Iterator[tuple[float, list[str]]]:
    band = 0.0
    words: list[str] = []
    previous = ""
    for line in lines:
        if line[:1] == "#":
            if words:
                yield band, words
            band, words, previous = int(line[1:]) / BANDS_PER_DECADE, [], ""
        else:
            previous = previous[: ord(line[0]) - _ZERO] + line[1:]
            words.append(previous)
    if words:
        yield band, words


def _front_coded(words: Iterable[str]) -> Iterator[str]:
    previous = ""
    for word in words:
        shared = 0
        for ours, theirs in zip(previous, word, strict=False):
            if ours != theirs:
                break
            shared += 1
        yield chr(_ZERO + shared) + word[shared:]
        previous = word
