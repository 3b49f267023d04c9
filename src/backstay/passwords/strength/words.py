"""Words of the lists, and what is known of the user: plain, capitalised, in l33t spelling, reversed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .canonical import skeleton
from .lexicon import BEGINNING, Lexicon
from .text import Knowledge, Piece, Text

_REVERSED = 0.5
_L33T, _CHANCE, _PER_SUBSTITUTE = 0.3, 0.4, 0.2
_SHORTEST, _SHORTEST_DISGUISED, _SHORTEST_IN_SIGNS = 3, 4, 6
SHORTEST_INSIDE: Final = 4
"""Characters from which on a text known of the user is looked for anywhere."""
_LINKS = re.compile(
    "me|my|we|us|he|it|is|am|of|in|to|at|on|no|go|do|so|hi|ok|mr|dr|tv|pc|pw|vs"
    "|and|the|for|not|you|our|are|her|him|his|its|them|this|that|loves?|hates?|likes?"
)
_ENDINGS = {
    "s": 0.5, "z": 0.7, "er": 0.7, "ers": 0.9, "ed": 0.8, "ing": 0.7, "in": 1.0, "y": 0.7, "ie": 1.0, "ly": 1.0,
}  # fmt: skip
_ENDING = re.compile(r"(?<=[a-z]{3})(?:'?s|z|ers?|ed|ing?|y|ie|ly)")
_LINK, _SHORTEST_LINK = 1.0, 2
_AMONG_LETTERS = 0.4  # three letters are a word by chance where others touch them


def listed(text: Text, known: Knowledge) -> Iterator[Piece]:
    """Words of the lists, straight and reversed."""
    size = text.size
    for start, end, price in _hits(text, text.folded, text.bare, known.lexicon, _SHORTEST):
        yield _piece(text, start, end, price)
    for start, end, price in _hits(text, text.folded[::-1], text.bare[::-1], known.lexicon, _SHORTEST_DISGUISED):
        yield _piece(text, size - end, size - start, price + _REVERSED)


def _piece(text: Text, start: int, end: int, price: float) -> Piece:
    among = _AMONG_LETTERS if end - start == _SHORTEST and _is_among_letters(text.folded, start, end) else 0.0
    # Passwords of digits are listed as well. They are put after words, and are none themselves.
    kind = "word" if text.letters[end] > text.letters[start] else "digits"
    return start, end, price + among + text.case_price(start, end), kind


def _is_among_letters(folded: str, start: int, end: int) -> bool:
    return folded[start - 1 : start].isalpha() or folded[end : end + 1].isalpha()


def _hits(text: Text, folded: str, bare: str, lexicon: Lexicon, shortest: int) -> Iterator[tuple[int, int, float]]:
    words, lengths, size = lexicon.words, lexicon.lengths, len(folded)
    backwards = shortest != _SHORTEST
    for start in range(size - shortest + 1):
        if not backwards and (short := words.get(folded[start : start + _SHORTEST])) is not None:
            yield start, start + _SHORTEST, short
        for length in lengths.get(bare[start : start + BEGINNING], ()):
            end = start + length
            if end > size:
                break
            # The skeleton of every word is in the list too, so one look-up rules out both spellings.
            disguised = words.get(bare[start:end])
            if disguised is None:
                continue
            price = words.get(folded[start:end])
            span = (size - end, size - start) if backwards else (start, end)
            spelled = _l33t_price(text, disguised, *span)
            if price is None or (spelled is not None and spelled < price):
                price = spelled
            if price is not None:
                yield start, end, price


def _l33t_price(text: Text, price: float, start: int, end: int) -> float | None:
    letters = text.letters[end] - text.letters[start]
    # What is written in signs alone is no word to anybody, and a short one mostly in signs is met by chance.
    if not letters or (end - start < _SHORTEST_IN_SIGNS and 2 * letters < end - start):
        return None
    chance = _CHANCE if end - start < _SHORTEST_IN_SIGNS else 0.0
    return price + _L33T + chance + _PER_SUBSTITUTE * (text.substitutes[end] - text.substitutes[start])


def of_user(text: Text, known: Knowledge) -> Iterator[Piece]:
    """What is known of the user or the service. Short texts only where they stand alone or at an end."""
    for token, price in known.tokens.items():
        bare = skeleton(token)
        for haystack, needle, disguise in ((text.folded, token, 0.0), (text.bare, bare, _L33T)):
            for written, order in ((needle, 0.0), (needle[::-1], _REVERSED)):
                at = haystack.find(written)
                while at >= 0:
                    end = at + len(written)
                    if end - at >= SHORTEST_INSIDE or _stands_out(text, at, end):
                        yield at, end, price + disguise + order + text.case_price(at, end), "user"
                    at = haystack.find(written, at + 1)


def linking(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """What stands between words, ``Me+You``, ``TomAndJerry``, ``MikesCar``, and is none that somebody chose."""
    for match in _LINKS.finditer(text.folded):
        start, end = match.span()
        led_on = end - start > _SHORTEST_LINK and not text.upper[end - 1] and any(text.upper[end : end + 1])
        if led_on or _stands_out(text, start, end):
            yield start, end, _LINK, "link"


def endings(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """What grammar or fashion puts to a word: ``MikesCar``, ``Mike's``, ``kidz``, ``gaming``."""
    for match in _ENDING.finditer(text.folded):
        start, end = match.span()
        # The next word has to show that it begins.
        if not text.upper[end - 1] and (end == text.size or text.upper[end] or not text.folded[end].isalpha()):
            yield start, end, _ENDINGS[match.group().lstrip("'")], "ending"


def _stands_out(text: Text, start: int, end: int) -> bool:
    """Whether a span is a word by itself: ``jdPassword``, ``Password-jd``, ``JDPassword``, ``ByMe1``."""
    upper, before, after = text.upper, text.folded[start - 1 : start], text.folded[end : end + 1]
    begins = start == 0 or not before.isalpha() or (upper[start] and not upper[start - 1])
    ends = not after.isalpha() or (upper[end] and not (upper[end - 1] and any(upper[end + 1 : end + 2])))
    return begins and ends
