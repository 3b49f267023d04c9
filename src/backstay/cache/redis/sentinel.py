"""Where Redis is, by its sentinels: asked for every connection, and not believed until the server agrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from backstay.errors import ConfigError, MissingExtraError
from backstay.secret import Secret

from .dial import Dial, Way
from .wire import Wire

try:
    from redis.asyncio.sentinel import Sentinel
    from redis.exceptions import RedisError
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.redis") from exc

SCHEMES: Final = ("redis+sentinel://", "rediss+sentinel://")
_FORM: Final = "redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/db]"
_PORT: Final = "26379"
# Seconds for one sentinel: a dead one must not use up the time of the others.
_SOON: Final[dict[str, Any]] = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}


class SentinelDial:
    """Connects to the master of a service. After a failover the next connection goes to the new one."""

    def __init__(self, url: str | Secret) -> None:
        """Raises ConfigError if the URL cannot be read. Does not show it: it may hold a password."""
        text = url.reveal() if isinstance(url, Secret) else url
        scheme, _, rest = text.partition("+sentinel://")
        place, _, path = rest.partition("/")
        self._login, at, hosts = place.rpartition("@")
        self._login += at
        self._scheme = scheme
        self._service, _, self._database = path.partition("/")
        try:
            self._sentinels = [_address(host) for host in hosts.split(",")]
        except ValueError:
            self._sentinels = []
        if not self._sentinels or not self._service:
            raise ConfigError(f"the Redis URL cannot be read: {_FORM}")
        self._dial = self._dial_to("localhost", 6379)

    async def connect(self, wire: Callable[[], Wire]) -> Wire:
        """To the master that the sentinels name now."""
        # Made anew each time: between two failovers nothing needs to be kept open.
        make: Any = Sentinel
        asked = make(self._sentinels, sentinel_kwargs=_SOON)
        try:
            host, port = await asked.discover_master(self._service)
        except (RedisError, OSError):
            raise ConnectionError("no sentinel names a master") from None
        finally:
            for each in asked.sentinels:
                await each.aclose()
        self._dial = self._dial_to(host, port)
        return await self._dial.connect(wire)

    async def greeting(self) -> list[tuple[Any, ...]]:
        """As anywhere, and then: what are you?"""
        return [*await self._dial.greeting(), (b"ROLE",)]

    def greeted(self, replies: list[Any]) -> None:
        """Raises ConnectionError if it is no master: sentinels may not have heard yet, or a master been demoted."""
        if replies[-1][0] != b"master":
            raise ConnectionError("the server that the sentinels name is not the master")

    def _dial_to(self, host: str, port: int) -> Dial:
        place = f"[{host}]" if ":" in host else quote(host)
        return Dial(f"{self._scheme}://{self._login}{place}:{port}/{self._database or '0'}")


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, _PORT
    if not host:
        raise ValueError(text)
    return host.strip("[]"), int(port)


if TYPE_CHECKING:
    _way: type[Way] = SentinelDial
