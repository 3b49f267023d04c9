"""The throttle by the clock: what an attacker gets in a month, and what an owner notices of it."""

from __future__ import annotations

import anyio
import pytest

from backstay.clock import ManualClock
from backstay.errors import ThrottleUnavailable, TooManyAttempts
from backstay.passwords.events import AttemptAdmitted, AttemptRefused, ThrottleFailed
from backstay.passwords.throttle import DeviceTokens, Limit, Limits, MemoryThrottle, StandardThrottle
from backstay.secret import Secret

DAY = 86_400.0


@pytest.fixture
def clock():
    return ManualClock()


def throttle_on(clock, **options):
    devices = DeviceTokens(Secret("k" * 32), clock=clock)
    return StandardThrottle(MemoryThrottle(clock=clock), devices=devices, **options)


async def passed(throttle, *attempts):
    """How many of the attempts (account, ip, device) are let through."""
    count = 0
    for account, ip, *device in attempts:
        try:
            await throttle.attempt(account, ip, device=device[0] if device else None)
            count += 1
        except TooManyAttempts:
            continue
    return count


@pytest.mark.asyncio
async def test_asvs_6_3_1_ten_thousand_addresses_get_a_hundred_guesses_in_a_month(clock):
    """NIST SP 800-63B-4, 3.2.2: no more than 100 consecutive failures, with the waits of the default limits."""
    throttle = throttle_on(clock)
    verified = 0
    for number in range(10_000):
        verified += await passed(throttle, ("ada", f"10.0.{number >> 8}.{number & 255}"))
        clock.advance(29 * DAY / 10_000)
    assert verified <= 100


@pytest.mark.asyncio
async def test_asvs_6_1_1_the_owners_browser_is_never_refused_for_what_strangers_do(clock):
    throttle = throttle_on(clock)
    cookie = await throttle.succeeded(await throttle.attempt("ada", "192.0.2.1"))
    stranger = 0
    for number in range(2_000):
        ip = f"10.0.{number >> 8}.{number & 255}" if number % 2 else "192.0.2.1"
        stranger += await passed(throttle, ("ada", ip))
        if number % 20 == 0:
            cookie = await throttle.succeeded(await throttle.attempt("Ada", "192.0.2.1", device=cookie))
        clock.advance(60)
    assert 10 < stranger <= 100


@pytest.mark.asyncio
async def test_the_owners_success_from_a_known_browser_gives_strangers_no_new_guesses(clock):
    throttle = throttle_on(clock, limits=Limits(account=Limit(free=1000, cap=100)))
    cookie = await throttle.reset("ada")
    first = await passed(throttle, *(("ada", f"10.0.0.{n}") for n in range(150)))
    await throttle.succeeded(await throttle.attempt("ada", "192.0.2.1", device=cookie))
    assert first + await passed(throttle, *(("ada", f"10.0.1.{n}") for n in range(150))) == 100


@pytest.mark.asyncio
async def test_an_owner_on_a_new_browser_gets_in_after_a_reset(clock):
    throttle = throttle_on(clock)
    await passed(throttle, *(("ada", f"10.0.0.{n}") for n in range(50)))
    with pytest.raises(TooManyAttempts) as refused:
        await throttle.attempt("ada", "192.0.2.9")
    assert 0 < refused.value.retry_after <= 900
    cookie = await throttle.reset("ada")
    assert await throttle.attempt("ada", "192.0.2.9", device=cookie)
    assert await throttle.attempt("ada", "192.0.2.9")


@pytest.mark.asyncio
async def test_a_slip_and_a_success_leave_no_trace(clock):
    throttle = throttle_on(clock)
    for _ in range(50):
        for _ in range(4):
            await throttle.attempt("ada", "192.0.2.1")
        await throttle.succeeded(await throttle.attempt("ada", "192.0.2.1"))
    assert len(throttle._store) == 0


@pytest.mark.asyncio
async def test_an_attacker_with_an_account_of_their_own_wins_no_guess_by_logging_in(clock):
    throttle = throttle_on(clock)
    verified = 0
    for number in range(100):
        verified += await passed(throttle, (f"victim{number}", "10.0.0.1"))
        try:
            await throttle.succeeded(await throttle.attempt("mallory", "10.0.0.1"))
        except TooManyAttempts:
            break
    assert verified <= 31


@pytest.mark.asyncio
async def test_one_address_at_many_accounts_is_slowed_down_and_forgiven_with_time(clock):
    throttle = throttle_on(clock)
    sprayed = await passed(throttle, *((f"user{n}", "10.0.0.1") for n in range(10_000)))
    assert sprayed == 31
    clock.advance(3600)
    assert await passed(throttle, *((f"user{n}", "10.0.0.1") for n in range(100))) == 31


def test_it_works_under_trio_as_well():
    async def check():
        throttle = throttle_on(ManualClock())
        assert await passed(throttle, *[("ada", "192.0.2.1")] * 20) == 6
        assert await throttle.reset("ada")

    anyio.run(check, backend="trio")


@pytest.mark.asyncio
async def test_a_withdrawn_attempt_costs_nothing(clock):
    throttle = throttle_on(clock)
    for _ in range(100):
        await throttle.withdrawn(await throttle.attempt("ada", "192.0.2.1"))
    assert await passed(throttle, *[("ada", "192.0.2.1")] * 5) == 5


@pytest.mark.asyncio
async def test_a_stolen_device_token_has_a_limit_too(clock):
    throttle = throttle_on(clock)
    cookie = await throttle.reset("ada")
    verified = 0
    for _ in range(5_000):
        verified += await passed(throttle, ("ada", "10.0.0.1", cookie))
        clock.advance(450)
    assert verified == 100


@pytest.mark.asyncio
async def test_the_error_tells_neither_account_nor_limit_and_the_events_no_names(clock):
    heard = []
    throttle = throttle_on(clock, emitter=heard.append)
    await passed(throttle, *[("ada-lovelace", "192.0.2.77")] * 10)
    with pytest.raises(TooManyAttempts) as refused:
        await throttle.attempt("ada-lovelace", "192.0.2.77")
    assert "ada" not in str(refused.value)
    assert {type(event) for event in heard} == {AttemptAdmitted, AttemptRefused}
    assert heard[-1].bucket == "pair"
    assert not any("ada" in repr(event) or "192.0.2.77" in repr(event) for event in heard)


class _Down(MemoryThrottle):
    async def charge(self, charges, /):
        raise ThrottleUnavailable("down")


@pytest.mark.asyncio
async def test_a_store_that_is_down_lets_nobody_through_and_says_so_loudly():
    heard = []
    throttle = StandardThrottle(_Down(), emitter=heard.append)
    with pytest.raises(ThrottleUnavailable):
        await throttle.attempt("ada", "192.0.2.1")
    assert heard == [ThrottleFailed(reason="down")]


@pytest.mark.asyncio
async def test_a_flood_of_made_up_accounts_does_not_wash_away_a_count(clock):
    store = MemoryThrottle(max_buckets=300, clock=clock)
    throttle = StandardThrottle(store, limits=Limits(ip=Limit(free=1_000_000), account=Limit(free=50, cap=20)))
    assert await passed(throttle, *(("ada", f"10.0.0.{n}") for n in range(30))) == 20
    await passed(throttle, *((f"made-up-{n}", f"10.1.{n >> 8}.{n & 255}") for n in range(2_000)))
    assert len(store) <= 300
    assert await passed(throttle, ("ada", "10.0.0.99")) == 0
