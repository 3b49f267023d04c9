"""What the backend needs of a way to Redis: send a command, be told of the reply. Two ways implement it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from backstay.cache.protocol import Trust
from backstay.errors import CacheUnavailable

Deliver = Callable[[Any], None]
"""Is given the reply, or the exception that came instead of one. Must not raise."""


class Port(Protocol):
    """One way to a Redis server."""

    @property
    def up(self) -> bool:
        """Whether `send` may be tried without waiting for `ready`."""
        ...

    @property
    def spans_slots(self) -> bool:
        """Whether one command may touch keys of several hash slots."""
        ...

    async def ready(self) -> None:
        """Come back when `send` may be tried. Raises CacheUnavailable."""
        ...

    def send(self, command: tuple[Any, ...], deliver: Deliver) -> None:
        """Send one command. Raises CacheUnavailable if nothing was sent; afterwards `deliver` is told."""
        ...

    def read(self, names: Sequence[bytes | str], deliver: Deliver) -> None:
        """Ask for the values of these names, of which texts are ASCII. Raises CacheUnavailable if nothing was sent.

        `deliver` is given all of them in their order, or an exception. None is a value that is not there, or on a
        server that is away while others are not.
        """
        ...

    def flush(self) -> None:
        """Let what was sent leave now, instead of at the end of this turn of the loop."""
        ...

    def failure(self, error: Exception) -> CacheUnavailable:
        """What an exception given to `deliver` means to a caller. May find that the server must be left."""
        ...


class Ears(Protocol):
    """Who hears what a server says unasked."""

    trust: Trust
    """Kept by who hears: the time until which silence means that nothing happened."""

    def up(self) -> None:
        """The link is up: a new stream begins, and nothing that was tracked before is."""
        ...

    def down(self) -> None:
        """The link is down: from now on nothing is heard."""
        ...

    def pushed(self, names: Sequence[bytes] | None) -> None:
        """These keys changed; None: all of them did."""
        ...
