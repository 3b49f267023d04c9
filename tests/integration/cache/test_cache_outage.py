"""A Redis that is killed, restarted or silent: callers get values, and nothing that was invalidated comes back."""

# ruff: noqa: ASYNC110 - what is waited for is the state of a breaker, which only asking moves

import time

import anyio
import pytest

from backstay.cache import MISSING, Cache, Invalidation, Patience
from backstay.cache.events import BackendBack, BackendFailed, BackendLost
from backstay.cache.redis import RedisCache
from backstay.testing.faults import Blackhole, Refuse

pytestmark = [pytest.mark.asyncio, pytest.mark.redis]

KEY = "ns:id:1"
SOON = Patience(backoff=0.001, probe_after=0.01, probe_most=0.02)


class Node:
    """A cache on one Redis, with what it told."""

    def __init__(self, url, budget=0.25):
        self.url = url
        self.budget = budget
        self.events = []

    async def __aenter__(self):
        self.opened = RedisCache.open(self.url, prefix="cachetests:", budget=self.budget)
        backend = await self.opened.__aenter__()
        self.cache = Cache(backend, patience=SOON, listeners=[self.events.append])
        return self

    async def __aexit__(self, *exc_info):
        await self.cache.aclose()
        await self.opened.__aexit__(*exc_info)

    async def back(self):
        """Ask until the breaker has closed: a probe needs a caller."""
        with anyio.fail_after(10):
            while not any(isinstance(event, BackendBack) for event in self.events):
                await self.cache.exists("ns:probe")
                await anyio.sleep(0.005)

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def computes(value):
    async def compute():
        return value

    return compute


async def test_a_killed_redis_is_an_event_and_no_error(redis_server):
    async with Node(redis_server.url) as node:
        await node.cache.set(KEY, "stored")
        redis_server.kill()
        began = time.monotonic()
        assert await node.cache.get_or_compute(KEY, computes("computed")) == "computed"
        assert time.monotonic() - began < 2.5
        assert node.told(BackendFailed)
        assert len(node.told(BackendLost)) >= 1
        assert not node.cache.stats().available
        assert await node.cache.get(KEY) is MISSING
        assert await node.cache.set(KEY, "lost") is Invalidation.QUEUED
        assert await node.cache.get_many([KEY]) == {}
        assert not await node.cache.touch(KEY)
        assert node.cache.stats().queued == 1
        redis_server.restart()
        await node.back()
        assert node.cache.stats().available
        assert node.cache.stats().queued == 0
        assert await node.cache.get_or_compute(KEY, computes("new")) == "new"
        assert await node.cache.get(KEY) == "new"


async def test_callers_of_one_process_still_share_a_computation(redis_server):
    async with Node(redis_server.url) as node:
        redis_server.kill()
        await node.cache.get(KEY)
        calls, go, results = [], anyio.Event(), []

        async def compute():
            calls.append(1)
            await go.wait()
            return "value"

        async def call():
            results.append(await node.cache.get_or_compute(KEY, compute))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(call)
            with anyio.fail_after(10):
                while node.cache.stats().total.coalesced < 49:
                    await anyio.sleep(0.001)
            go.set()
        assert (len(calls), results) == (1, ["value"] * 50)


@pytest.mark.parametrize("fault", [Refuse(), Blackhole()], ids=["refused", "silent"])
@pytest.mark.parametrize("kind", ["key", "pattern", "tag", "namespace"])
async def test_an_invalidation_during_an_outage_is_applied_before_anything_is_read(
    redis_server, fault_proxy, fault, kind
):
    proxy = fault_proxy(redis_server.port)
    async with Node(f"redis://127.0.0.1:{proxy.port}/0") as here, Node(redis_server.url) as there:
        for number in (1, 2):  # computed: what was set is invalidated once more when the connection was lost
            await here.cache.get_or_compute(f"ns{number}:id:1", computes("old"), tags=[f"tag{number}"])
            assert await here.cache.exists(f"ns{number}:id:1")  # nobody waits for the store, so it is asked
        proxy.fault = fault
        if isinstance(fault, Refuse):  # connections that stand are not refused: end them behind its back
            with redis_server.client() as client:
                client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await here.cache.get("ns1:id:1")
        invalidate = {
            "key": lambda: here.cache.invalidate("ns1:id:1"),
            "pattern": lambda: here.cache.invalidate_pattern("ns1:*"),
            "tag": lambda: here.cache.invalidate_tags("tag1"),
            "namespace": lambda: here.cache.invalidate_namespace("ns1"),
        }[kind]
        assert await invalidate() is Invalidation.QUEUED
        assert here.cache.stats().queued == 1
        assert await there.cache.get("ns1:id:1") == "old"
        proxy.fault = None
        await here.back()
        assert [event.replayed for event in here.told(BackendBack)] == [1]
        for node in (here, there):
            assert await node.cache.get("ns1:id:1") is MISSING
            assert await node.cache.get("ns2:id:1") == "old"


async def test_a_silent_redis_costs_no_more_than_its_budget(redis_server):
    async with Node(redis_server.url, budget=0.1) as node:
        await node.cache.get_or_compute(KEY, computes("stored"))
        assert await node.cache.exists(KEY)
        redis_server.pause()
        try:
            began = time.monotonic()
            assert await node.cache.get_or_compute(KEY, computes("computed")) == "computed"
            first = time.monotonic() - began
        finally:
            redis_server.resume()
        assert first < 2.0
        await node.back()
        assert await node.cache.get_or_compute(KEY, computes("other")) == "stored"


async def test_a_restarted_redis_has_lost_the_log_and_nothing_old_is_trusted(redis_server):
    async with Node(redis_server.url) as node, Node(redis_server.url) as fresh:
        await node.cache.set(KEY, "old")
        async with RedisCache.open(redis_server.url, prefix="cachetests:") as backend:
            old = (await backend.read([KEY], since=0)).values[0]
        await node.cache.invalidate_namespace("ns")
        redis_server.restart()
        async with RedisCache.open(redis_server.url, prefix="cachetests:") as backend:
            await backend.put({KEY: old}, ttl=60)  # as a restored backup would
        assert await fresh.cache.get(KEY) is MISSING
        assert await node.cache.get_or_compute(KEY, computes("new")) == "new"
        assert await fresh.cache.get(KEY) == "new"


async def test_a_foreign_type_under_a_key_heals(redis_server):
    async with Node(redis_server.url) as node:
        with redis_server.client() as client:
            client.call("RPUSH", "cachetests:{:" + KEY + "}", "x")
        assert await node.cache.get_or_compute(KEY, computes("healed")) == "healed"
        assert await node.cache.get(KEY) == "healed"
