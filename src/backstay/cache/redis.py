"""The backend on a real Redis (6.2 or newer, or Valkey), over redis-py's public API.

Keys, below a configured prefix::

    {:KEY}    the entry             {:KEY}l   its lease: token and epoch
    {log}e    the epoch             {log}z    the log: one scope per member, scored by its epoch
    {=NAME}   a lock                {=NAME}f  its fence, without expiry

The braces put what one script touches into one hash slot, whatever KEY contains: the first brace is ours and
what stands behind it is never empty. All reads of one loop tick leave as one ``MGET``, led by the epoch: the
batch's answer says whether the caller's replica of the log is current.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from backstay.errors import CacheUnavailable, ConfigError, MissingExtraError
from backstay.secret import Secret
from backstay.tasks import TaskOwner

from .freshness import MAX_TTL
from .protocol import Acquired, Busy, CacheBackend, Granted, Held, Hit, LockBackend, Reading

try:
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import NoScriptError, RedisError
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.redis") from exc

T = TypeVar("T")

DEFAULT_BUDGET: Final = 0.25
"""Seconds within which Redis answers an operation, from asking for a connection to the reply."""

_KEYS_PER_READ: Final = 128
_KEEP_US: Final = int(MAX_TTL * 1_000_000)


class _Wish(NamedTuple):
    """One caller's share of a batch."""

    future: asyncio.Future[Reading]
    since: int
    start: int
    size: int


class _Batch:
    """The reads of one loop tick."""

    __slots__ = ("keys", "wishes")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.wishes: list[_Wish] = []


