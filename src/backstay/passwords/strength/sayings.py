"""What people say by heart: phrases, first letters of sentences, rows of names, and words of many languages.

All is made from text files that were written for backstay. A new saying is a line in one of them; a new kind is a
function here and its name in `known`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from itertools import chain
from typing import Final

from .canonical import fold

_BEFORE_PHRASES = 20
_SENTENCE, _INITIALS, _BEGINNING = 2.2, 2.4, 2.8
_FEWEST_INITIALS, _MOST_INITIALS = 5, 16
_SERIES, _PER_MEMBER = 1.8, 0.1
_LONGEST_SERIES = 6
_WORLD, _KEYED = 3.0, 0.3
_SHORTEST_IN_LATIN = 5  # shorter ones are found by chance in random passwords


def known(data: Traversable) -> Iterator[tuple[str, float]]:
    """Every such text, folded, with its price. One may come twice, at different prices."""
    lines = {name: (data / f"{name}.txt").read_text("utf-8").splitlines() for name in _FILES}
    return chain.from_iterable(make(lines[name]) for name, make in _FILES.items())


def _phrases(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """``iloveyou``, the commonest first."""
    for rank, phrase in enumerate(chain.from_iterable(map(str.split, lines)), start=_BEFORE_PHRASES):
        yield phrase, math.log10(rank)


_SOUNDS: Final[Mapping[str, str]] = {
    "to": "2", "too": "2", "two": "2", "for": "4", "four": "4", "you": "u", "are": "r", "why": "y", "one": "1",
    "see": "c", "and": "&", "at": "@",
}  # fmt: skip


def _sentences(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """``tobeornottobe``, its first letters ``tbontb``, and these as they sound, ``2bon2b``."""
    for line in lines:
        words = line.split()
        yield "".join(words), _SENTENCE
        if len(words) < _FEWEST_INITIALS:
            continue
        for letters in {"".join(_SOUNDS.get(word, word[0]) for word in words), "".join(word[0] for word in words)}:
            for end in range(_FEWEST_INITIALS, min(len(letters), _MOST_INITIALS) + 1):
                yield letters[:end], _INITIALS if end == len(letters) else _BEGINNING


def _series(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """``AlphaBravoCharlie``, ``MonTueWed``, ``unodostres``: members of a row, one after the other."""
    for line in lines:
        members = line.split()
        for start in range(len(members)):
            for end in range(start + 2, min(start + _LONGEST_SERIES, len(members)) + 1):
                yield "".join(members[start:end]), _SERIES + _PER_MEMBER * (end - start)


def _world(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Words of languages for which no pack is shipped, in Latin letters."""
    for word in chain.from_iterable(map(str.split, lines)):
        if len(word) >= _SHORTEST_IN_LATIN:
            yield fold(word), _WORLD


_KEYS = str.maketrans(
    "йцукенгшщзхъфывапролджэячсмитьбюёіїє",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,.`s]'",
)
_LATIN = str.maketrans(
    {"а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
     "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
     "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
     "я": "ya", "і": "i", "ї": "yi", "є": "ye"}
)  # fmt: skip
_OTHER_LATIN = str.maketrans({"х": "h", "ц": "c", "щ": "sh", "ж": "j", "ю": "u", "я": "ia", "й": "i"})


def _cyrillic(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Words as they are written, in Latin letters, and typed on a keyboard that was left on Latin (``gfhjkm``)."""
    for word in chain.from_iterable(map(str.split, lines)):
        yield fold(word), _WORLD
        if len(word) >= _SHORTEST_IN_LATIN:
            yield word.translate(_KEYS), _WORLD + _KEYED
            yield word.translate(_LATIN), _WORLD
            yield word.translate(_OTHER_LATIN).translate(_LATIN), _WORLD + _KEYED


_FILES: Final = {
    "phrases": _phrases,
    "sentences": _sentences,
    "series": _series,
    "world": _world,
    "cyrillic": _cyrillic,
}
