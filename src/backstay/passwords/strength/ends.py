"""What people put before and after a word to please a rule: digits, symbols, and pairs like ``Aa``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from .text import Knowledge, Piece, Text

# In the order in which people append them.
_SYMBOLS = "!.@#$*_-?&+%=,/ ()~^"
_SYMBOL_PRICE = {symbol: math.log10(rank) * 0.8 + 0.2 for rank, symbol in enumerate(_SYMBOLS, start=1)}
_SEPARATOR_PRICE = {symbol: math.log10(rank) * 0.6 + 0.2 for rank, symbol in enumerate("-_. @&+!#", start=1)}
_RARE_SYMBOL = 1.5
_FIRST_YEAR, _LAST_YEAR, _RECENT = 1930, 2039, 2012
_LONGEST_TAIL, _RARE_TAIL = 4, 9.0
_INSIDE = 0.5
_JOINING = {"1": 0.6, "2": 0.6, "4": 0.7}
_DIGITS = re.compile(r"[0-9]+")
_SAME_SYMBOL = re.compile(r"([^\w]|_)\1*")
_USUAL: Mapping[str, float] = {
    "!@": 0.8, "!@#": 0.9, "!@#$": 1.0, "@!": 1.2, "#!": 1.3, "?!": 1.0, "!?": 0.8, "<3": 0.9, ":)": 0.9,
    ":d": 1.2, "xx_": 1.2, "_xx": 0.5, "www.": 0.9, "http://": 0.9, "https://": 1.0, "@gmail": 1.0,
    "@home": 1.2, "@work": 1.3, ".com": 0.7, ".net": 1.0, ".org": 1.0, ".de": 1.3, ".txt": 1.3, ".doc": 1.3,
    "()": 0.9, "();": 0.9, "[]": 1.2, "{}": 1.2, "::": 1.0, "->": 1.0, "=>": 1.1, "==": 1.0, "!=": 1.1, "&&": 1.0,
    "||": 1.1, "//": 1.0, "/*": 1.3, "*/": 1.3, "</": 1.3, "/>": 1.3, ">>": 1.1, "<<": 1.1,
    ".pdf": 1.4, ".exe": 1.3, ".zip": 1.4, ".html": 1.4,
}  # fmt: skip
# The longest first: the first alternative that fits is taken.
_USUAL_PATTERN = re.compile("|".join(map(re.escape, sorted(_USUAL, key=len, reverse=True))))
_NUMBERED = re.compile(r"[-_ ]?(?:v[0-9]{1,4}|v?[0-9]{1,2}(?:\.[0-9]{1,2}){1,2})(?![0-9.])")
_NUMBERED_PRICE = 2.0


def symbols(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """Symbols by how usual they are, alone or several times."""
    for match in _SAME_SYMBOL.finditer(text.folded):
        start, end = match.span()
        symbol = match.group(1)
        price = _SYMBOL_PRICE.get(symbol, _RARE_SYMBOL)
        if start > 0 and end < text.size and text.folded[start - 1].isalpha() and text.folded[end].isalpha():
            price = min(price, _SEPARATOR_PRICE.get(symbol, _RARE_SYMBOL))
        for at in range(start, end):
            yield at, at + 1, price, "symbol"
        if end - start > 1:
            yield start, end, price + math.log10(end - start), "repeat"


_SHIFTED = str.maketrans("!@#$%^&*()", "1234567890")
_SHIFTED_RUN = re.compile(r"[!@#$%^&*()]{3,6}")
_SHIFT, _BACKWARDS = 0.6, 0.4


def shifted_digits(text: Text, known: Knowledge) -> Iterator[Piece]:
    """``@)@$`` for ``2024``: usual digits with the shift key held."""
    for match in _SHIFTED_RUN.finditer(text.folded):
        price = _tail_price(match.group().translate(_SHIFTED), known.lexicon.tails)
        if price < _RARE_TAIL:
            yield *match.span(), price + _SHIFT, "symbol"


def usual(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """Symbols that come together, ends of addresses and files, numbers of versions."""
    for match in _USUAL_PATTERN.finditer(text.folded):
        yield *match.span(), _USUAL[match.group()], "symbol"
    for match in _NUMBERED.finditer(text.folded):
        yield match.start(), match.end(), _NUMBERED_PRICE, "digits"


def digits(text: Text, known: Knowledge) -> Iterator[Piece]:
    """Digits as people append them, by their frequency in the lists, and years."""
    for match in _DIGITS.finditer(text.folded):
        yield from _tails(text.folded, *match.span(), known.lexicon.tails)


def _tails(folded: str, start: int, end: int, tails: Mapping[str, float]) -> Iterator[Piece]:
    inside = start > 0 and end < len(folded) and folded[start - 1].isalpha() and folded[end].isalpha()
    # A single digit between letters is no tail; few of them join words.
    if inside and end - start == 1:
        if folded[start] in _JOINING:
            yield start, end, _JOINING[folded[start]], "digits"
        return
    # Only at the end of a run: inside twelve random digits, every pair would be somebody's usual tail.
    for at in range(max(start, end - _LONGEST_TAIL), end):
        piece = folded[at:end]
        price = _tail_price(piece, tails) + _INSIDE * inside
        if price < len(piece):
            yield at, end, price, "year" if len(piece) == 4 else "digits"
    if 4 < end - start <= 8:
        price = _year_price(folded[start : start + 4])
        if price < 4:
            yield start, start + 4, price + 0.3, "year"


def _tail_price(digits: str, tails: Mapping[str, float]) -> float:
    return min(tails.get(digits, _RARE_TAIL), _year_price(digits), _year_price(digits[::-1]) + _BACKWARDS)


def _year_price(four: str) -> float:
    if len(four) != 4 or not _FIRST_YEAR <= int(four) <= _LAST_YEAR:
        return math.inf
    return 1.2 if int(four) >= _RECENT else 1.7


_UNIT = re.compile(
    "(?<=[0-9])(?:[kcm]m|[km]?g|lbs?|oz|ml|mph|km/?h|kph|[kmgt]b(?:ps)?|[mg]?hz|kwh?|hp|bhp|ft|feet|inch|miles?|yards?"
    "|lit(?:er|re)s?|k?cal|px|bits?|bytes?|st|nd|rd|th|[ap]m|mins?|secs?|hrs?|hours?|days?|weeks?|months?|years?|yrs?"
    "|times|euros?|bucks?|percent|[km%€$x])"
)
_UNIT_PRICE = 0.9


def units(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """What a number counts: ``100km``, ``1st``, ``4GB``."""
    for match in _UNIT.finditer(text.folded):
        start, end = match.span()
        if not text.folded[end : end + 1].isalpha() or text.upper[end]:
            yield start, end, _UNIT_PRICE, "ending"


_CODE = re.compile(r"(?<=[^\W\d_]{3})[-_. ]?([a-z]{1,3})(?=[0-9])")
_CODE_LETTER, _CODE_PRICE = 1.1, 0.4


def codes(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """The capitals before a number, ``FordF150``, ``Studio-B2``: after a word, and apart from it."""
    for match in _CODE.finditer(text.folded):
        start, end = match.span(1)
        while start < end and not text.upper[start]:
            start += 1
        if start < end and all(text.upper[start:end]) and not (text.upper[start - 1] or text.upper[start - 2]):
            yield start, end, _CODE_LETTER * (end - start) + _CODE_PRICE, "digits"


_PAIRS: Mapping[str, float] = {"aa": 0.6, "ab": 0.6, "qq": 0.9, "az": 1.0, "zz": 1.0, "xx": 1.0, "qw": 0.9}
_OTHER_PAIR, _LONE_CAPITAL = 1.4, 0.7
_LONE: Mapping[str, float] = {"a": 0.6, "x": 0.8, "z": 0.9, "b": 1.0}


def composition_pairs(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """``Aa`` or a lone ``A`` at an end: letters that are there for a composition rule and nothing else."""
    for start in {0, text.size - 2} if text.size > 1 else ():
        if text.upper[start] and not text.upper[start + 1]:
            pair = text.folded[start : start + 2]
            price = _PAIRS.get(pair, _OTHER_PAIR if pair[0] == pair[1] and pair.isalpha() else math.inf)
            yield start, start + 2, price, "sequence"
    if text.uppers[-1] == 1 and text.upper[0] and not text.folded[1:2].isalpha():
        yield 0, 1, _LONE_CAPITAL, "sequence"
    last = text.folded[-1]
    if last in _LONE and text.size > 1 and not text.folded[-2].isalpha():
        yield text.size - 1, text.size, _LONE[last], "sequence"
