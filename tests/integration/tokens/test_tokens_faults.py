"""Servers that are killed, frozen, restarted or replaced in the middle of rotations: nothing lost, no fork.

Every session is refreshed by two racers at once, round after round, while its server fails. A racer that hears
"unavailable" asks again with the same token. What must hold at the end: nobody was ever told that a token is
invalid, all racers of a round were given one successor, and the session is alive, once.
"""

# ruff: noqa: ASYNC110 - what is waited for is the state of a server, or of racers that only rounds move

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import asyncpg
import pytest
from redis.asyncio.sentinel import Sentinel

from backstay.clock import SystemClock
from backstay.errors import InvalidToken, TokenReason, TokenStoreUnavailable
from backstay.events import Emitter
from backstay.testing.postgres_server import start_postgres
from backstay.testing.redis_server import start_redis
from backstay.tokens import (
    JwtCodec,
    KeyRing,
    LocalRevocations,
    RefreshSecrets,
    TokenProfile,
    TokenService,
)
from backstay.tokens.events import RefreshReused
from backstay.tokens.jose import generate_key
from backstay.tokens.postgres import open_postgres_store
from backstay.tokens.protocol import TokenStore
from backstay.tokens.redis import RedisTokenStore, open_redis_store
from backstay.tokens.sessions import TokenIds

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

NIGHTLY = bool(os.environ.get("BACKSTAY_NIGHTLY"))
FAULTS = 50 if NIGHTLY else 3
SESSIONS = 20
KEY = generate_key("HS256", kid="k")


class House:
    """A service on a store, with what it told."""

    def __init__(self, store: TokenStore, revocations: LocalRevocations | None = None) -> None:
        self.events: list[object] = []
        self.store = store
        self.service = TokenService(
            codec=JwtCodec(KeyRing([KEY])),
            profile=TokenProfile.access(issuer="https://issuer.example", audience="api"),
            store=store,
            log=store,
            secrets=RefreshSecrets({"a": b"a" * 32}, current="a"),
            revocations=revocations,
            events=Emitter([self.events.append]),
        )


