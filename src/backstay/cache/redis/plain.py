"""A `Port` over a client of redis-py's that an application brings along: everything works, slower.

What is lost: nothing is heard unasked, so nothing is kept in front of Redis and waiters look again by themselves;
every command takes a connection of the pool; and a cancelled command costs its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from backstay.errors import CacheRefused, CacheUnavailable, ConfigError, MissingExtraError
from backstay.tasks import TaskOwner

from .names import encode
from .port import Deliver, Port
from .scripts import DIGESTS, SOURCES

try:
    from redis.asyncio import Redis
    from redis.exceptions import NoScriptError, OutOfMemoryError, RedisError
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.redis") from exc

_TEXTS = {DIGESTS[name]: text for name, text in SOURCES.items()}


class PlainPort:
    """Commands through a client's public API, each in a task of its own."""

    def __init__(self, client: Redis, owner: TaskOwner, *, budget: float) -> None:
        """Raises ConfigError if the client decodes responses."""
        if client.connection_pool.connection_kwargs.get("decode_responses"):
            raise ConfigError("RedisCache stores bytes: give it a client without decode_responses")
        # The driver's annotations change between its versions; what we rely on of it is tested.
        self._client: Any = client
        self._owner = owner
        self._budget = budget
        self.up: Final = True
        self.spans_slots: Final = True

    async def ready(self) -> None:
        """A client connects when it is used."""

    def send(self, command: tuple[Any, ...], deliver: Deliver) -> None:
        """Start the command."""
        if self._owner.closed:
            raise CacheUnavailable("the Redis backend is closed")

        async def run() -> None:
            # What is delivered if the owner closes meanwhile.
            outcome: Any = CacheUnavailable("the Redis backend was closed")
            try:
                outcome = await self._within_budget(command)
            except (RedisError, OSError, TimeoutError) as exc:
                outcome = exc
            finally:
                deliver(outcome)

        self._owner.start(run, "backstay redis command")

    def read(self, names: Sequence[bytes | str], deliver: Deliver) -> None:
        """Ask for the values of these names."""
        # The client would encode texts in its own way, whatever that is.
        self.send((b"MGET", *[encode(name) if isinstance(name, str) else name for name in names]), deliver)

    def flush(self) -> None:
        """Every command leaves by itself."""

    def failure(self, error: Exception) -> CacheUnavailable:
        """Every failure of the driver's is CacheUnavailable."""
        if isinstance(error, CacheUnavailable):
            return error
        # Only the type: a driver's message may quote the address, and with it a password.
        text = f"Redis did not serve the request ({type(error).__name__})"
        return CacheRefused(text) if isinstance(error, OutOfMemoryError) else CacheUnavailable(text)

    async def _within_budget(self, command: tuple[Any, ...]) -> Any:
        async with asyncio.timeout(self._budget):
            try:
                return await self._client.execute_command(*command)
            except NoScriptError:
                await self._client.script_load(_TEXTS[command[1]])
                return await self._client.execute_command(*command)


if TYPE_CHECKING:
    _port: type[Port] = PlainPort
