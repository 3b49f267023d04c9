"""Advice about options: each rule where it applies, and none where it does not."""

import pytest

from backstay.cache import Cache, MemoryCache
from backstay.errors import ConfigError


def codes(ttl=60, **options):
    return [advice.code for advice in Cache(MemoryCache()).advise(ttl, **options)]


def test_sensible_options_get_no_advice():
    assert codes() == []
    assert codes(swr=30, grace=300, soft_timeout=0.2, hard_timeout=2, negative_ttl=5, lease=10) == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"early": 0}, "stampede"),
        ({"jitter": 0}, "in-step"),
        ({"soft_timeout": 1}, "soft-without-grace"),
        ({"soft_timeout": 2, "hard_timeout": 1, "grace": 9}, "soft-above-hard"),
        ({"grace": 1, "swr": 2}, "grace-below-swr"),
        ({"negative_ttl": 61}, "long-nothing"),
        ({"lease": 0.5}, "short-lease"),
        ({"lease": 301}, "hours-of-lease"),
        ({"sensitive": True}, "unsealed"),
    ],
)
def test_each_mistake_is_named(options, code):
    assert codes(**options) == [code]


def test_what_is_an_error_stays_one():
    with pytest.raises(ConfigError):
        codes(ttl=-1)
    with pytest.raises(TypeError):
        codes(tll=1)
