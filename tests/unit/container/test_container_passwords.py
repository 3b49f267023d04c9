"""What `Backstay.open` wires for passwords: policy, hasher, throttle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backstay import Backstay, Secret, Settings, hash_password, validate_password, verify_password
from backstay.clock import ManualClock
from backstay.container import CachedRanges
from backstay.errors import BreachDataError, ConfigError, ThrottleUnavailable, TooManyAttempts
from backstay.passwords.breach import build
from backstay.passwords.events import AttemptRefused, PasswordVerified
from backstay.settings import PasswordSettings, ThrottleSettings, from_env

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


async def test_a_cluster_serves_the_cache_and_the_counts_need_a_redis_of_their_own():
    url = Secret("redis+cluster://127.0.0.1:1")
    with pytest.raises(ConfigError, match="BACKSTAY_THROTTLE_STORE"):
        async with Backstay.open(Settings(redis_url=url)):
            pass
    apart = ThrottleSettings(store=Secret("redis://127.0.0.1:1/0"))
    async with Backstay.open(Settings(redis_url=url, throttle=apart)) as kit:
        assert await kit.cache.get_or_compute("key", lambda: "computed") == "computed"


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


async def test_the_settings_choose_preset_words_peppers_and_breach_data(tmp_path):
    digest = hashlib.sha1(b"granite owl bassoon lantern").hexdigest().upper()
    (tmp_path / "all.txt").write_text(f"{digest}:5\n")
    build(tmp_path / "all.txt", tmp_path / "breach.db")
    settings = from_env(
        environ={
            "BACKSTAY_PASSWORD_PRESET": "nist",
            "BACKSTAY_PASSWORD_CONTEXT": "birdwatch, featherbase",
            "BACKSTAY_PASSWORD_BREACH_DB": str(tmp_path / "breach.db"),
            "BACKSTAY_PASSWORD_PEPPERS": f"2026:{'b' * 32},2025:{'a' * 32}",
        }
    )
    async with Backstay.open(settings):
        assert await validate_password("plover cranberry hinge saxophone")
        assert (await validate_password("vKq7mZr2Lp9w")).codes == ("too_short",)
        assert (await validate_password("Featherbase-2026!!")).codes == ("user_info",)
        assert (await validate_password("granite owl bassoon lantern")).codes == ("breached",)
        stored = await hash_password("x")
        assert stored.startswith("$backstay$k=2026$")
        assert await verify_password("x", stored)


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("PRESET", "hunter2", "presets"),
        ("PEPPERS", "hunter2", "commas"),
        ("PEPPERS", "a:hunter2", "32"),
        ("PEPPERS", f"a:{'x' * 32},a:{'y' * 32}", "once"),
        ("HASH_MEMORY", "1000", "budget"),
        ("BREACH_UNKNOWN", "maybe", "open"),
    ],
)
async def test_settings_that_cannot_work_are_refused_at_once(name, value, named):
    with pytest.raises(ConfigError, match=named) as refused:
        async with Backstay.open(from_env(environ={f"BACKSTAY_PASSWORD_{name}": value})):
            pass
    assert name == "PRESET" or "hunter2" not in str(refused.value)


async def test_a_missing_breach_database_is_an_error_at_the_start():
    with pytest.raises(BreachDataError, match=r"nowhere\.db"):
        async with Backstay.open(Settings(password=PasswordSettings(breach_db=Path("nowhere.db")))):
            pass


async def test_answers_about_breaches_are_kept_in_the_cache_that_all_workers_share():
    clock = ManualClock()
    async with Backstay.open(Settings(), clock=clock) as kit:
        ranges = CachedRanges(kit.cache)
        assert await ranges.get("pwned:00000") is None
        await ranges.set("pwned:00000", b"\0rows", ttl=60.0)
        assert await ranges.get("pwned:00000") == b"\0rows"
        clock.advance(61)
        assert await ranges.get("pwned:00000") is None