class Racing:
    """Sessions that are refreshed until told to stop."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.rounds = 0
        self.unavailable = 0
        self.stopping = False
        self.tokens: dict[str, str] = {}

    async def open(self) -> None:
        for number in range(SESSIONS):
            user = f"user-{number}"
            self.tokens[user] = (await self.house.service.issue(user, client_id="web")).refresh_token

    async def run(self, faults: Callable[[], Awaitable[None]]) -> None:
        """Race while `faults` runs, and for one whole round of every session after it."""
        async with anyio.create_task_group() as group:
            for user in self.tokens:
                group.start_soon(self._keep_refreshing, user)
            await faults()
            self.stopping = True
        assert self.rounds >= SESSIONS

    async def _keep_refreshing(self, user: str) -> None:
        last = False
        while not last:
            last = self.stopping
            got: list[str] = []
            async with anyio.create_task_group() as group:
                group.start_soon(self._until_answered, user, got)
                group.start_soon(self._until_answered, user, got)
            assert len(set(got)) == 1, "a fork"
            self.tokens[user] = got[0]
            self.rounds += 1

    async def _until_answered(self, user: str, got: list[str]) -> None:
        while True:
            try:
                pair = await self.house.service.refresh(self.tokens[user], client_id="web")
            except TokenStoreUnavailable:
                self.unavailable += 1
                await anyio.sleep(0.02)
            else:
                got.append(pair.refresh_token)
                return

    async def check(self) -> None:
        """Every session is alive, once, and nobody was taken for a thief."""
        assert not [event for event in self.house.events if isinstance(event, RefreshReused)]
        for user, token in self.tokens.items():
            assert len(await self.house.store.sessions(user)) == 1
            await self.house.service.refresh(token, client_id="web")


async def race(house: House, fault: Callable[[], None], faults: int = FAULTS) -> None:
    """Race through so many faults, each of which must have been noticed."""
    racing = Racing(house)
    await racing.open()

    async def run_faults() -> None:
        for _ in range(faults):
            before, noticed = racing.rounds, racing.unavailable
            with anyio.fail_after(60):
                while racing.rounds < before + SESSIONS:
                    await anyio.sleep(0.01)
                await anyio.to_thread.run_sync(fault)
                while racing.unavailable == noticed:
                    await anyio.sleep(0.01)

    await racing.run(run_faults)
    await racing.check()


@pytest.fixture
def durable_redis():
    """A Redis that has written a step to its log before it answers, as `fsync always` promises."""
    with start_redis(options=("--appendonly", "yes", "--appendfsync", "always")) as server:
        yield server


@pytest.fixture
def durable_postgres():
    """A PostgreSQL that has written a commit before it answers; only the disk itself is believed."""
    with start_postgres(settings={"synchronous_commit": "on", "full_page_writes": "on"}) as server:
        yield server


@pytest.mark.redis
async def test_rotations_survive_a_redis_that_is_killed_and_comes_back(durable_redis) -> None:
    def fault() -> None:
        durable_redis.kill()
        durable_redis.restart()

    async with open_redis_store(durable_redis.url) as store:
        await race(House(store), fault)


@pytest.mark.postgres
async def test_rotations_survive_a_postgres_that_is_killed_and_comes_back(durable_postgres) -> None:
    def fault() -> None:
        durable_postgres.kill()
        durable_postgres.restart()

    async with open_postgres_store(durable_postgres.url) as store:
        await race(House(store), fault)


@pytest.mark.postgres
async def test_rotations_survive_a_killed_backend(durable_postgres) -> None:
    """One backend that dies takes all others with it: the server restarts itself."""

    async with open_postgres_store(durable_postgres.url) as store:
        house = House(store)
        racing = Racing(house)
        await racing.open()

        async def run_faults() -> None:
            for _ in range(FAULTS):
                noticed = racing.unavailable
                with anyio.fail_after(60):
                    await _kill_a_backend(durable_postgres.url)
                    while racing.unavailable == noticed:
                        await anyio.sleep(0.01)

        await racing.run(run_faults)
        await racing.check()


async def _kill_a_backend(url: str) -> None:
    while True:
        try:
            connection = await asyncpg.connect(url)
            try:
                pid = await connection.fetchval(
                    "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend' AND query LIKE '%judged%' LIMIT 1"
                )
            finally:
                connection.terminate()
        except (OSError, asyncpg.PostgresError):
            pid = None  # still recovering from the one before
        if pid is not None:
            os.kill(pid, 9)
            return
        await anyio.sleep(0.01)


@asynccontextmanager
async def sentinel_client(servers):
    sentinel = Sentinel(servers.addresses, socket_timeout=1.0)
    client = sentinel.master_for(servers.service, socket_timeout=1.0, socket_connect_timeout=1.0)
    try:
        yield client
    finally:
        for each in (client, *sentinel.sentinels):
            await each.aclose()
            await each.connection_pool.disconnect()
        del sentinel, client, each
        # redis-py leaves sockets to the sentinels, which it asks from many tasks at once, to the collector.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.mark.redis
async def test_rotations_survive_a_failover_that_lost_the_last_of_them(redis_sentinel) -> None:
    """The replica did not get what the master did last. Clients are ahead of it, and it goes forward."""
    async with sentinel_client(redis_sentinel) as client:
        house = House(RedisTokenStore(client))
        racing = Racing(house)
        await racing.open()
        await client.wait(1, 5000)  # the sessions themselves are on the replica
        replica = redis_sentinel.replicas[0]

        async def run_faults() -> None:
            while racing.rounds < SESSIONS:
                await anyio.sleep(0.01)
            replica.pause()  # from here on the master writes alone …
            before = racing.rounds
            while racing.rounds < before + 2 * SESSIONS:
                await anyio.sleep(0.01)
            redis_sentinel.master.kill()  # … and takes it along
            replica.resume()
            with anyio.fail_after(60):
                before = racing.rounds
                while racing.rounds < before + SESSIONS:
                    await anyio.sleep(0.05)

        await racing.run(run_faults)
        await racing.check()


@pytest.mark.redis
async def test_with_replicas_a_failover_loses_neither_session_nor_revocation(redis_sentinel) -> None:
    """What was answered stands. What was unavailable may have happened or not, and is asked again."""
    async with sentinel_client(redis_sentinel) as client:
        house = House(RedisTokenStore(client, replicas=1, replica_wait=0.5))
        service = house.service
        kept = await service.issue("alice", client_id="web")
        ended = await service.issue("alice", client_id="web")
        doubtful = await service.issue("alice", client_id="web")
        await service.revoke(ended.refresh_token)
        redis_sentinel.replicas[0].pause()
        for call in (service.issue("bob", client_id="web"), service.revoke(doubtful.refresh_token)):
            with pytest.raises(TokenStoreUnavailable):
                await call
        redis_sentinel.master.kill()
        redis_sentinel.replicas[0].resume()
        alone = RedisTokenStore(client)  # the new master has no replica any more
        with anyio.fail_after(60):
            while (sessions := await _sessions_when_up(alone, "alice")) is None:
                await anyio.sleep(0.1)
        found = {session.family for session in sessions}
        assert {kept.session_id} <= found <= {kept.session_id, doubtful.session_id}
        ids = {"token_id": "none", "user": "alice", "epoch": 0}
        assert await alone.is_revoked(TokenIds(session_id=ended.session_id, **ids))
        assert not await alone.is_revoked(TokenIds(session_id=kept.session_id, **ids))
        house.service._store = alone
        await service.refresh(kept.refresh_token, client_id="web")


async def _sessions_when_up(store: RedisTokenStore, user: str):
    try:
        return await store.sessions(user)
    except TokenStoreUnavailable:
        return None


@asynccontextmanager
async def redis_house():
    with start_redis() as server:
        async with open_redis_store(server.url, timeout=0.3) as store:
            yield server, store


@asynccontextmanager
async def postgres_house():
    with start_postgres() as server:
        async with open_postgres_store(server.url, timeout=0.5) as store:
            yield server, store


@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.parametrize("fault", ["kill", "pause"])
@pytest.mark.parametrize("opened", [redis_house, postgres_house])
async def test_a_store_that_is_down_is_unavailable_and_never_invalid(opened, fault) -> None:
    async with opened() as (server, store):
        revocations = LocalRevocations(store, max_staleness=0.2)
        house = House(store, revocations)
        service = house.service
        pair = await service.issue("alice", client_id="web")
        await revocations.catch_up()
        getattr(server, fault)()
        # The copy is young: what it knows needs no store. Then it is too old to be believed, and nobody can say.
        assert revocations.standing(await service._codec.decode(pair.access_token, expect=service._profile))
        await SystemClock().sleep(0.25)
        for call in (
            service.authenticate(pair.access_token),
            service.introspect(pair.access_token),
            service.refresh(pair.refresh_token, client_id="web"),
            service.issue("bob", client_id="web"),
            service.revoke(pair.access_token),
            service.revoke(pair.refresh_token),
            service.revoke_user("alice"),
            service.revoke_session(pair.session_id),
            service.sessions("alice"),
        ):
            with anyio.fail_after(10), pytest.raises(TokenStoreUnavailable):
                await call
        another = "E" if pair.refresh_token.endswith("A") else "A"
        for forged in (pair.refresh_token[:-1] + another, "bsr1.a.b.c", pair.access_token[:-3]):
            with pytest.raises(InvalidToken):
                await service.refresh(forged, client_id="web")
        if fault == "pause":
            server.resume()
        else:
            server.restart()


@pytest.mark.postgres
async def test_news_is_heard_again_after_the_server_was_restarted(durable_postgres) -> None:
    url = durable_postgres.url
    async with open_postgres_store(url) as store, open_postgres_store(url) as other:
        house = House(store)
        revocations = LocalRevocations(other)
        elsewhere = House(other, revocations)
        await house.service.issue("alice", client_id="web")
        async with anyio.create_task_group() as group:
            group.start_soon(revocations.run)
            for _ in range(2):
                pair = await house.service.issue("alice", client_id="web")
                await elsewhere.service.authenticate(pair.access_token)
                await house.service.revoke(pair.refresh_token)
                with anyio.fail_after(10):
                    assert await _until_refused(elsewhere, pair.access_token) is TokenReason.REVOKED
                await anyio.to_thread.run_sync(durable_postgres.kill)
                await anyio.to_thread.run_sync(durable_postgres.restart)
                with anyio.fail_after(30):
                    await _until_listening(url)
            group.cancel_scope.cancel()


async def _until_refused(house: House, token: str) -> TokenReason:
    while True:
        try:
            await house.service.authenticate(token)
        except TokenStoreUnavailable:
            pass
        except InvalidToken as refused:
            return refused.reason
        await anyio.sleep(0.005)


async def _until_listening(url: str) -> None:
    """Both stores have found the way back by themselves: their listening connections stand again."""
    listening = 0
    while listening < 2:
        await anyio.sleep(0.02)
        connection = await asyncpg.connect(url)
        listening = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        await connection.close()
