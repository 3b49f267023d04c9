"""Buckets on Redis: shared by all workers, one script and one round trip per step.

All buckets of one prefix share a hash tag, so that this works on a cluster too (on one slot). The server must not
evict (``maxmemory-policy noeviction``): an evicted count is a second chance for an attacker.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import anyio

from backstay.errors import ConfigError, MissingExtraError, ThrottleUnavailable
from backstay.secret import Secret

from .limits import Limit
from .protocol import Charge, Charged, ThrottleStore

try:
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.passwords.throttle.redis") from exc


class RedisThrottle:
    """Buckets as hashes that expire by themselves. Time is the server's.

    The client is its owner's to close, and may decode responses or not.
    """

    def __init__(self, client: Redis, *, prefix: str = "bs:throttle", timeout: float = 1.0) -> None:
        """Take over a client; `open` makes one.

        Args:
            client: an asyncio client of redis-py.
            prefix: before every key.
            timeout: seconds within which an answer must come; after that nobody may try.

        Raises:
            ConfigError: braces in the prefix, or no time.
        """
        if "{" in prefix or "}" in prefix or timeout <= 0:
            raise ConfigError("a throttle's prefix has no braces (they are added), and its timeout is above 0 s")
        self._client = client
        self._at = f"{{{prefix}}}:"
        self._timeout = timeout
        self._charge = client.register_script(_script("charge"))
        self._refund = client.register_script(_script("refund"))

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str | Secret, *, prefix: str = "bs:throttle", timeout: float = 1.0, max_connections: int = 16
    ) -> AsyncGenerator[RedisThrottle]:
        """Connect by URL at first use, and close again with the block.

        Raises:
            ConfigError: the URL cannot be read. Does not show it: it may hold a password.
        """
        client = _connect(url.reveal() if isinstance(url, Secret) else url, timeout, max_connections)
        try:
            yield cls(client, prefix=prefix, timeout=timeout)
        finally:
            await client.aclose()
            await client.connection_pool.disconnect()

    @property
    def prefix(self) -> str:
        """What every key begins with."""
        return self._at

    async def charge(self, charges: Sequence[Charge], /) -> Charged:
        """Count an attempt everywhere or nowhere."""
        keys = self._keys([charge.bucket for charge in charges])
        arguments = [each for charge in charges for each in _arguments(charge.limit)]
        now, *waits = await self._ask(self._charge(keys=keys, args=arguments))
        return Charged(at=int(now) / 1000, waits=tuple(wait / 1000 for wait in waits))

    async def refund(self, buckets: Sequence[str], /, *, at: float, whole: bool) -> None:
        """Take an attempt back, or all that the first bucket holds."""
        await self._ask(self._refund(keys=self._keys(buckets), args=[round(at * 1000), int(whole)]))

    async def forget(self, buckets: Sequence[str], /) -> None:
        """Drop them."""
        await self._ask(self._client.delete(*self._keys(buckets)))

    def _keys(self, buckets: Sequence[str]) -> list[str]:
        return [self._at + bucket for bucket in buckets]

    async def _ask(self, question: Awaitable[Any]) -> Any:
        try:
            with anyio.fail_after(self._timeout):
                return await question
        except (RedisError, OSError) as exc:
            raise ThrottleUnavailable(f"Redis did not answer for the throttle: {type(exc).__name__}") from exc


def _connect(url: str, timeout: float, max_connections: int) -> Redis:
    """A client that never asks twice, so that no attempt is counted twice, and whose pool waits when full."""
    try:
        pool_class: Any = BlockingConnectionPool
        pool = pool_class.from_url(
            url,
            max_connections=max_connections,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            client_name="backstay",
        )
    except ValueError:
        raise ConfigError("the Redis URL cannot be read: redis://[user:password@]host[:port][/db]") from None
    return Redis(connection_pool=pool)


def _arguments(limit: Limit) -> list[int]:
    durations = (limit.first, limit.longest, limit.forgive or 0.0, limit.memory)
    first, longest, forgive, memory = (math.ceil(each * 1000) for each in durations)
    return [limit.free, first, longest, limit.cap or 0, forgive, memory]


def _script(name: str) -> str:
    return files("backstay.passwords.throttle").joinpath(f"{name}.lua").read_text("utf-8")


_: type[ThrottleStore] = RedisThrottle
