"""The throttle when its Redis is away, frozen, full or wrongly used: nobody gets through, and soon."""

from __future__ import annotations

import time

import anyio
import pytest
from redis.asyncio import Redis

from backstay.errors import ConfigError, ThrottleUnavailable, TooManyAttempts
from backstay.passwords.throttle import Limit, Limits, StandardThrottle
from backstay.passwords.throttle.redis import RedisThrottle
from backstay.testing.faults import Blackhole, Drip, ResetMidReply

pytestmark = [pytest.mark.asyncio, pytest.mark.redis]


async def test_a_killed_redis_lets_nobody_through_and_everything_works_after_its_return(redis_server):
    async with RedisThrottle.open(redis_server.url) as store:
        throttle = StandardThrottle(store)
        await throttle.attempt("ada", "192.0.2.1")
        redis_server.kill()
        with pytest.raises(ThrottleUnavailable):
            await throttle.attempt("ada", "192.0.2.1")
        redis_server.restart()
        await throttle.succeeded(await throttle.attempt("ada", "192.0.2.1"))


@pytest.mark.parametrize("fault", [Blackhole(), Drip(seconds=0.05), ResetMidReply()], ids=type)
async def test_a_redis_that_does_not_answer_is_given_up_in_time(redis_server, fault_proxy, fault):
    proxy = fault_proxy(redis_server.port)
    async with RedisThrottle.open(f"redis://127.0.0.1:{proxy.port}", timeout=0.3) as store:
        throttle = StandardThrottle(store)
        await throttle.attempt("ada", "192.0.2.1")
        proxy.fault = fault
        began = time.monotonic()
        with pytest.raises(ThrottleUnavailable):
            await throttle.attempt("ada", "192.0.2.1")
        assert time.monotonic() - began < 5.0


async def test_a_full_redis_refuses_rather_than_forgets(redis_server):
    async with RedisThrottle.open(redis_server.url) as store:
        await store._client.config_set("maxmemory", "1")
        with pytest.raises(ThrottleUnavailable):
            await StandardThrottle(store).attempt("ada", "192.0.2.1")


async def test_two_workers_share_their_counts_and_a_pool_that_is_full_waits(redis_server):
    limits = Limits(pair=Limit(free=1000), ip=Limit(free=1000), account=Limit(free=1000, cap=50))
    verified = 0

    async def worker(throttle, number):
        nonlocal verified
        try:
            await throttle.attempt("ada", f"192.0.2.{number}")
            verified += 1
        except TooManyAttempts:
            pass

    async with (
        RedisThrottle.open(redis_server.url, max_connections=2, timeout=10.0) as one,
        RedisThrottle.open(redis_server.url, max_connections=2, timeout=10.0) as two,
        anyio.create_task_group() as group,
    ):
        for number in range(200):
            store = one if number % 2 else two
            group.start_soon(worker, StandardThrottle(store, limits=limits), number)
    assert verified == 50


async def test_buckets_expire_by_themselves_and_hold_no_name(redis_server):
    async with RedisThrottle.open(redis_server.url) as store:
        await StandardThrottle(store).attempt("ada-lovelace", "192.0.2.77")
        keys = [key async for key in store._client.scan_iter()]
        assert len(keys) == 3
        for key in keys:
            assert b"ada" not in key
            assert b"192.0" not in key
            assert 0 < await store._client.ttl(key) <= 30 * 86_400


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("protocol", [2, 3])
async def test_any_asyncio_client_will_do(redis_server, decode, protocol):
    client = Redis.from_url(redis_server.url, decode_responses=decode, protocol=protocol)
    throttle = StandardThrottle(RedisThrottle(client))
    for _ in range(3):
        attempt = await throttle.attempt("ada", "192.0.2.1")
    await throttle.succeeded(attempt)
    assert [key async for key in client.scan_iter()] == []
    await client.aclose()


@pytest.mark.parametrize("url", ["nonsense://:hunter2@host", "redis://:hunter2@host:port"])
async def test_a_url_that_cannot_be_read_is_not_repeated(url):
    with pytest.raises(ConfigError) as refused:
        async with RedisThrottle.open(url):
            pass
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("options", [{"prefix": "a{b}"}, {"timeout": 0.0}])
async def test_options_that_cannot_work_are_refused(options, redis_url):
    with pytest.raises(ConfigError):
        async with RedisThrottle.open(redis_url, **options):
            pass
