"""The parts of the throttle that are plain arithmetic and text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.clock import ManualClock
from backstay.errors import ConfigError
from backstay.passwords.throttle import DeviceTokens, Limit, MemoryThrottle
from backstay.passwords.throttle.limits import FRESH, charged, refunded, wait_of
from backstay.passwords.throttle.standard import account_key, network_of
from backstay.secret import Secret


@pytest.fixture
def clock():
    return ManualClock()


def test_names_and_addresses_that_are_one_are_counted_as_one():
    assert account_key("Ada") == account_key(" ADA ") == account_key("ａｄａ")
    assert account_key("ada") != account_key("adа")  # Cyrillic
    assert account_key("\ud800")
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1%eth0") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("testclient") == "testclient"


def test_a_device_token_is_good_for_one_account_one_key_and_its_lifetime(clock):
    old = DeviceTokens(Secret("a" * 32), clock=clock)
    new = DeviceTokens(Secret("b" * 32), previous=[Secret("a" * 32)], lifetime=100.0, clock=clock)
    token = old.issue("account")
    device = new.device_of(token, "account")
    assert device
    assert new.device_of(new.issue("account", device=device), "account") == device
    assert new.device_of(token, "another") is None
    assert old.device_of(new.issue("account"), "account") is None
    clock.advance(100)
    assert new.device_of(token, "account") is None
    assert old.device_of(token, "account") == device


def test_every_change_to_a_device_token_is_noticed(clock):
    tokens = DeviceTokens(Secret("a" * 32), clock=clock)
    token = tokens.issue("account")
    for at in range(len(token)):
        for char in "A9.":
            changed = token[:at] + char + token[at + 1 :]
            # The last character of a base64 text has bits that mean nothing; the text is compared as a whole.
            assert changed == token or tokens.device_of(changed, "account") is None


@given(st.text(max_size=200))
def test_no_text_is_a_device_token_by_chance(text):
    assert DeviceTokens(Secret("a" * 32)).device_of(text, "account") is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Limit(free=0),
        lambda: Limit(free=1, cap=0),
        lambda: Limit(free=1, first=0.0),
        lambda: Limit(free=1, memory=1.0),
        lambda: Limit(free=1, forgive=-1.0),
        lambda: DeviceTokens(Secret("short")),
        lambda: DeviceTokens(Secret("k" * 32), lifetime=0.0),
        lambda: MemoryThrottle(max_buckets=1),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(make):
    with pytest.raises(ConfigError):
        make()


@given(st.lists(st.tuples(st.sampled_from(["try", "refund"]), st.floats(0, 2_000)), max_size=60))
def test_no_sequence_of_events_gives_more_than_the_cap(steps):
    """In pure arithmetic: the level never exceeds the cap, is never below zero, and a wait is never negative."""
    limit = Limit(free=2, cap=10)
    bucket, now = FRESH, 0.0
    for what, pause in steps:
        now += pause
        if what == "refund":
            bucket = refunded(bucket, 1, bucket.at)
        elif wait_of(bucket, limit, now) == 0.0:
            bucket = charged(bucket, limit, now)
        assert 0 <= bucket.level <= 10
        assert wait_of(bucket, limit, now) >= 0.0
