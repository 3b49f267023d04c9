"""How old is too old, from numbers alone."""

from datetime import timedelta

import pytest

from backstay.cache.freshness import MAX_TTL, Age, Defaults, Lifetime, age, seconds
from backstay.errors import ConfigError


@pytest.mark.parametrize(
    ("now", "expected"),
    [(0, Age.FRESH), (999, Age.FRESH), (1000, Age.STALE), (1999, Age.STALE), (2000, Age.DEAD), (9999, Age.DEAD)],
)
def test_the_bounds_belong_to_what_follows(now, expected):
    assert age(now, 1000, 2000) is expected


def test_xfetch_renews_the_likelier_the_nearer_and_the_dearer():
    def share(now, cost, beta=1.0):
        draws = [place / 1000 for place in range(1000)]
        return (
            sum(age(now, 1000, 1000, cost=cost, beta=beta, draw=lambda d=d: d) is Age.RENEW for d in draws) / 1000
        )

    # P(renew) = exp(-(left / (cost * beta))): 100 ms left and a cost of 100 ms are 1/e.
    assert share(900, 100_000) == pytest.approx(0.3679, abs=0.002)
    assert share(900, 200_000) == pytest.approx(0.6065, abs=0.002)
    assert share(900, 100_000, beta=2.0) == pytest.approx(0.6065, abs=0.002)
    assert share(0, 1_000) == 0
    assert share(900, 0) == share(900, 100_000, beta=0.0) == 0


def test_a_draw_of_one_or_zero_is_no_error():
    assert age(999, 1000, 1000, cost=10, beta=1.0, draw=lambda: 0.0) is Age.FRESH
    assert age(999, 1000, 1000, cost=10**6, beta=1.0, draw=lambda: 1 - 2**-53) is Age.RENEW


def test_expiries_are_spread_and_never_later():
    life = Lifetime(ttl=100.0, jitter=0.1)
    assert life.spread(lambda: 0.0) == 100.0
    assert 90.0 <= life.spread(lambda: 0.999) < 90.2
    assert Lifetime(ttl=100.0, jitter=0.0).spread() == 100.0


def test_the_longer_of_grace_and_swr_is_kept():
    assert Lifetime(ttl=1, grace=5, swr=3).afterlife == 5
    assert Lifetime(ttl=1, grace=1, swr=3).afterlife == 3


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), MAX_TTL + 1, True, "60", None, timedelta(0)])
def test_what_is_no_duration_is_refused(wrong):
    with pytest.raises(ConfigError, match="ttl"):
        seconds(wrong, "ttl")


def test_durations_are_seconds():
    assert seconds(timedelta(minutes=1), "ttl") == 60.0 == seconds(60, "ttl")
    assert seconds(0, "grace", zero=True) == 0.0
    assert Defaults(ttl=7.0).lifetime(None).ttl == 7.0
    assert Defaults().lifetime(5, grace=6, swr=7, early=0, jitter=3).jitter == 1.0
