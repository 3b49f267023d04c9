"""Callers are cancelled by the thousand while their requests are in flight, and nobody gets another's answer.

Values certify themselves: each says which key it is of. The wire is made slow and uneven, so that a cancelled
caller's reply is still under way when the next request leaves. Readers who are never cancelled run throughout, and
a quiet pass at the end asks for every key once more.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from backstay.cache import MISSING, Cache
from backstay.cache.redis import RedisCache
from backstay.testing.faults import Jitter

pytestmark = [pytest.mark.asyncio, pytest.mark.redis, pytest.mark.slow]

KEYS = [f"storm:id:{number}" for number in range(60)]
CANCELS = 10_000
BURST = 16
JITTER = Jitter(most=0.004)
Read = Callable[[str], Awaitable[object]]


def value_of(key):
    return f"the value of {key}"


@dataclass
class Storm:
    """What came of it."""

    cancelled: int = 0
    answered: int = 0
    wrong: list[str] = field(default_factory=list)
    over: bool = False

    def saw(self, key, found):
        self.answered += 1
        if found is not MISSING and found != value_of(key):
            self.wrong.append(f"{key}: {found!r}")

    async def read(self, reads: list[Read]):
        """Somebody who asks for a key, and may be cancelled any time."""
        key = random.choice(KEYS)
        self.saw(key, await random.choice(reads)(key))

    async def steadily(self, reads: list[Read]):
        while not self.over:
            await self.read(reads)

    async def burst(self, reads: list[Read]):
        tasks = [asyncio.create_task(self.read(reads)) for _ in range(BURST)]
        await asyncio.sleep(random.random() * JITTER.most)
        doomed = [task for task in random.sample(tasks, BURST - 2) if not task.done()]
        for task in doomed:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ended} <= {type(None), asyncio.CancelledError}, ended
        self.cancelled += sum(isinstance(end, asyncio.CancelledError) for end in ended)

    async def rage(self, reads: list[Read], *, until: Callable[[], bool]):
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(self.steadily(reads))
            while not until():
                await self.burst(reads)
            self.over = True
        for key in KEYS:
            self.saw(key, await reads[0](key))


def many(cache):
    async def read(key):
        others = random.sample(KEYS, 4)
        found = await cache.get_many([key, *others])
        assert all(found[other] == value_of(other) for other in others if other in found)
        return found.get(key, MISSING)

    return read


def computing(cache, **options):
    async def read(key):
        async def compute():
            await asyncio.sleep(random.random() * 0.002)
            return value_of(key)

        return await cache.get_or_compute(key, compute, random.choice((0.02, 30.0)), early=0.0, **options)

    return read


async def test_ten_thousand_cancelled_callers_leave_no_answer_with_the_wrong_one(redis_server, fault_proxy, tier):
    proxy, (options, _) = fault_proxy(redis_server.port), tier
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(RedisCache.open(f"redis://127.0.0.1:{proxy.port}/0", budget=5.0))
        cache = await stack.enter_async_context(Cache(backend, **options))
        storm = Storm()
        for key in KEYS:
            await cache.set(key, value_of(key))
        opened = proxy.accepted
        proxy.fault = JITTER
        reads = [cache.get, computing(cache), computing(cache, local=False), many(cache)]
        await storm.rage(reads, until=lambda: storm.cancelled >= CANCELS)
        assert storm.wrong == []
        assert storm.answered > 1000
        # A cancelled call costs no connection: a storm of time-outs must not become one of reconnects.
        assert proxy.accepted == opened
        assert cache.stats().total.doubted == 0
        # Nothing is left behind that holds up anybody.
        async with asyncio.timeout(5):
            for key in KEYS:
                assert await cache.get_or_compute(key, lambda key=key: value_of(key), refresh=True) == value_of(key)


async def test_writers_are_cancelled_too_and_no_value_is_torn(redis_server, fault_proxy):
    """What a cancelled set or invalidation did is unknown; what is read is one of the values, whole, of its key."""
    proxy = fault_proxy(redis_server.port)
    async with (
        RedisCache.open(f"redis://127.0.0.1:{proxy.port}/0", budget=5.0) as backend,
        Cache(backend) as cache,
    ):
        proxy.fault = JITTER
        storm = Storm()

        async def write(key):
            change = random.choice(
                (
                    lambda: cache.set(key, value_of(key)),
                    lambda: cache.invalidate(key),
                    lambda: cache.invalidate_pattern(f"{key}*"),
                    lambda: cache.touch(key, 60),
                )
            )
            await change()
            return value_of(key)

        reads = [computing(cache), write, cache.get]
        await storm.rage(reads, until=lambda: storm.cancelled >= 2000)
        assert storm.wrong == []
        assert proxy.accepted == 1


class CarelessClient:
    """A client as they were: a cancelled call leaves its reply behind in a connection that is used again."""

    def __init__(self, port, connections=4):
        self.port = port
        self.connections = connections
        self.idle = asyncio.LifoQueue()
        self.writers = []

    async def __aenter__(self):
        for _ in range(self.connections):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.writers.append(writer)
            self.idle.put_nowait((reader, writer))
        return self

    async def __aexit__(self, *exc_info):
        for writer in self.writers:
            writer.close()
            await writer.wait_closed()

    async def get(self, key):
        reader, writer = await self.idle.get()
        try:
            writer.write(b"GET %s\r\n" % key.encode())
            length = int((await reader.readline())[1:])
            return MISSING if length < 0 else (await reader.readexactly(length + 2))[:-2].decode()
        except ValueError:  # not the beginning of a reply
            return "the middle of another's reply"
        finally:
            self.idle.put_nowait((reader, writer))


async def test_the_storm_catches_a_client_that_reuses_a_connection_too_early(redis_server, fault_proxy):
    with redis_server.client() as client:
        for key in KEYS:
            client.call("SET", key, value_of(key))
    proxy = fault_proxy(redis_server.port)
    proxy.fault = JITTER
    async with CarelessClient(proxy.port) as careless:
        storm = Storm()
        await storm.rage([careless.get], until=lambda: bool(storm.wrong) or storm.cancelled >= CANCELS)
    assert storm.wrong