class RedisCache:
    """A `CacheBackend` and `LockBackend` on Redis. One object belongs to one event loop.

    Works with any redis-py asyncio client that returns bytes. What it does not do over a plain client: hear of
    other processes' changes without asking.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "bs:",
        budget: float = DEFAULT_BUDGET,
        max_records: int = 4096,
    ) -> None:
        """Take over a client; `open` makes one with settings fit for a cache.

        Args:
            client: must not decode responses. It stays the caller's to close.
            prefix: before every key. Two applications on one Redis use different ones.
            budget: seconds per operation.
            max_records: most scopes in the log; beyond, the oldest raise the floor.

        Raises:
            ConfigError: the client decodes responses, or a bound makes no sense.
        """
        if client.connection_pool.connection_kwargs.get("decode_responses"):
            raise ConfigError("RedisCache stores bytes: give it a client without decode_responses")
        if budget <= 0 or max_records < 8:
            raise ConfigError("RedisCache wants a budget above 0 s and at least 8 records")
        # The driver's annotations change between its versions; what we rely on of it is tested.
        self._client: Any = client
        self._prefix = prefix.encode()
        self._budget = budget
        self._max_records = max_records
        self._log = [self._prefix + b"{log}z", self._prefix + b"{log}e"]
        self._owner = TaskOwner()
        self._batch: _Batch | None = None
        self._scripts: dict[str, Any] = {
            name: client.register_script(_lua(name))
            for name in ("acquire", "hold", "fill", "put", "bump", "sync", "lock", "unlock")
        }

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str | Secret,
        *,
        prefix: str = "bs:",
        budget: float = DEFAULT_BUDGET,
        max_connections: int = 16,
        max_records: int = 4096,
    ) -> AsyncGenerator[RedisCache]:
        """Connect by URL (redis, rediss or unix), and close everything again.

        Nothing is sent before the first use: a Redis that is away does not keep an application from starting.

        Raises:
            ConfigError: the URL cannot be read. Does not show it: it may hold a password.
        """
        client = _connect(url.reveal() if isinstance(url, Secret) else url, budget, max_connections)
        backend = cls(client, prefix=prefix, budget=budget, max_records=max_records)
        try:
            yield backend
        finally:
            await backend.aclose()
            await client.aclose()
            await client.connection_pool.disconnect()

    async def aclose(self) -> None:
        """End what is under way. The client stays open."""
        await self._owner.aclose()

    async def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        """Look at the keys and the log, together with whoever else asks in this tick."""
        batch = self._batch
        if batch is None:
            batch = self._batch = _Batch()
            # The task takes its first step once this tick is over; until then, others come aboard.
            self._start(batch)
        future: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
        batch.wishes.append(_Wish(future, since, len(batch.keys), len(keys)))
        batch.keys.extend(self._entry(key) for key in keys)
        return await future

    async def acquire(
        self, key: str, token: str, /, *, epoch: int, floor: int, lease: float, seen: bytes
    ) -> Acquired:
        """Ask for the lease of a key."""
        entry = self._entry(key)
        answer = await self._run("acquire", [entry, entry + b"l"], [token, _ms(lease), epoch, floor, seen])
        match answer:
            case [1, bytes(value)]:
                return Hit(value)
            case [2, bytes(holder), int(left)]:
                return Busy(holder.decode(), max(0, left) / 1000)
            case _:
                return Granted()

    async def hold(self, key: str, token: str, /, *, lease: float) -> bool:
        """Renew or end a lease that is still the caller's."""
        return bool(await self._run("hold", [self._entry(key) + b"l"], [token, _ms(lease) if lease > 0 else 0]))

    async def fill(self, key: str, token: str, value: bytes, /, *, ttl: float) -> bool:
        """Store and end the lease, if it is still the caller's."""
        entry = self._entry(key)
        return bool(await self._run("fill", [entry, entry + b"l"], [token, value, _ms(ttl)]))

    async def put(self, entries: Mapping[str, bytes | None], /, *, ttl: float) -> None:
        """Store or remove, and void the leases: one write for all, one atomic step for each."""
        await self._within(self._put_all(entries, ttl))

    async def bump(self, scopes: Sequence[str], /) -> int:
        """Write one record per scope at a new epoch."""
        encoded = [_encode(scope) for scope in scopes]
        return int(await self._run("bump", self._log, [0, _KEEP_US, self._max_records, *encoded]))

    async def lock(self, name: str, token: str, /, *, lease: float) -> Held | Busy:
        """Take or renew a named lock."""
        key = self._lock_key(name)
        answer = await self._run("lock", [key, key + b"f"], [token, _ms(lease)])
        match answer:
            case [1, int(fence)]:
                return Held(fence)
            case [_, bytes(holder), int(left)]:
                return Busy(holder.decode(), max(0, left) / 1000)
            case _:
                raise CacheUnavailable("Redis gave an answer that no lock gives")

    async def unlock(self, name: str, token: str, /) -> bool:
        """Give a named lock back."""
        return bool(await self._run("unlock", [self._lock_key(name)], [token]))

    def _start(self, batch: _Batch) -> None:
        if self._owner.closed:
            self._batch = None
            raise CacheUnavailable("the Redis backend is closed")
        self._owner.start(lambda: self._fetch(batch), "backstay redis read")

    async def _fetch(self, batch: _Batch) -> None:
        self._batch = None
        failure = CacheUnavailable("the Redis backend was closed")
        try:
            values, epoch, records = await self._within(self._fetch_all(batch))
        except CacheUnavailable as exc:
            failure = exc
        else:
            for wish in batch.wishes:
                if not wish.future.done():
                    share = values[wish.start : wish.start + wish.size]
                    wish.future.set_result(Reading(share, epoch, records))
        finally:
            _fail(batch, failure)

    async def _fetch_all(self, batch: _Batch) -> tuple[list[bytes | None], int, list[tuple[str, int]]]:
        first, *rest = [batch.keys[i : i + _KEYS_PER_READ] for i in range(0, len(batch.keys), _KEYS_PER_READ)] or [
            []
        ]
        epoch_text, *values = await self._client.mget([self._log[1], *first])
        for more in rest:
            values += await self._client.mget(more)
        epoch = int(epoch_text or 0)
        known = min(wish.since for wish in batch.wishes)
        if epoch == known and epoch:
            return values, epoch, []
        # Whatever the log holds by now is at least as new as the values: knowing more only kills more.
        answer = await self._scripts["sync"](keys=self._log, args=[known])
        flat = answer[1:]
        records = [(_decode(flat[i]), int(float(flat[i + 1]))) for i in range(0, len(flat), 2)]
        return values, int(answer[0]), records

    async def _put_all(self, entries: Mapping[str, bytes | None], ttl: float) -> None:
        script: Any = self._scripts["put"]
        for _ in range(2):
            pipe = self._client.pipeline(transaction=False)
            for key, value in entries.items():
                entry = self._entry(key)
                if value is None:
                    pipe.unlink(entry, entry + b"l")
                else:
                    pipe.evalsha(script.sha, 2, entry, entry + b"l", value, _ms(ttl))
            try:
                await pipe.execute()
            except NoScriptError:
                await self._client.script_load(script.script)
            else:
                return
        raise CacheUnavailable("Redis forgets its scripts as soon as they are loaded")

    async def _run(self, script: str, keys: list[bytes], args: Sequence[str | bytes | int]) -> Any:
        return await self._within(self._scripts[script](keys=keys, args=args))

    async def _within(self, work: Awaitable[T]) -> T:
        """The result within the budget. Every failure of the driver's is CacheUnavailable."""
        try:
            async with asyncio.timeout(self._budget):
                return await work
        except (RedisError, OSError, TimeoutError) as exc:
            # Only the type: a driver's message may quote the address, and with it a password.
            raise CacheUnavailable(f"Redis did not serve the request ({type(exc).__name__})") from exc

    def _entry(self, key: str) -> bytes:
        return b"%s{:%s}" % (self._prefix, _encode(key))

    def _lock_key(self, name: str) -> bytes:
        return b"%s{=%s}" % (self._prefix, _encode(name))


def _connect(url: str, budget: float, max_connections: int) -> Redis:
    """A client with every option set that matters to a cache; redis-py's defaults suit other work.

    No retries of its own (the cache has a budget and a breaker), a pool that waits instead of raising when it
    is full, and time-outs as long as the budget.
    """
    try:
        pool_class: Any = BlockingConnectionPool
        pool = pool_class.from_url(
            url,
            max_connections=max_connections,
            timeout=budget,
            socket_timeout=budget,
            socket_connect_timeout=budget,
            # A connection over a unix socket knows no keep-alive, and refuses the option.
            **({} if url.startswith("unix") else {"socket_keepalive": True}),
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            health_check_interval=0,
            decode_responses=False,
            client_name="backstay",
        )
    except ValueError:
        raise ConfigError("the Redis URL cannot be read: redis://[user:password@]host[:port][/db]") from None
    return Redis(connection_pool=pool)


def _fail(batch: _Batch, error: CacheUnavailable) -> None:
    for wish in batch.wishes:
        if not wish.future.done():
            wish.future.set_exception(error)


def _lua(name: str) -> str:
    return files(__package__ or "").joinpath(f"{name}.lua").read_text()


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


if TYPE_CHECKING:
    _cache: type[CacheBackend] = RedisCache
    _locks: type[LockBackend] = RedisCache
