"""How many guesses a password survives: the cheapest way to put it together from known pieces.

The model is the one of Wheeler (zxcvbn, USENIX Security 2016): an attacker tries words by rank, common edits of
them, and joins of pieces. Two things differ. Words are looked up in *canonical forms*, so that hostile l33t
cannot branch; and what no piece covers is priced by its true alphabet or by letter triples, not at ten guesses
a character, so that random passwords are not taken for weak ones.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from . import dates, disguises, edits, ends, keyboards, sequences, words
from . import lexicon as lexicons
from .canonical import fold
from .cover import Cover, cheapest, random_prices
from .lexicon import Lexicon
from .shapes import lowered, outlined
from .text import Knowledge, Piece, Text

CUT: Final = 80
"""Characters that are looked at. A longer password is judged by its beginning, or by its period."""

MATCHERS: Final[tuple[Callable[[Text, Knowledge], Iterator[Piece]], ...]] = (
    words.listed,
    words.of_user,
    words.linking,
    words.endings,
    disguises.disguised,
    disguises.displaced,
    ends.symbols,
    ends.shifted_digits,
    ends.usual,
    ends.digits,
    ends.units,
    ends.codes,
    ends.composition_pairs,
    keyboards.walks,
    sequences.sequences,
    sequences.copies,
    dates.dates,
    dates.spelled,
)
"""Everything that finds pieces. A new kind of piece is a function and its name here."""

_SCORES = (3.0, 6.0, 8.0, 10.0)
_WORTH_EDITING = 3.0  # below every floor and every step of the meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A verdict on guessability. Holds nothing from which the password could be read."""

    log10_guesses: float
    """The decimal logarithm of the guesses a well-informed attacker needs."""
    weakness: str
    """The kind of the piece that covers most.

    Word, user, keyboard, sequence, repeat, date, year, … or ``random``.
    """
    coverage: float
    """The share of the password that this piece covers, 0 to 1."""

    @property
    def score(self) -> int:
        """0 (guessed at once) to 4 (out of reach of an offline attack on a slow hash), for a meter."""
        return sum(self.log10_guesses >= floor for floor in _SCORES)

    @property
    def bits(self) -> float:
        """The same guesses as a power of two."""
        return self.log10_guesses / math.log10(2)


class Estimator:
    """Estimates with one lexicon. Sync, without I/O, and safe to share between threads.

    Not promised: the same number in the next version. The floor of a preset is what is kept stable in effect.
    """

    __slots__ = ("_lexicon",)

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon if lexicon is not None else lexicons.shared()

    def estimate(self, password: str, tokens: Mapping[str, float] | None = None) -> Estimate:
        """Judge a password of any length, in bounded time.

        Args:
            password: the password itself; nothing of it is kept.
            tokens: folded texts that the attacker knows of this user, with their prices (see `known_tokens`).
        """
        text, repeats = _canonical(password)
        if not text.size:
            return Estimate(log10_guesses=0.0, weakness="repeat", coverage=1.0)
        known = Knowledge(self._lexicon, tokens or {})
        best, size = self._cover(text, known), text.size
        best = replace(best, price=lowered(best.price, outlined(text)))
        for simpler, price in edits.undone(text, known) if best.price > _WORTH_EDITING else ():
            other = self._cover(simpler, known)
            if other.price + price < best.price:
                best, size = replace(other, price=other.price + price), simpler.size
        if repeats > 1:
            kind = "repeat" if best.kind == "random" else best.kind
            return Estimate(log10_guesses=best.price + math.log10(repeats), weakness=kind, coverage=1.0)
        return Estimate(log10_guesses=best.price, weakness=best.kind, coverage=best.longest / size)

    def _cover(self, text: Text, known: Knowledge, *, with_repeats: bool = True) -> Cover:
        pieces = [piece for find in MATCHERS for piece in find(text, known)]
        if with_repeats:
            pieces.extend(self._repeats(text, known))
        return cheapest(text, pieces, random_prices(text, known.lexicon.trigrams))

    def _repeats(self, text: Text, known: Knowledge) -> Iterator[Piece]:
        for start, end, width in (*sequences.repeated(text.folded), *sequences.mirrored(text.folded)):
            base = self._cover(text.only(range(start, start + width)), known, with_repeats=False)
            yield start, end, base.price + math.log10((end - start) / width) + sequences.AGAIN, "repeat"


def _canonical(password: str) -> tuple[Text, int]:
    """The text to look at and how often it repeats in the password; both cut to what can be afforded."""
    password, repeats = _period(password)
    password = unicodedata.normalize("NFC", password[: CUT * 2])[:CUT]
    if password.isascii():
        return Text(password.lower(), [char.isupper() for char in password]), repeats
    folded: list[str] = []
    upper: list[bool] = []
    for char in password:
        shapes = fold(char)  # one compatibility character may unfold into eighteen
        folded.append(shapes)
        upper.extend([char.isupper()] * len(shapes))
    base, again = _period(fold("".join(folded))[:CUT])
    return Text(base, upper[: len(base)]), repeats * again


def _period(text: str) -> tuple[str, int]:
    """The shortest text of which this one is a repetition, and how many times. At the speed of `str.find`."""
    if len(text) < 2:
        return text, 1
    width = (text + text).find(text, 1)
    return text[:width], len(text) // width
