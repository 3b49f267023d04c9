"""The backend on a real Redis (6.2 or newer, or Valkey): each method one command or one script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from backstay.cache.freshness import MAX_TTL
from backstay.cache.protocol import (
    HAND_OVER,
    Acquired,
    Attentive,
    Audience,
    Busy,
    CacheBackend,
    Claim,
    Granted,
    Held,
    Hit,
    LockBackend,
    Prompt,
    Reading,
    Trust,
)
from backstay.clock import Clock, SystemClock
from backstay.errors import CacheUnavailable, ConfigError, MissingExtraError
from backstay.secret import Secret
from backstay.tasks import TaskOwner

from . import cluster_map, sentinel
from .batch import Batch
from .cluster import ClusterPort
from .cluster_map import ClusterWay
from .dial import Dial
from .link import Link
from .names import Names, encode
from .plain import PlainPort
from .port import Deliver, Port
from .reader import KEYS_PER_READ, Reader, records_in
from .scripts import call
from .sentinel import SentinelDial

try:
    from redis.asyncio import Redis
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.redis") from exc

DEFAULT_BUDGET: Final = 0.25
"""Seconds within which Redis answers a request."""

_CLOSING_TURNS: Final = 3
_WORTH_A_WRITE: Final = 32  # keys: the server looks for them while this turn's other callers are still at work
_GRANT: Final = 3
_GRANTED: Final = Granted()
_KEEP_US: Final = int(MAX_TTL * 1_000_000)


class RedisCache:
    """A `CacheBackend` and `LockBackend` on Redis. One object belongs to one event loop.

    Made by `open`, it has a connection of its own, which all callers share: it hears of other processes' changes
    (`Attentive`) and reads in batches (`Prompt`). Made over a client of redis-py's it does the same, but hears
    nothing.
    """

    def __init__(
        self,
        way: Redis | Dial | SentinelDial | ClusterWay,
        *,
        prefix: str = "bs:",
        budget: float = DEFAULT_BUDGET,
        max_records: int = 4096,
        clock: Clock | None = None,
    ) -> None:
        """Put the backend on its way to Redis; `open` does so by URL.

        Args:
            way: where to connect, or a client, which must not decode responses and stays the caller's to close.
            prefix: before every key. Two applications on one Redis use different ones.
            budget: seconds per request.
            max_records: most scopes in the log; beyond, the oldest raise the floor.
            clock: what `trust` is measured by.

        Raises:
            ConfigError: the client decodes responses, or a bound makes no sense.
        """
        if budget <= 0 or max_records < 8:
            raise ConfigError("RedisCache wants a budget above 0 s and at least 8 records")
        self._max_records = max_records
        self._names = Names(prefix)
        self._owner = TaskOwner()
        self._reader = Reader(self._names)
        self._link: Link | ClusterPort | None = None
        self._port: Port
        if isinstance(way, Dial | SentinelDial):
            beat = (b"GET", self._names.epoch)  # asked for once a second, so that its changes are pushed
            self._link = Link(way, self._owner, clock or SystemClock(), self._reader, budget=budget, heartbeat=beat)
            self._port = self._link
        elif isinstance(way, ClusterWay):
            beat, log = (b"GET", self._names.epoch), self._names.epoch
            self._link = self._port = ClusterPort(
                way, self._owner, clock or SystemClock(), self._reader, budget=budget, log=log, heartbeat=beat
            )
        else:
            self._port = PlainPort(way, self._owner, budget=budget)
        self._claims = Batch("acquire", _acquired)
        self._fills = Batch("fill", bool, self._reader.changed)
        self._reader.port = self._claims.port = self._fills.port = self._port
        self.look = self._reader.look
        """Look at one key, together with whoever else looks in this turn of the loop (`Prompt`)."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str | Secret,
        *,
        prefix: str = "bs:",
        budget: float = DEFAULT_BUDGET,
        max_records: int = 4096,
        clock: Clock | None = None,
    ) -> AsyncGenerator[RedisCache]:
        """Connect by URL (redis, rediss, unix, redis+sentinel, or redis+cluster), and close everything again.

        ``redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/db]`` asks the sentinels for the
        master, anew for every connection. ``redis+cluster://[user:password@]host[:port][,host[:port]…]`` finds the
        primaries of a Redis Cluster by any of its nodes. With ``rediss+…`` in front, all of it is over TLS.

        Nothing is sent before the first use: a Redis that is away does not keep an application from starting.

        Raises:
            ConfigError: the URL cannot be read, which is not shown: it may hold a password.
        """
        backend = cls(_way_to(url), prefix=prefix, budget=budget, max_records=max_records, clock=clock)
        try:
            yield backend
        finally:
            await backend.aclose()

    async def aclose(self) -> None:
        """End what is under way. A client that was given stays open."""
        await self._owner.aclose()
        if self._link is not None:
            self._link.close()
            # A transport closes in a later turn of the loop, and the next ones may be its last.
            for _ in range(_CLOSING_TURNS):
                await asyncio.sleep(0)

    # Hearing and reading.

    @property
    def trust(self) -> Trust:
        """Until when the audience has been told of everything; nothing is heard over a client that was given."""
        return self._reader.trust

    def attend(self, audience: Audience, /) -> Callable[[], None]:
        """Tell this audience of changes, from the next read on. Returns what ends that."""
        return self._reader.attend(audience)

    async def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        """Look at the keys and the log."""
        if not self._port.up:
            await self._port.ready()
        names = self._names.entries(keys)
        parts = [names[i : i + KEYS_PER_READ] for i in range(0, len(names), KEYS_PER_READ)] or [[]]
        answers = [self._future(partial(self._port.read, [self._names.epoch, *part])) for part in parts]
        if len(keys) >= _WORTH_A_WRITE:
            self._port.flush()
        first, *values = await answers[0]
        for answer in answers[1:]:
            values += (await answer)[1:]
        if first is not None and int(first) == since:
            return Reading(values, since, ())
        # Whatever the log holds by now is at least as new as the values: knowing more only kills more.
        epoch, records = records_in(await self._ask(call("sync", self._names.log, since)))
        return Reading(values, epoch, records)

    # Leases, values, the log, and locks.

    async def acquire(
        self, key: str, token: str, /, *, epoch: int, floor: int, lease: float, seen: bytes
    ) -> Acquired:
        """Ask for the lease of a key, together with whoever else asks in this turn of the loop."""
        await self._port.ready()
        future, then = self._awaited()
        self.acquire_then(Claim(key, token, epoch, floor, lease, seen), then)
        answer: Acquired = await future
        return answer

    def acquire_then(self, claim: Claim, then: Callable[[Acquired | CacheUnavailable], None], /) -> None:
        """Part of `Prompt`."""
        key, token, epoch, floor, lease, seen = claim
        self._claims.ask(key, self._names.entry_and_lease(key), then, token, _ms(lease), epoch, floor, seen)

    async def hold(self, key: str, token: str, /, *, lease: float) -> bool:
        """Renew or end a lease that is still the caller's."""
        command = call("hold", self._names.entry_and_lease(key)[1:], token, _ms(lease) if lease > 0 else 0)
        return bool(await self._run(command, self._reader.telling(key)))

    async def fill(self, key: str, token: str, value: bytes, /, *, ttl: float) -> bool:
        """Store and end the lease, if it is still the caller's, together with who else does in this turn."""
        await self._port.ready()
        future, then = self._awaited()
        self.fill_then(key, token, value, then, ttl=ttl)
        return bool(await future)

    def fill_then(
        self, key: str, token: str, value: bytes, then: Callable[[bool | CacheUnavailable], None], /, *, ttl: float
    ) -> None:
        """Part of `Prompt`."""
        self._fills.ask(key, self._names.entry_and_lease(key), then, token, value, _ms(ttl))

    async def put(self, entries: Mapping[str, bytes | None], /, *, ttl: float) -> None:
        """Store or remove, and void the leases: one write for all, one atomic step for each."""
        await self._port.ready()
        for answer in [self._put(key, value, ttl) for key, value in entries.items()]:
            await answer

    async def bump(self, scopes: Sequence[str], /) -> int:
        """Write one record per scope at a new epoch. The audience is told before this returns."""
        await self._port.ready()
        log = self._names.log
        bumped = self._ask(call("bump", log, 0, _KEEP_US, self._max_records, *map(encode, scopes)))
        # In the same write: others' records may lie between what is known and this one.
        heard = self._ask(call("sync", log, self._reader.known), self._reader.tell)
        epoch = int(await bumped)
        await heard
        return epoch

    async def lock(self, name: str, token: str, /, *, lease: float, queue: bool = False) -> Held | Busy:
        """Take or renew a named lock."""
        answer = await self._run(call("lock", self._names.lock(name), token, _ms(lease), int(queue)))
        match answer:
            case [1, int(fence)]:
                return Held(fence)
            case [_, bytes(holder), int(left)]:
                return Busy(holder.decode(errors="replace"), max(0, left) / 1000)
            case _:
                raise CacheUnavailable("Redis gave an answer that no lock gives")

    async def unlock(self, name: str, token: str, /) -> bool:
        """Give a named lock back, or a place in its queue."""
        return bool(await self._run(call("unlock", self._names.lock(name), token, _ms(HAND_OVER))))

    # The way to Redis.

    async def _run(self, command: tuple[Any, ...], then: Callable[[Any], None] | None = None) -> Any:
        await self._port.ready()
        return await self._ask(command, then)

    def _put(self, key: str, value: bytes | None, ttl: float) -> asyncio.Future[Any]:
        names = self._names.entry_and_lease(key)
        command = (b"UNLINK", *names) if value is None else call("put", names, value, _ms(ttl))
        return self._ask(command, self._reader.telling(key))

    def _ask(self, command: tuple[Any, ...], then: Callable[[Any], None] | None = None) -> asyncio.Future[Any]:
        """Send a command; its reply, or CacheUnavailable, is the future's.

        `then` is told of the reply before anybody else, also when nobody waits for it any more.
        """
        return self._future(partial(self._port.send, command), then)

    def _future(
        self, send: Callable[[Deliver], None], then: Callable[[Any], None] | None = None
    ) -> asyncio.Future[Any]:
        future, settle = self._awaited()

        def deliver(reply: Any) -> None:
            failure = self._port.failure(reply) if isinstance(reply, Exception) else None
            if failure is None and then is not None:
                then(reply)
            settle(reply if failure is None else failure)

        send(deliver)
        return future

    def _awaited(self) -> tuple[asyncio.Future[Any], Callable[[Any], None]]:
        """A future, and what settles it with an answer or CacheUnavailable, if anybody waits for it still."""
        # Kept, because to ask which loop runs is a system call (before Python 3.12).
        loop = self._owner.loop or asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(answer: Any) -> None:
            if future.done():
                return
            if isinstance(answer, CacheUnavailable):
                future.set_exception(answer)
                future.exception()  # one of several asked at once: the first failure is enough for the caller
            else:
                future.set_result(answer)

        return future, settle


def _way_to(url: str | Secret) -> Dial | SentinelDial | ClusterWay:
    text = url.reveal() if isinstance(url, Secret) else url
    if text.startswith(sentinel.SCHEMES):
        return SentinelDial(url)
    return ClusterWay(url) if text.startswith(cluster_map.SCHEMES) else Dial(url)


def _acquired(answer: Any) -> Acquired:
    if answer == _GRANT:  # the way of nearly all
        return _GRANTED
    match answer:
        case [1, bytes(value)]:
            return Hit(value)
        case [2, bytes(holder), int(left)]:
            return Busy(holder.decode(errors="replace"), max(0, left) / 1000)
        case _:
            return _GRANTED


def _ms(seconds: float) -> int:
    return int(seconds * 1000.0 + 0.5) or 1


if TYPE_CHECKING:
    _cache: type[CacheBackend] = RedisCache
    _locks: type[LockBackend] = RedisCache
    _attentive: type[Attentive] = RedisCache
    _prompt: type[Prompt] = RedisCache
