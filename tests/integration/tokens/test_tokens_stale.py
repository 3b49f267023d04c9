"""A copy of revocations that is too old to be believed: one asking serves all, and misses nothing."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import asynccontextmanager

import anyio
import pytest
from redis.asyncio import Redis

from backstay.clock import ManualClock
from backstay.errors import InvalidToken, TokenStoreUnavailable
from backstay.tokens import JwtCodec, KeyRing, LocalRevocations, RefreshSecrets, TokenProfile, TokenService
from backstay.tokens import redis as redis_module
from backstay.tokens.jose import generate_key
from backstay.tokens.memory import MemoryTokenStore
from backstay.tokens.redis import RedisTokenStore

pytestmark = pytest.mark.asyncio

CALLERS = 1000
USERS = 20
KEY = generate_key("HS256", kid="k")


class Counting:
    """Counts what is asked, and holds answers back on their way: they were given, but nobody has them yet."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.askings = 0
        self.answers_held = False
        self.answered = anyio.Event()
        self.release = anyio.Event()

    async def read(self, cursor, /, *, wait=0.0):
        self.askings += 1
        batch = await super().read(cursor, wait=wait)
        if self.answers_held:
            self.answered.set()
            await self.release.wait()
        return batch

    async def is_revoked(self, ids, /):
        self.askings += 1
        return await super().is_revoked(ids)

    def hold_answers(self) -> None:
        self.answers_held = True

    def let_go(self) -> None:
        self.answers_held = False
        self.release.set()


class CountingMemory(Counting, MemoryTokenStore):
    pass


class CountingRedis(Counting, RedisTokenStore):
    pass


@asynccontextmanager
async def memory(request):
    yield CountingMemory()


@asynccontextmanager
async def redis(request):
    client = Redis.from_url(request.getfixturevalue("redis_url"), socket_timeout=5)
    try:
        yield CountingRedis(client, prefix=f"stale:{time.time_ns()}")
    finally:
        await client.aclose()


on_every_store = pytest.mark.parametrize("opened", [memory, pytest.param(redis, marks=pytest.mark.redis)])


class House:
    """A service whose copy was caught up once, and is too old by now."""

    def __init__(self, store, **options) -> None:
        self.store = store
        self.clock = ManualClock()
        self.tier = LocalRevocations(store, clock=self.clock, **options)
        self.profile = TokenProfile.access(issuer="https://issuer.example", audience="api")
        self.codec = JwtCodec(KeyRing([KEY]))
        self.service = TokenService(
            codec=self.codec,
            profile=self.profile,
            store=store,
            log=store,
            secrets=RefreshSecrets({"a": b"a" * 32}, current="a"),
        )

    async def token(self, user: str):
        pair = await self.service.issue(user, client_id="web")
        return await self.codec.decode(pair.access_token, expect=self.profile)

    async def grow_stale(self) -> None:
        await self.tier.catch_up()
        self.clock.advance(1.01)
        self.store.askings = 0

    async def ask(self, token, answers: Counter[str]) -> None:
        try:
            await self.tier.check(token)
        except InvalidToken:
            answers["revoked"] += 1
        except TokenStoreUnavailable:
            answers["unavailable"] += 1
        else:
            answers["good"] += 1


