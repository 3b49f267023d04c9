"""Which node of a cluster has which key (pure, but for asking a node of it once)."""

from __future__ import annotations

import asyncio
from binascii import crc_hqx
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from backstay.errors import ConfigError
from backstay.secret import Secret

from .dial import Dial
from .wire import Wire

SLOTS: Final = 16_384
SCHEMES: Final = ("redis+cluster://", "rediss+cluster://")
_FORM: Final = "redis+cluster://[user:password@]host[:port][,host[:port]...][?options]"
_PORT: Final = 6379


class Address(NamedTuple):
    """Where a node listens."""

    host: str
    port: int


def slot_of(name: bytes) -> int:
    """The hash slot of a key: of what stands in its first braces, if anything does (Redis Cluster's rule)."""
    start = name.find(b"{") + 1
    if start:
        end = name.find(b"}", start)
        if end > start:
            name = name[start:end]
    return crc_hqx(name, 0) % SLOTS


class ClusterMap:
    """Slots and their primaries, as one node told them."""

    def __init__(self, told: list[Any], asked: Address) -> None:
        """`told`: the answer to CLUSTER SLOTS. A node without a name is the one that was asked."""
        self.owners: list[Address | None] = [None] * SLOTS
        for first, last, primary, *_replicas in told:
            host = primary[0].decode() if primary[0] else ""
            address = Address(host if host not in {"", "?"} else asked.host, int(primary[1]))
            self.owners[first : last + 1] = [address] * (last + 1 - first)
        self.primaries = frozenset(address for address in self.owners if address is not None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterMap) and self.owners == other.owners

    __hash__ = None  # type: ignore[assignment]


class ClusterWay:
    """Where a cluster is, and how to connect to a node of it: what a ``redis+cluster://`` URL says."""

    def __init__(self, url: str | Secret) -> None:
        """Raises ConfigError if the URL cannot be read. Does not show it: it may hold a password."""
        text = url.reveal() if isinstance(url, Secret) else url
        scheme, _, rest = text.partition("+cluster://")
        place, _, options = rest.partition("?")
        login, at, hosts = place.removesuffix("/").removesuffix("/0").rstrip("/").rpartition("@")
        self._login, self._scheme = login + at, scheme
        self._options = f"?{options}" if options else ""
        try:
            self.seeds = tuple(_address(host) for host in hosts.split(","))
        except ValueError:
            raise ConfigError(f"the Redis URL cannot be read: {_FORM}") from None
        self.dial(self.seeds[0])

    def dial(self, address: Address) -> Dial:
        """How to connect to one node."""
        place = f"[{address.host}]" if ":" in address.host else quote(address.host)
        return Dial(f"{self._scheme}://{self._login}{place}:{address.port}{self._options}")

    async def ask(self, address: Address, budget: float) -> ClusterMap:
        """What one node says, over a connection made for that. Raises OSError, TimeoutError or hiredis' errors."""
        dial, wire = self.dial(address), None
        try:
            async with asyncio.timeout(budget):
                wire = await dial.connect(
                    lambda: Wire(budget=budget, on_push=lambda _push: None, on_end=lambda _reason: None)
                )
                replies = [_reply(wire, command) for command in (*await dial.greeting(), (b"CLUSTER", b"SLOTS"))]
                *_, told = await asyncio.gather(*replies)
                return ClusterMap(told, address)
        finally:
            if wire is not None:
                wire.end(ConnectionError("asked and answered"))


def _reply(wire: Wire, command: tuple[Any, ...]) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    wire.send(command, _into(future))
    return future


def _into(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    def deliver(reply: Any) -> None:
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    return deliver


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(_PORT)
    if not host:
        raise ValueError(text)
    return Address(host.strip("[]"), int(port))
