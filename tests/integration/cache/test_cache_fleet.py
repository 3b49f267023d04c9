"""One computation per key in a fleet of real processes, and waiting that costs nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager

import pytest

from backstay.testing.fleet import fleet
from backstay.testing.history import History
from backstay.testing.redis_monitor import watch
from backstay.testing.schedules import chosen_seeds

pytestmark = [pytest.mark.asyncio, pytest.mark.redis, pytest.mark.slow]

KEY = "fleet:id:1"
LEASE = 1.0
TAKEOVER = 0.2
SLACK = 1.0  # for starting a task in another process of a machine that does other things, too
BEATS = 2  # commands a second with which a process shows that it is there


@asynccontextmanager
async def processes(count, server, **cache):
    opener = "backstay.cache.redis:RedisCache.open"
    async with fleet(count, opener, server.url, prefix="fleet:", budget=2.0, cache=cache) as members:
        yield members


@pytest.fixture(params=["far tier alone", "with a local tier"])
def cache_options(request):
    return {"local": None} if request.param == "far tier alone" else {}


def computations(calls):
    return sum(event["event"] == "computing" for call in calls for event in call.events)


async def test_four_processes_of_a_hundred_callers_each_compute_once_cold_and_expired(redis_server, cache_options):
    async with processes(4, redis_server, **cache_options) as members:
        for round_ in ("cold", "expired"):
            calls = [
                member.ask("obtain", key=KEY, value=round_, seconds=0.3, callers=100, ttl=0.5, early=0.0)
                for member in members
            ]
            results = [await call.result() for call in calls]
            assert {value for result in results for value in result["values"]} == {round_}
            assert computations(calls) == 1
            assert max(result["longest"] for result in results) < 5.0  # not the lease (10 s)
            await asyncio.sleep(0.6)  # the ttl of a real server


async def test_a_computation_that_outlives_its_lease_is_still_the_only_one(redis_server):
    async with processes(3, redis_server) as members:
        calls = [
            member.ask("obtain", key=KEY, value="slow", seconds=2.5 * LEASE, callers=20, lease=LEASE)
            for member in members
        ]
        results = [await call.result() for call in calls]
        assert computations(calls) == 1
        assert {value for result in results for value in result["values"]} == {"slow"}


async def test_when_the_holder_is_killed_another_takes_over_within_the_lease(redis_server):
    async with processes(3, redis_server) as members:
        dying = members[0].ask("obtain", key=KEY, value="never", seconds=60, lease=LEASE, ttl=3600)
        await dying.event("computing")
        waiting = [member.ask("obtain", key=KEY, value="taken over", lease=LEASE) for member in members[1:]]
        await asyncio.sleep(LEASE)  # the holder has renewed by now: what counts is its death
        members[0].kill()
        died = time.monotonic()
        assert [(await call.result())["values"] for call in waiting] == [["taken over"]] * 2
        (begun,) = [event["at"] for call in waiting for event in call.events if event["event"] == "computing"]
        assert begun - died <= LEASE + TAKEOVER + SLACK


async def test_a_holder_that_was_paused_past_its_lease_is_refused(redis_server):
    async with processes(3, redis_server) as members:
        paused = members[0].ask("obtain", key=KEY, value="late", seconds=0.5, lease=LEASE)
        await paused.event("computing")
        members[0].pause()
        stopped = time.monotonic()
        taking = members[1].ask("obtain", key=KEY, value="new", lease=LEASE)
        begun = await taking.event("computing")
        assert begun["at"] - stopped <= LEASE + TAKEOVER + SLACK
        assert (await taking.result())["values"] == ["new"]
        members[0].resume()
        assert (await paused.result())["values"] == ["late"]  # it came before, and may have what it computed
        for member in members:
            assert (await member.do("obtain", key=KEY, value="newer"))["values"] == ["new"]
        assert (await members[0].do("stats"))["refused"] == 1


async def test_a_computation_that_fails_elsewhere_wakes_who_waits_at_once(redis_server):
    async with processes(2, redis_server) as members:
        failing = members[0].ask("obtain", key=KEY, error="no", seconds=0.3, lease=10.0, callers=50)
        await failing.event("computing")
        waiting = members[1].ask("obtain", key=KEY, value="better", lease=10.0)
        assert set((await failing.result())["values"]) == {"LookupError: no"}
        failed = time.monotonic()
        result = await waiting.result()
        assert result["values"] == ["better"]
        assert result["ended"] - failed < SLACK
        assert computations([failing]) == 1


@pytest.mark.parametrize("lease", [10.0, 3.0])
async def test_waiting_costs_a_command_per_renewal_and_process(redis_server, lease):
    """Apart from a heartbeat: nobody polls. Each process has twenty callers that wait."""
    lasts = 7.0
    async with processes(3, redis_server) as members:
        holder = members[0].ask("obtain", key=KEY, value="value", seconds=lasts + 1.5, lease=lease)
        await holder.event("computing")
        waiting = [member.ask("obtain", key=KEY, callers=20, lease=lease) for member in members[1:]]
        await asyncio.sleep(0.5)  # they have asked, and wait
        with watch(redis_server) as seen:
            await asyncio.sleep(lasts)
        results = [await call.result() for call in waiting]
        assert {value for result in results for value in result["values"]} == {"value"}
        assert computations(waiting) == 0
    renewals = lasts / (lease / 3) + 1
    by_process = [commands for commands in seen.by_client().values() if len(commands) > 1]
    assert len(by_process) == 3  # who waits and who computes, each by one connection
    for commands in by_process:
        assert len(commands) <= renewals + lasts + BEATS, [command.name for command in commands]


async def test_who_waits_in_another_process_is_woken_by_the_fill(redis_server):
    """How fast is `benchmarks/cache/bench_wakeup.py`'s to say; here: without waiting for any timer."""
    delays = []
    async with processes(2, redis_server) as members:
        for round_ in range(20):
            key = f"fleet:id:{round_}"
            holder = members[0].ask("obtain", key=key, value="value", seconds=0.1, lease=10.0)
            await holder.event("computing")
            waiting = members[1].ask("obtain", key=key, lease=10.0)
            filled = (await holder.result())["ended"]
            delays.append((await waiting.result())["ended"] - filled)
            assert computations([waiting]) == 0
    delays.sort()
    assert delays[len(delays) // 2] < 0.02, delays
    assert delays[-1] < SLACK, delays


@pytest.mark.parametrize("seed", chosen_seeds(4), ids=lambda seed: f"seed {seed}")
async def test_schedules_of_several_processes(redis_server, seed, cache_options):
    """What one event loop orders by itself, processes do not."""
    lag = 0.0 if cache_options else 0.05
    root = f"p{seed}-{secrets.token_hex(3)}/"
    async with processes(3, redis_server, **cache_options) as members:
        walking = [
            member.ask("walk", seed=seed, nodes=len(members), node=node, root=root, steps=150)
            for node, member in enumerate(members)
        ]
        parts = [await call.result() for call in walking]
        await asyncio.sleep(lag)
        parts += [await member.do("look", node=node, root=root) for node, member in enumerate(members)]
    history = History().merge(map(History.from_json, parts))
    assert len(history.sights) > 300
    assert len(history.mutations) > 100
    assert not history.violations(lag=lag), "\n".join(map(str, history.violations(lag=lag)))


async def test_the_fence_of_a_lock_grows_over_all_processes(redis_server):
    rounds, fences = 10, []
    async with processes(3, redis_server) as members:

        async def work(member):
            mine = [
                (await member.do("lock", name="job", lease=5.0, wait=30.0, seconds=0.02))["fence"]
                for _ in range(rounds)
            ]
            assert mine == sorted(mine)
            fences.extend(mine)

        with watch(redis_server) as seen:
            began = time.monotonic()
            await asyncio.gather(*map(work, members))
            took = time.monotonic() - began
    assert len(set(fences)) == 3 * rounds
    # Asking again and again would be a storm: two who wait for 20 ms each turn, some looks at most.
    assert len(seen.commands) <= 3 * rounds * 8 + 3 * BEATS * took


async def test_a_lock_starves_nobody(redis_server):
    """Six processes want it all the time. Whoever waits longest is served before anybody is served often."""
    got = dict.fromkeys(range(6), 0)
    async with processes(6, redis_server) as members:
        over = time.monotonic() + 6.0

        async def work(number):
            while time.monotonic() < over:
                await members[number].do("lock", name="job", lease=5.0, wait=30.0, seconds=0.03)
                got[number] += 1

        await asyncio.gather(*map(work, got))
    assert min(got.values()) >= 0.2 * sum(got.values()) / len(got), got


async def test_a_lock_that_is_waited_for_is_not_polled(redis_server):
    lasts = 5.0
    async with processes(3, redis_server) as members:
        holder = members[0].ask("lock", name="job", lease=10.0, seconds=lasts + 1.5)
        await holder.event("held")
        waiting = [member.ask("lock", name="job", lease=10.0, wait=30.0) for member in members[1:]]
        await asyncio.sleep(0.5)
        with watch(redis_server) as seen:
            await asyncio.sleep(lasts)
        given_back = (await holder.result())["ended"]
        results = sorted([await call.result() for call in waiting], key=lambda result: result["fence"])
        assert results[0]["ended"] - given_back < SLACK
    renewals = lasts / (10.0 / 3) + 1
    for commands in seen.by_client().values():
        assert len(commands) <= renewals + lasts + BEATS, [command.name for command in commands]


async def test_a_holder_of_a_lock_that_was_paused_past_its_lease_is_told_and_fenced_off(redis_server):
    async with processes(2, redis_server) as members:
        holder = members[0].ask("lock", name="job", lease=LEASE, seconds=30)
        first = await holder.event("held")
        members[0].pause()
        other = await members[1].do("lock", name="job", lease=LEASE, wait=10.0)
        assert other["fence"] > first["fence"]
        members[0].resume()
        await asyncio.wait_for(holder.event("lost"), LEASE)
        assert (await holder.result())["lost"]
