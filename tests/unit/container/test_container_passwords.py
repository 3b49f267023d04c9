"""What `Backstay.open` wires for passwords: policy, hasher, throttle."""

from __future__ import annotations

import pytest

from backstay import Backstay, Secret, Settings, hash_password, validate_password, verify_password
from backstay.clock import ManualClock
from backstay.errors import ConfigError, ThrottleUnavailable, TooManyAttempts
from backstay.passwords.events import AttemptRefused, PasswordVerified
from backstay.settings import ThrottleSettings, from_env

pytestmark = pytest.mark.asyncio
KEY = ThrottleSettings(device_key=Secret("k" * 32))


async def test_a_login_goes_through_the_parts_of_the_open_one():
    heard, clock = [], ManualClock()
    async with Backstay.open(Settings(throttle=KEY), listeners=[heard.append], clock=clock) as kit:
        assert await validate_password("Strong@Pass1")
        stored = await hash_password("Strong@Pass1")
        attempt = await kit.throttle.attempt("ada", "192.0.2.1")
        assert await verify_password("Strong@Pass1", stored)
        cookie = await kit.throttle.succeeded(attempt)
        for number in range(11):
            await kit.throttle.attempt("ada", f"10.0.0.{number}")
        with pytest.raises(TooManyAttempts):
            await kit.throttle.attempt("ada", "10.0.0.99")
        assert await kit.throttle.attempt("ada", "192.0.2.1", device=cookie)
    assert {PasswordVerified, AttemptRefused} <= {type(event) for event in heard}


async def test_without_a_key_there_are_no_device_tokens():
    async with Backstay.open(Settings()) as kit:
        assert await kit.throttle.succeeded(await kit.throttle.attempt("ada", "192.0.2.1")) is None


async def test_a_key_that_is_too_short_is_refused_and_not_shown():
    settings = from_env(environ={"BACKSTAY_THROTTLE_DEVICE_KEY": "hunter2"})
    with pytest.raises(ConfigError) as refused:
        async with Backstay.open(settings):
            pass
    assert "hunter2" not in str(refused.value)


async def test_a_redis_that_is_away_refuses_logins_and_nothing_else():
    async with Backstay.open(Settings(redis_url=Secret("redis://127.0.0.1:1/0"))) as kit:
        assert await validate_password("Strong@Pass1")
        with pytest.raises(ThrottleUnavailable):
            await kit.throttle.attempt("ada", "192.0.2.1")


@pytest.mark.redis
async def test_with_a_redis_the_counts_are_shared(redis_server):
    settings = Settings(redis_url=Secret(redis_server.url), throttle=ThrottleSettings(timeout=10.0))
    async with Backstay.open(settings) as one, Backstay.open(settings) as two:
        admitted = 0
        for number in range(20):
            try:
                await (one if number % 2 else two).throttle.attempt("ada", "192.0.2.1")
                admitted += 1
            except TooManyAttempts:
                continue
    assert 6 <= admitted < 20