@on_every_store
async def test_a_thousand_callers_share_two_askings(opened, request) -> None:
    """The first caller's, and one that began after all the others had come."""
    async with opened(request) as store:
        house = House(store)
        tokens = [await house.token(f"user-{number}") for number in range(USERS)]
        await house.grow_stale()
        for token in tokens[::2]:
            await store.end_user(token.subject)
        answers: Counter[str] = Counter()
        async with anyio.create_task_group() as group:
            for number in range(CALLERS):
                group.start_soon(house.ask, tokens[number % USERS], answers)
        assert answers == {"revoked": CALLERS // 2, "good": CALLERS // 2}
        assert store.askings <= 2


@on_every_store
async def test_an_asking_under_way_is_not_believed_by_who_came_after_it_began(opened, request) -> None:
    async with opened(request) as store:
        house = House(store)
        token = await house.token("alice")
        await house.grow_stale()
        store.hold_answers()
        early: Counter[str] = Counter()
        late: Counter[str] = Counter()
        async with anyio.create_task_group() as group:
            group.start_soon(house.ask, token, early)
            await store.answered.wait()
            await store.end_user("alice")
            for _ in range(10):
                group.start_soon(house.ask, token, late)
            await anyio.wait_all_tasks_blocked()
            store.let_go()
        assert late == {"revoked": 10}
        assert store.askings == 2


async def test_a_revocation_waits_for_an_asking_that_began_after_it() -> None:
    house = House(store := CountingMemory())
    token = await house.token("alice")
    await house.grow_stale()
    store.hold_answers()
    async with anyio.create_task_group() as group:
        group.start_soon(house.tier.catch_up)
        await store.answered.wait()
        await store.end_user("alice")
        store.let_go()
        await house.tier.catch_up()
        with pytest.raises(InvalidToken):
            await house.tier.check(token)


async def test_callers_are_cancelled_alone() -> None:
    """Whoever asks and whoever waits: the others have their answer."""
    house = House(store := CountingMemory())
    token = await house.token("alice")
    await house.grow_stale()
    store.hold_answers()
    asks, waits = anyio.CancelScope(), anyio.CancelScope()
    answers: Counter[str] = Counter()

    async def within(scope: anyio.CancelScope) -> None:
        with scope:
            await house.ask(token, answers)

    async with anyio.create_task_group() as group:
        group.start_soon(within, asks)
        await store.answered.wait()
        group.start_soon(within, waits)
        for _ in range(10):
            group.start_soon(house.ask, token, answers)
        await anyio.wait_all_tasks_blocked()
        asks.cancel()
        waits.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not answers
        store.let_go()
    assert answers == {"good": 10}
    assert store.askings == 2


async def test_a_store_that_does_not_answer_in_time_lets_nobody_in() -> None:
    house = House(store := CountingMemory(), budget=0.05)
    token = await house.token("alice")
    await house.grow_stale()
    store.hold_answers()
    answers: Counter[str] = Counter()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(CALLERS):
                group.start_soon(house.ask, token, answers)
    assert answers == {"unavailable": CALLERS}


@pytest.mark.redis
async def test_a_failed_asking_fails_all_who_wait_for_it() -> None:
    """Nothing listens there: one attempt, not a thousand."""
    client = Redis.from_url("redis://127.0.0.1:1")
    issuing = House(MemoryTokenStore())
    house = House(store := CountingRedis(client))
    token = await issuing.token("alice")
    answers: Counter[str] = Counter()
    async with anyio.create_task_group() as group:
        for _ in range(CALLERS):
            group.start_soon(house.ask, token, answers)
    await client.aclose()
    assert answers == {"unavailable": CALLERS}
    assert store.askings == 1


@pytest.mark.redis
async def test_a_log_of_many_pages_is_read_to_its_end(request, monkeypatch) -> None:
    """A copy that holds the first page only is not a fresh one."""
    monkeypatch.setattr(redis_module, "_READ_LIMIT", 10)
    async with redis(request) as store:
        house = House(store)
        token = await house.token("alice")
        for number in range(25):
            await store.deny(f"t{number}", expires_at=time.time() + 60)
        await store.end_user("alice")
        await house.tier.catch_up()
        with pytest.raises(InvalidToken):
            await house.tier.check(token)
        assert len(house.tier) == 26


@pytest.mark.redis
async def test_a_log_that_began_anew_is_read_at_once(request) -> None:
    """An emptied copy knows nothing, and must not be believed."""
    async with redis(request) as store:
        house = House(store)
        token = await house.token("alice")
        await store.deny("other", expires_at=time.time() + 60)
        await house.tier.catch_up()
        # What a replica that had not heard of the last entry would say.
        await store._client.delete(store._log)
        entry = {"kind": "session", "id": token.session_id, "expires": int(time.time() + 60) * 1000}
        await store._client.xadd(store._log, entry, id="1-1")
        await house.tier.catch_up()
        with pytest.raises(InvalidToken):
            await house.tier.check(token)
