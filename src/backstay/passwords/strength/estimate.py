"""How many guesses a password survives: the cheapest way to put it together from known pieces.

The model is the one of Wheeler (zxcvbn, USENIX Security 2016): an attacker tries words by rank, common
edits of
them, and joins of pieces. Two things differ. Words are looked up in *canonical forms*, so that hostile l33t
cannot branch; and what no piece covers is priced by its true alphabet or by letter triples, not at ten
guesses a
character, so that random passwords are not taken for weak ones.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from . import lexicon as lexicons
from .canonical import fold
from .lexicon import Lexicon
from .patterns import add_composition_pairs, add_dates, add_sequences, add_walks
from .pieces import Piece, Text, add_ends, add_tokens, add_words

CUT: Final = 96
"""Characters that are looked at. A longer password is judged by its beginning, or by its period."""

_JOINT = 0.3
_TRIGRAM_CAP = 1.6
_DIGIT = 1.0
_CAPITAL = 0.3
_SCORES = (3.0, 6.0, 8.0, 10.0)
_TRANSFORM = 0.8
_LETTER_CODES = {char: code for code, char in enumerate("abcdefghijklmnopqrstuvwxyz", start=1)}


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
        known = tokens or {}
        best = self._cheapest(text, known)
        for simpler in _simplified(text):
            other = self._cheapest(simpler, known)
            if other.log10_guesses + _TRANSFORM < best.log10_guesses:
                best = _with(other, other.log10_guesses + _TRANSFORM)
        if repeats > 1:
            return Estimate(
                log10_guesses=best.log10_guesses + math.log10(repeats),
                weakness="repeat" if best.weakness == "random" else best.weakness,
                coverage=1.0,
            )
        return best

    def _cheapest(self, text: Text, tokens: Mapping[str, float], *, repeats: int = 4) -> Estimate:
        pieces: list[list[Piece]] = [[] for _ in range(text.size)]
        add_words(pieces, text, self._lexicon)
        add_ends(pieces, text, self._lexicon)
        add_walks(pieces, text)
        add_sequences(pieces, text)
        add_dates(pieces, text)
        add_composition_pairs(pieces, text)
        if tokens:
            add_tokens(pieces, text, tokens)
        if repeats:
            self._add_repeats(pieces, text, tokens, repeats)
        return _cover(pieces, self._random_prices(text))

    def _add_repeats(self, pieces: list[list[Piece]], text: Text, tokens: Mapping[str, float], limit: int) -> None:
        for start, end, width in _repeated(text.folded, limit):
            base = self._cheapest(text.without(range(start, start + width)), tokens, repeats=0)
            price = base.log10_guesses + math.log10((end - start) // width) + 0.2
            pieces[start].append((end, price, "repeat"))

    def _random_prices(self, text: Text) -> list[float]:
        """The price of each character where no piece covers it."""
        alphabet = math.log10(_alphabet(text))
        trigrams = self._lexicon.trigrams
        mixed = 1 < text.uppers[-1] < text.letters[-1]
        # Digits strewn among letters were drawn from the whole alphabet; a run of them was chosen as digits.
        digit = alphabet if len(_STREWN.findall(text.folded)) > 1 else min(_DIGIT, alphabet)
        prices: list[float] = []
        first = second = 0
        for at, char in enumerate(text.folded):
            code = _LETTER_CODES.get(char, 0)
            if code:
                price = min(trigrams[(first * 27 + second) * 27 + code], _TRIGRAM_CAP, alphabet)
                if mixed or (text.upper[at] and at):
                    price += _CAPITAL
                first, second = second, code
            else:
                price = digit if char.isdigit() else alphabet
                first = second = 0
            prices.append(price)
        return prices


def _cover(pieces: Sequence[Sequence[Piece]], random: Sequence[float]) -> Estimate:
    """The cheapest way from the start to the end: a dynamic programme over positions."""
    size = len(random)
    best = [0.0] + [math.inf] * size
    come: list[tuple[int, str]] = [(0, "random")] * (size + 1)
    for at in range(size):
        here = best[at]
        price = here + random[at]
        if price < best[at + 1]:
            best[at + 1] = price
            come[at + 1] = (at, "random")
        if at:
            here += _JOINT
        for end, cost, kind in pieces[at]:
            if here + cost < best[end]:
                best[end] = here + cost
                come[end] = (at, kind)
    covered: dict[str, int] = {}
    longest = 0
    weakness = "random"
    at = size
    while at:
        start, kind = come[at]
        covered[kind] = covered.get(kind, 0) + at - start
        if kind != "random" and at - start > longest:
            longest, weakness = at - start, kind
        at = start
    return Estimate(log10_guesses=best[size], weakness=weakness, coverage=longest / size)


def _with(estimate: Estimate, log10_guesses: float) -> Estimate:
    return Estimate(log10_guesses=log10_guesses, weakness=estimate.weakness, coverage=estimate.coverage)


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
    cut = "".join(folded)[:CUT]
    base, again = _period(cut)
    return Text(base, upper[: len(base)]), repeats * again


def _period(text: str) -> tuple[str, int]:
    """The shortest text of which this one is a repetition, and how many times. At the speed of `str.find`."""
    if len(text) < 2:
        return text, 1
    width = (text + text).find(text, 1)
    return text[:width], len(text) // width


_STREWN = re.compile(r"\d+(?=[a-z])")
_REPEATED = re.compile(r"(.{2,24}?)\1+", re.DOTALL)


def _repeated(folded: str, limit: int) -> Iterator[tuple[int, int, int]]:
    for found, match in enumerate(_REPEATED.finditer(folded)):
        if found == limit:
            return
        yield match.start(), match.end(), len(match.group(1))


def _alphabet(text: Text) -> int:
    """The size of the alphabet that a random password with these characters would have been drawn from."""
    size = 0
    folded = text.folded
    ascii_letters = sum(char in _LETTER_CODES for char in folded)
    if ascii_letters:
        size += 26 if text.uppers[-1] in {0, text.letters[-1]} else 52
    if any(char.isdigit() for char in folded):
        size += 10
    if any(char.isascii() and not char.isalnum() for char in folded):
        size += 33
    foreign = [char for char in folded if not char.isascii()]
    if foreign:
        size += 2_000 if any(ord(char) >= 0x2E80 for char in foreign) else 40
    return max(size, 10)


def _simplified(text: Text) -> Iterator[Text]:
    """The text without an edit that people make to all of it. Only edits that this text can show."""
    if text.size < 6 or text.size > 64:
        return
    yield from _without_inserted(text, lambda char: not char.isalnum())
    yield from _without_inserted(text, str.isdigit)
    folded = text.folded
    core = len(folded.rstrip("0123456789!@#$%&*.?_-"))
    doubled = range(0, core - core % 2, 2)
    if core >= 6 and all(folded[at] == folded[at + 1] for at in doubled):
        yield text.without([*doubled, *range(core, text.size)])


def _without_inserted(text: Text, is_kind: Callable[[str], bool]) -> Iterator[Text]:
    folded = text.folded
    inner = {folded[at] for at in range(1, text.size - 1) if is_kind(folded[at]) and _between(folded, at)}
    for char in sorted(inner)[:2]:
        # What stands inside goes; the same character at the very end is a tail and stays priced as such.
        keep = [at for at in range(text.size) if folded[at] != char or not _between(folded, at)]
        if len(keep) >= 4:
            yield text.without(keep)


def _between(folded: str, at: int) -> bool:
    return 0 < at < len(folded) - 1 and folded[at - 1].isalpha() and folded[at + 1].isalpha()
