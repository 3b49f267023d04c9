"""What the demo says about prices, against figures read off the history by hand."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "examples"))

from prices.domain import NoPrice, read_history, summarise


def test_a_month_with_the_year_before_it():
    summary = summarise("AAPL", read_history("AAPL"), dt.date(2009, 12, 1))
    assert (summary.price, summary.month) == (210.73, dt.date(2009, 12, 1))
    assert (summary.low, summary.high, summary.months) == (89.31, 210.73, 12)
    assert summary.yearly_return == round(210.73 / 85.35 - 1, 4)


def test_a_date_after_the_history_means_its_last_month():
    history = read_history("AAPL")
    assert summarise("AAPL", history, dt.date(2024, 1, 1)) == summarise("AAPL", history, None)
    assert summarise("AAPL", history, None).price == 223.02


def test_the_first_month_has_no_year_before_it():
    summary = summarise("MSFT", read_history("MSFT"), dt.date(2000, 1, 1))
    assert (summary.average, summary.months, summary.yearly_return) == (39.81, 1, None)


def test_what_the_history_does_not_have():
    with pytest.raises(NoPrice, match="no price history of NONE"):
        read_history("NONE")
    with pytest.raises(NoPrice, match="begins in 2004-08"):
        summarise("GOOG", read_history("GOOG"), dt.date(2004, 7, 1))
