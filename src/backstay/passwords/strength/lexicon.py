"""The ranked words in memory: read once, never changed afterwards, safe to share between threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from . import sayings
from .canonical import skeleton
from .wordlist import decode

LANGUAGES: Final = ("cs", "de", "es", "fi", "fr", "id", "it", "nl", "pl", "pt")
"""The languages with a word pack. All are read by default."""

# Months, weekdays and seasons are worth little in any language: people build "Sommer2024!" everywhere.
_CALENDAR = """
january february march april may june july august september october november december
jan feb mar apr jun jul aug sep sept oct nov dec
monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter fall
januar februar maerz marz april mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag
samstag sonntag fruehling fruhling sommer herbst
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre lunes martes
miercoles
jueves viernes sabado domingo primavera verano otono invierno
janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre lundi mardi mercredi jeudi
vendredi samedi dimanche printemps ete automne hiver
gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre lunedi martedi mercoledi giovedi
venerdi
domenica estate autunno inverno
janeiro fevereiro marco abril maio junho julho setembro outubro novembro dezembro segunda terca quarta quinta
sexta verao outono
januari februari maart mei juni juli augustus maandag dinsdag woensdag donderdag vrijdag zaterdag zondag lente
zomer herfst
quarter q1 q2 q3 q4
"""
_CALENDAR_PRICE = 1.4
_VARIANTS_OF = 8_000
_DROPPED, _SWAPPED, _DOUBLED, _VOWELLESS = 1.0, 1.0, 1.0, 0.5
_SHORTEST_VARIED = 5  # only masked; other variants of so short a word are met by chance
_SHORTEST_VOWELLESS = 5  # shorter ones are found by chance in random passwords
_AT_ONCE = 2_000  # so that what is let go of leaves few holes in memory
BEGINNING: Final = 4
"""How many letters `Lexicon.lengths` goes by."""
MASK: Final = "*"
"""What stands in the list for a vowel that is masked (``p*ssw*rd``)."""
_VOWELS = str.maketrans(dict.fromkeys("aeiou"))
_MASKED = str.maketrans(dict.fromkeys("aeiou", MASK))


class Lexicon:
    """Words, the ends people put to them, and the letter triples of natural words, each at its price.

    A price is log10 of the guesses that an attacker who goes by frequency has made before. Immutable in use:
    nothing is written after construction, so any number of threads may share one.
    """

    __slots__ = ("lengths", "tails", "trigrams", "words")

    def __init__(
        self, words: Mapping[str, float], *, tails: Mapping[str, float], trigrams: tuple[float, ...]
    ) -> None:
        self.words: dict[str, float] = dict(words)
        self.tails = dict(tails)
        self.trigrams = trigrams
        self.lengths = self._add_skeletons()

    def _add_skeletons(self) -> dict[str, tuple[int, ...]]:
        """Add what is cheaper than before; the lengths of words, for each beginning of a skeleton."""
        words, masks = self.words, dict[str, int]()
        listed = list(words.items())
        for first in range(0, len(listed), _AT_ONCE):
            some = listed[first : first + _AT_ONCE]
            # One call for each of several 100,000 words would be most of the time that loading takes.
            shapes = skeleton("\n".join([word for word, _ in some])).split("\n")
            for shape, (_, price) in zip(shapes, some, strict=True):
                if len(shape) >= BEGINNING:
                    start = shape[:BEGINNING]
                    masks[start] = masks.get(start, 0) | 1 << len(shape)
                    if price < words.get(shape, 99.0):
                        words[shape] = price
        # Few different masks exist, so their tuples are shared.
        return {start: _bits(mask) for start, mask in masks.items()}


@cache
def _bits(mask: int) -> tuple[int, ...]:
    return tuple(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def variants(words: Mapping[str, float]) -> dict[str, float]:
    """The commonest words with a letter dropped or doubled, a pair swapped, vowels left out or masked."""
    common = sorted(
        (price, word) for word, price in words.items() if len(word) >= _SHORTEST_VARIED and word.isalpha()
    )
    found: dict[str, float] = {}
    for price, word in common[:_VARIANTS_OF]:
        found.setdefault(word[0] + word[1:].translate(_MASKED), price)
        if len(word) == _SHORTEST_VARIED:
            continue
        for at in range(1, len(word)):
            found.setdefault(word[:at] + word[at + 1 :], price + _DROPPED)
            found.setdefault(word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :], price + _SWAPPED)
            found.setdefault(word[:at] + word[at - 1 :], price + _DOUBLED)
        bare = word[0] + word[1:].translate(_VOWELS)
        if len(bare) >= _SHORTEST_VOWELLESS:
            found.setdefault(bare, price + _VOWELLESS)
    return found


def english() -> dict[str, float]:
    """The shipped English list alone, with its prices."""
    data = (resources.files("backstay.passwords.data") / "english.xz").read_bytes()
    return {word: price for price, words in decode(data) for word in words}


def load(languages: Iterable[str] = LANGUAGES, *, extra: Iterable[Path] = ()) -> Lexicon:
    """Read the English list, the packs of `languages`, and files of your own. Takes about half a second.

    Raises:
        FileNotFoundError: no pack for a language, or no such file.
        BreachDataError: a file is damaged.
    """
    data = resources.files("backstay.passwords.data")
    prices = english()
    typed_wrong = variants(prices)
    sources = [*(data / "packs" / f"{language}.xz" for language in languages), *extra]
    for source in sources:
        for price, words in decode(source.read_bytes()):
            for word in words:
                if price < prices.get(word, 99.0):
                    prices[word] = price
    for word in _CALENDAR.split():
        prices[word] = min(prices.get(word, 99.0), _CALENDAR_PRICE)
    for text, price in sayings.known(data):
        prices[text] = min(prices.get(text, 99.0), price)
    for word, price in typed_wrong.items():
        prices.setdefault(word, price)
    tails = {tail: price for price, tails in decode((data / "tails.xz").read_bytes()) for tail in tails}
    trigrams = tuple(byte / 100 for byte in (data / "trigrams.bin").read_bytes())
    return Lexicon(prices, tails=tails, trigrams=trigrams)


_lock = threading.Lock()
_shared: list[Lexicon] = []


def shared() -> Lexicon:
    """The process-wide lexicon of all shipped lists, read on first use. Blocks for about half a second then."""
    if not _shared:
        with _lock:
            if not _shared:
                _shared.append(load())
    return _shared[0]
