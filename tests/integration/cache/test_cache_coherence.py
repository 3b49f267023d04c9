"""What one node remembers while another writes, while its link lies, and while the server forgets.

One node has a proxy before its Redis and can be cut off; the other has not. Each test holds with and without a
local tier: what a node may learn late of another's change is 50 ms on a healthy link and 2 s on a silent one.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from backstay.cache import Cache, Defaults, Invalidation
from backstay.cache.redis import RedisCache
from backstay.testing.faults import Blackhole, Latency
from backstay.testing.fleet import fleet
from backstay.testing.redis_monitor import watch
from backstay.testing.redis_server import start_redis

pytestmark = [pytest.mark.asyncio, pytest.mark.redis, pytest.mark.slow]

KEY = "coherent:id:1"
PUSH = 0.05
BOUND = 2.0
SLACK = 0.1  # a machine that does other things, too


class Source:
    """What computations look at."""

    def __init__(self):
        self.value = "old"
        self.reads = 0

    async def compute(self):
        self.reads += 1
        return self.value


class Node:
    """A cache, and how it is asked."""

    def __init__(self, cache, source):
        self.cache = cache
        self.source = source

    async def read(self, ttl=60.0, **options):
        options = {"early": 0.0, "jitter": 0.0, "tags": ("all",)} | options
        return await self.cache.get_or_compute(KEY, self.source.compute, ttl, **options)

    async def change(self, how="invalidate", what=KEY):
        """Change the source, then say so."""
        self.source.value = "new"
        assert await getattr(self.cache, how)(what) is Invalidation.APPLIED
        return time.monotonic()

    async def last_old(self, lasts):
        """When the old value was served last, if the key is read over and over; None if it never was."""
        until, seen = time.monotonic() + lasts, None
        while (began := time.monotonic()) < until:
            if await self.read() == "old":
                seen = began
            await asyncio.sleep(0.001)
        return seen


@pytest.fixture
def nodes(tier, fault_proxy):
    """Opens both nodes on a server: ``here``, ``there`` and the proxy before ``here``."""

    @asynccontextmanager
    async def opened(server):
        source, proxy = Source(), fault_proxy(server.port)
        options = {"defaults": Defaults(jitter=0.0)} | tier[0]
        async with (
            RedisCache.open(f"redis://127.0.0.1:{proxy.port}/0") as near,
            RedisCache.open(server.url) as far,
            Cache(near, **options) as here,
            Cache(far, **options) as there,
        ):
            yield Node(here, source), Node(there, source), proxy

    return opened


CHANGES = {
    "key": ("invalidate", KEY),
    "pattern": ("invalidate_pattern", "co*:id:?"),
    "namespace": ("invalidate_namespace", "coherent"),
    "tag": ("invalidate_tags", "all"),
}


async def test_what_is_remembered_is_served_without_asking_anybody(redis_server, nodes, tier):
    """The control of all that follows: there is a local tier, and it serves."""
    async with nodes(redis_server) as (here, _, _):
        for _ in range(3):
            assert await here.read() == "old"
        with watch(redis_server) as seen:
            for _ in range(200):
                assert await here.read() == "old"
        remembers = tier[0].get("local", True) is not None
        assert (len(seen.named("MGET", "GET")) < 5) is remembers


@pytest.mark.parametrize("change", CHANGES)
async def test_a_node_obeys_its_own_change_at_once(redis_server, nodes, change):
    async with nodes(redis_server) as (here, _, _):
        assert await here.read() == "old"
        await here.change(*CHANGES[change])
        assert await here.read() == "new"


@pytest.mark.parametrize("change", CHANGES)
async def test_a_node_obeys_the_change_of_another_within_a_push(redis_server, nodes, tier, change):
    async with nodes(redis_server) as (here, there, _):
        for _ in range(2):
            assert await here.read() == "old"
        reading = asyncio.create_task(here.last_old(0.5))
        await asyncio.sleep(0.05)
        changed = await there.change(*CHANGES[change])
        late = (await reading) - changed
        assert late <= (PUSH + SLACK if tier[1] else 0.0)
        assert await here.read() == "new"


async def test_a_set_by_another_node_replaces_what_is_remembered(redis_server, nodes):
    async with nodes(redis_server) as (here, there, _):
        assert await here.read() == await here.read() == "old"
        assert await there.cache.set(KEY, "set") is Invalidation.APPLIED
        await asyncio.sleep(PUSH + SLACK)
        assert await here.read() == "set"


async def test_an_answer_that_was_under_way_while_another_wrote_is_not_remembered(redis_server, nodes):
    async with nodes(redis_server) as (here, there, proxy):
        assert await there.read() == "old"
        await here.cache.get("other:id:1")
        proxy.fault = Latency(seconds=0.15)
        reading = asyncio.create_task(here.read())
        await asyncio.sleep(0.05)  # asked and answered; the answer is on its way
        await there.change()
        assert await reading == "old"  # it began before
        proxy.fault = None
        await asyncio.sleep(0.15 + PUSH + SLACK)
        assert await here.read() == "new"


async def test_a_node_whose_connection_was_cut_trusts_nothing_that_it_remembers(redis_server, nodes):
    async with nodes(redis_server) as (here, there, _):
        assert await here.read() == await here.read() == "old"
        with redis_server.client() as client:
            client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            # Behind the back of all: nobody is told of this but by the loss of the connection.
            client.call("UNLINK", "bs:{:" + KEY + "}")
        here.source.value = "new"
        await asyncio.sleep(PUSH + SLACK)
        assert await here.read() == "new"
        assert await there.read() == "new"


async def test_a_silent_link_is_trusted_no_longer_than_the_bound(redis_server, nodes, tier):
    async with nodes(redis_server) as (here, there, proxy):
        assert await here.read() == await here.read() == "old"
        proxy.fault = Blackhole()
        changed = await there.change()
        last = await here.last_old(BOUND + 1.0)
        late = 0.0 if last is None else last - changed
        assert late <= (BOUND + SLACK if tier[1] else SLACK)
        proxy.fault = None


async def test_who_wants_exactness_gets_it_on_a_silent_link(redis_server, nodes):
    async with nodes(redis_server) as (here, there, proxy):
        assert await here.read() == await here.read() == "old"
        proxy.fault = Blackhole()
        await there.change()
        for _ in range(5):
            assert await here.read(local=False) == "new"
        proxy.fault = None


async def test_what_is_remembered_expires_without_being_told(redis_server, nodes):
    async with nodes(redis_server) as (here, _, proxy):
        assert await here.read(ttl=0.3) == await here.read(ttl=0.3) == "old"
        here.source.value = "new"
        proxy.fault = Blackhole()  # no push of the server's can be what ends it
        await asyncio.sleep(0.3)
        assert await here.read(ttl=0.3) == "new"
        proxy.fault = None


@pytest.mark.parametrize("how", ["FLUSHALL", "FLUSHDB", "a restart"])
async def test_a_server_that_forgets_everything_is_believed(redis_server, nodes, how):
    async with nodes(redis_server) as (here, there, _):
        assert await here.read() == await here.read() == "old"
        if how == "a restart":
            await asyncio.to_thread(redis_server.kill)
            await asyncio.to_thread(redis_server.process.start)
        else:
            with redis_server.client() as client:
                client.call(how)
        here.source.value = "new"
        await asyncio.sleep(PUSH + SLACK)
        assert await here.read() == "new"
        assert await there.read() == "new"


async def test_a_server_that_tracks_hardly_any_keys_costs_pushes_and_no_truth(nodes):
    with start_redis(options=["--tracking-table-max-keys", "1"]) as server:
        async with nodes(server) as (here, there, _):
            for number in range(20):
                await here.cache.set(f"other:id:{number}", "x")
                assert await here.read() == "old"
                # A busy machine makes Redis late, and then it is computed: what counts is the push about the key.
                assert await here.cache.get_or_compute(f"other:id:{number}", lambda: "y") in {"x", "y"}
            await there.change()
            await asyncio.sleep(PUSH + SLACK)
            assert await here.read() == "new"


async def test_a_process_that_was_stopped_wakes_up_distrusting_its_memory(redis_server):
    """It could not hear while it did not run, and it reads before it has heard."""
    opener = "backstay.cache.redis:RedisCache.open"
    async with fleet(2, opener, redis_server.url, prefix="stopped:") as members:
        for _ in range(2):
            assert (await members[0].do("obtain", key=KEY, value="old"))["values"] == ["old"]
        members[0].pause()
        assert (await members[1].do("change", method="invalidate", args=[KEY]))["outcome"] == "applied"
        assert (await members[1].do("obtain", key=KEY, value="new"))["values"] == ["new"]
        await asyncio.sleep(BOUND + 0.2)
        first = members[0].ask("obtain", key=KEY, value="newer")
        members[0].resume()
        assert (await first.result())["values"] in (["new"], ["newer"])
