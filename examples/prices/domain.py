"""What a price history says about a month. Knows nothing of HTTP or of caches.

The history is read from its file for every question, on purpose: it stands for whatever is slow in your own
service, and a cache in front of it has something to save.
"""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from statistics import fmean

HISTORY = Path(__file__).parent / "data" / "prices.csv"
WINDOW = 12
"""Months that an average and a range look back over, the month in question included."""


class NoPrice(LookupError):
    """The history does not have what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One line of the history."""

    month: dt.date
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A symbol as it stood in one month. Prices are US dollars."""

    symbol: str
    month: dt.date
    """The first day of the newest month at or before the date that was asked for."""
    price: float
    average: float
    """Mean over the window, or over what there is of it."""
    low: float
    high: float
    months: int
    """How many months the window has."""
    yearly_return: float | None
    """What a dollar invested twelve months earlier has gained; None where the history is younger."""


def read_history(symbol: str, path: Path = HISTORY) -> list[Month]:
    """All months of a symbol, oldest first. Raises NoPrice for a symbol that the history does not have."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["symbol"] == symbol]
    if not rows:
        raise NoPrice(f"there is no price history of {symbol}")
    months = [Month(month=_first_day(row["date"]), price=float(row["price"])) for row in rows]
    return sorted(months, key=lambda each: each.month)


def summarise(symbol: str, history: list[Month], month: dt.date | None) -> Summary:
    """The symbol at the newest month that is not after `month`; at the newest of all if None.

    Raises:
        NoPrice: the history begins later.
    """
    known = list(takewhile(lambda each: month is None or each.month <= month, history))
    if not known:
        raise NoPrice(f"the price history of {symbol} begins in {history[0].month:%Y-%m}")
    window = [each.price for each in known[-WINDOW:]]
    before = known[-WINDOW - 1].price if len(known) > WINDOW else None
    price = window[-1]
    return Summary(
        symbol=symbol,
        month=known[-1].month,
        price=price,
        average=round(fmean(window), 2),
        low=min(window),
        high=max(window),
        months=len(window),
        yearly_return=None if before is None else round(price / before - 1, 4),
    )


def _first_day(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%b %d %Y").replace(tzinfo=dt.UTC).date()
