"""Days, times and business quarters, in any order and with any separator."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .text import Knowledge, Piece, Text

_DIGITS = re.compile(r"[0-9]+")
_SEPARATED = re.compile(r"(?<![0-9])(?:[0-9]{1,4})([-/._, ])[0-9]{1,2}\1(?:(?:19|20)[0-9]{2}|[0-9]{2}(?![0-9]))")
_QUARTER = re.compile(r"(?:q[1-4]|h[12]|fy)[-_./ ]?(?:(?:20)?[0-4][0-9])(?![0-9])")
_DAY = r"[0-3]?[0-9](?:st|nd|rd|th)?"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?:(?:19|20)[0-9]{2}|[0-9]{2})(?![0-9])"
_BETWEEN = r"[-/._, ]?(?:of)?"
_DAY_MONTH = re.compile(rf"(?<![0-9]){_DAY}{_BETWEEN}{_MONTH}(?:{_BETWEEN}{_YEAR})?")
_MONTH_DAY = re.compile(rf"{_MONTH}{_BETWEEN}{_DAY}(?:{_BETWEEN}{_YEAR})?(?![0-9])")
_TIME = re.compile(r"(?<![0-9])[0-2]?[0-9][:.][0-5][0-9](?:[ap]m)?")
_SPELLED_DATE, _TIME_PRICE, _LONG = 4.0, 2.3, 8
_SHORT_DATE, _DATE, _LONG_DATE, _SEPARATED_DATE, _QUARTER_PRICE = 2.4, 3.8, 3.8, 4.0, 2.0


def dates(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """Dates that are whole runs of digits: inside random digits, a date is chance."""
    folded = text.folded
    for match in _DIGITS.finditer(folded):
        start, end = match.span()
        price = _price(match.group())
        if price is not None:
            yield start, end, price, "date"
        elif start and end - start > _LONG and _is_long_date(folded[start : start + _LONG]):
            yield start, start + _LONG, _LONG_DATE, "date"  # put after a name, with a tail of its own
    for pattern, price in ((_SEPARATED, _SEPARATED_DATE), (_QUARTER, _QUARTER_PRICE)):
        for match in pattern.finditer(folded):
            yield match.start(), match.end(), price, "date"


def spelled(text: Text, _known: Knowledge) -> Iterator[Piece]:
    """``4thofJuly1976``, ``Jan-01-1990``, ``7:30pm``."""
    for pattern, price in ((_DAY_MONTH, _SPELLED_DATE), (_MONTH_DAY, _SPELLED_DATE), (_TIME, _TIME_PRICE)):
        for match in pattern.finditer(text.folded):
            yield match.start(), match.end(), price, "date"


def _price(digits: str) -> float | None:
    if len(digits) == 4:
        return _SHORT_DATE if is_day(digits) else None
    if len(digits) == 6:
        return _DATE if is_day(digits[:4]) or is_day(digits[2:]) else None
    if len(digits) == _LONG:
        return _LONG_DATE if _is_long_date(digits) else None
    return None


def is_day(four: str) -> bool:
    """Whether four ASCII digits are a day and a month, in either order."""
    one, other = int(four[:2]), int(four[2:])
    return (1 <= one <= 12 and 1 <= other <= 31) or (1 <= one <= 31 and 1 <= other <= 12)


def _is_long_date(eight: str) -> bool:
    return (eight[:2] in {"19", "20"} and is_day(eight[4:])) or (eight[4:6] in {"19", "20"} and is_day(eight[:4]))
