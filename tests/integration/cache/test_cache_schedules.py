"""Random schedules on several nodes: no read returns what was invalidated before it began.

A seed that fails is named; ``BACKSTAY_SEEDS=17x200`` runs it two hundred times.
"""

from __future__ import annotations

import random
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from types import MappingProxyType

import anyio
import anyio.to_thread
import pytest

from backstay.cache import Cache, Defaults, MemoryCache
from backstay.cache.redis import RedisCache
from backstay.testing.interposed import CallsBack, HeldUp, Interposed
from backstay.testing.schedules import ScheduleSuite, chosen_seeds

PATIENT = 10.0  # seconds of budget: where no link shall fall, a machine that stalls must not make it fall


class OnRedis(ScheduleSuite):
    """Nodes with a connection each, on a prefix of their own."""

    budget = PATIENT
    options = MappingProxyType({"local": None})

    @pytest.fixture(autouse=True)
    def _shared_server(self, redis_url):
        self.url = redis_url

    @asynccontextmanager
    async def open_nodes(self, count):
        prefix = f"schedules-{secrets.token_hex(6)}:"
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(RedisCache.open(self.url, prefix=prefix, budget=self.budget))
                for _ in range(count)
            ]

    @asynccontextmanager
    async def open_caches(self, count):
        async with self.open_nodes(count) as backends, AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(Cache(backend, defaults=Defaults(jitter=0.0), **self.options))
                for backend in backends
            ]


@pytest.mark.redis
@pytest.mark.slow
class TestOnRedis(OnRedis):
    """The law itself, with all links up."""

    schedules = 500

    @pytest.fixture(autouse=True)
    def _tier(self, tier):
        self.options, self.lag = tier


@pytest.mark.nightly
@pytest.mark.timeout(7200)
class TestOnRedisAllNight(TestOnRedis):
    schedules = 10_000


@pytest.mark.redis
@pytest.mark.slow
class TestOnRedisFarAway(OnRedis):
    """Requests and answers are held up: they overlap as they do between data centres."""

    schedules = 100

    @asynccontextmanager
    async def open_nodes(self, count):
        async with super().open_nodes(count) as backends:
            yield [HeldUp(backend, most=0.003) for backend in backends]


@pytest.mark.redis
@pytest.mark.slow
class TestOnRedisFarAwayCallingBack(TestOnRedisFarAway):
    """The same, and nobody waits in a task for a lease or a store."""

    @asynccontextmanager
    async def open_nodes(self, count):
        async with super().open_nodes(count) as backends:
            yield [CallsBack(backend) for backend in backends]


@pytest.mark.redis
@pytest.mark.slow
class TestOnRedisWithLinksThatFall(OnRedis):
    """All connections are cut every few milliseconds. What was `queued` promises nothing; the rest holds."""

    schedules = 100
    budget = 0.25
    at_once = 1
    alone = 2.0

    @pytest.fixture(autouse=True)
    def _own_server(self, redis_server, tier):
        self.url, self.server = redis_server.url, redis_server
        self.options, self.lag = tier
        if self.lag:  # a link that is cut is noticed within a budget, not within a push
            self.lag = self.budget

    async def disturb(self):
        with self.server.client() as client:
            while True:
                await anyio.sleep(0.005 + random.random() * 0.06)
                await anyio.to_thread.run_sync(
                    lambda: client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                )


@pytest.mark.redis
@pytest.mark.slow
class TestOnRedisCluster(OnRedis):
    """Keys, tags and the log lie on three nodes."""

    schedules = 100

    @pytest.fixture(autouse=True)
    def _cluster(self, redis_cluster, tier):
        self.url = f"redis+cluster://127.0.0.1:{redis_cluster.masters[0].port}"
        self.options, self.lag = tier


class TestInMemory(ScheduleSuite):
    """Several caches on one store of this process, on both event loops."""

    backends = ("asyncio", "trio")

    @asynccontextmanager
    async def open_nodes(self, count):
        memory = MemoryCache()
        yield [HeldUp(memory, most=0.002) for _ in range(count)]


class FillsWithoutItsLease(Interposed):
    async def fill(self, key, token, value, /, *, ttl):
        await self.inner.put({key: value}, ttl=ttl)
        return True


class WritesNoRecord(Interposed):
    async def bump(self, scopes, /):
        return (await self.inner.read((), since=0)).epoch


class KeepsWhatItShouldRemove(Interposed):
    async def put(self, entries, /, *, ttl):
        stored = {key: value for key, value in entries.items() if value is not None}
        if stored:
            await self.inner.put(stored, ttl=ttl)


class HearsNoNews(Interposed):
    async def read(self, keys, /, *, since):
        found = await self.inner.read(keys, since=since)
        return found._replace(records=()) if since else found


class RemembersForEver(Interposed):
    """A local tier that nobody tells anything."""

    def __init__(self, inner):
        super().__init__(inner)
        self.kept = {}

    async def read(self, keys, /, *, since):
        found = await self.inner.read(keys, since=since)
        values = [self.kept.setdefault(key, value) for key, value in zip(keys, found.values, strict=True)]
        self.kept = {key: value for key, value in self.kept.items() if value is not None}
        return found._replace(values=values)


class AnswersForOtherKeys(Interposed):
    """Turns the answers of one read round. The envelope is what saves callers; see the storm of cancellations."""

    async def read(self, keys, /, *, since):
        found = await self.inner.read(keys, since=since)
        return found._replace(values=[*found.values[1:], *found.values[:1]])


BROKEN = [FillsWithoutItsLease, WritesNoRecord, KeepsWhatItShouldRemove, HearsNoNews, RemembersForEver]


def broken_on_redis(broken, url):
    class OnBrokenRedis(OnRedis):
        schedules = 100

        @asynccontextmanager
        async def open_nodes(self, count):
            async with super().open_nodes(count) as backends:
                yield [broken(backend) for backend in backends]

    suite = OnBrokenRedis()
    suite.url = url
    return suite


@pytest.mark.redis
@pytest.mark.parametrize("broken", BROKEN)
def test_a_backend_that_breaks_one_promise_is_caught(redis_url, broken):
    failed = anyio.run(broken_on_redis(broken, redis_url).run_all)
    assert any("although node" in each for each in failed)


@pytest.mark.redis
def test_a_backend_that_mixes_up_answers_costs_computations_and_no_wrong_value(redis_url):
    assert anyio.run(broken_on_redis(AnswersForOtherKeys, redis_url).run_all) == []


def test_a_cache_that_hangs_or_raises_is_caught():
    class Hangs(Interposed):
        async def fill(self, key, token, value, /, *, ttl):
            await anyio.sleep_forever()

    class Raises(Interposed):
        async def acquire(self, key, token, /, **options):
            raise LookupError(key)

    class Broken(ScheduleSuite):
        schedules, longest, at_once = 2, 1.0, 2

        @asynccontextmanager
        async def open_nodes(self, count):
            memory = MemoryCache()
            yield [self.broken(memory) for _ in range(count)]

    suite = Broken()
    for suite.broken, word in ((Hangs, "hung"), (Raises, "raised")):
        failed = anyio.run(suite.run_all)
        assert [word in each for each in failed] == [True, True]
        assert len(chosen_seeds(2)) == 2
