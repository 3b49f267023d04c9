"""Where Redis is, from a URL: redis-py reads it (TLS options, credentials, unix sockets), we connect."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from backstay.errors import ConfigError, MissingExtraError
from backstay.secret import Secret

from .wire import Wire

try:
    from redis.asyncio import ConnectionPool
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.redis") from exc

_URL_FORM: Final = "redis://[user:password@]host[:port][/db]"


class Way(Protocol):
    """How to get a connection, again and again."""

    async def connect(self, wire: Callable[[], Wire]) -> Wire:
        """A connection, not yet greeted. Raises OSError."""
        ...

    async def greeting(self) -> list[tuple[Any, ...]]:
        """What the connection has to say first."""
        ...

    def greeted(self, replies: list[Any]) -> None:
        """Look at what was answered to that. Raises OSError if this is not the server that was wanted."""
        ...


class Dial:
    """Connects to one address, and knows how to introduce itself there."""

    def __init__(self, url: str | Secret) -> None:
        """Raises ConfigError if the URL cannot be read. Does not show it: it may hold a password."""
        try:
            maker: Any = ConnectionPool
            pool: Any = maker.from_url(url.reveal() if isinstance(url, Secret) else url)
            # Only read, never connected: its attributes are redis-py's public account of the URL.
            self._options = pool.make_connection()
        except ValueError:
            raise ConfigError(f"the Redis URL cannot be read: {_URL_FORM}") from None

    async def connect(self, wire: Callable[[], Wire]) -> Wire:
        """A connection, not yet greeted. Raises OSError."""
        loop, options = asyncio.get_running_loop(), self._options
        if path := getattr(options, "path", None):
            _, made = await loop.create_unix_connection(wire, path)
        else:
            _, made = await loop.create_connection(wire, options.host, options.port, ssl=self._tls())
        return made

    async def greeting(self) -> list[tuple[Any, ...]]:
        """HELLO with credentials, and SELECT: what the connection has to say first."""
        user, password = await self._credentials()
        login = (b"AUTH", user or "default", password) if password else ()
        hello: tuple[Any, ...] = (b"HELLO", b"3", *login, b"SETNAME", b"backstay")
        return [hello] if not self._options.db else [hello, (b"SELECT", str(self._options.db))]

    def greeted(self, replies: list[Any]) -> None:
        """Any server that greets back is the right one."""

    async def _credentials(self) -> tuple[str | None, str | None]:
        provider = self._options.credential_provider
        if provider is None:
            return self._options.username, self._options.password
        given = await provider.get_credentials_async()
        return (given[0], given[1]) if len(given) == 2 else (None, given[0])

    def _tls(self) -> ssl.SSLContext | None:
        wanted = getattr(self._options, "ssl_context", None)
        return wanted.get() if wanted is not None else None


if TYPE_CHECKING:
    _way: type[Way] = Dial
