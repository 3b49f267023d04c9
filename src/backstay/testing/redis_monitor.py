"""What clients ask of a Redis, command by command: for tests that count round trips or forbid a command.

::

    with watch(server) as seen:
        ...
    assert not seen.named("KEYS", "SCAN")
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from .redis_server import RedisServer
from .resp import RespClient

_LINE = re.compile(r'(?P<at>\d+\.\d+) \[\d+ (?P<client>[^\]]+)\] "(?P<name>[^"]+)"(?P<rest>.*)', re.DOTALL)
_QUIET_SECONDS = 3600.0
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Command:
    """One command that a client sent. What scripts do inside the server is not among them."""

    at: float
    """Seconds since 1970, by the server's clock."""
    client: str
    """Its address."""
    name: str
    """In capitals."""
    words: tuple[str, ...]
    """The arguments, as MONITOR quotes them."""


@dataclass(slots=True)
class Seen:
    """The commands so far."""

    commands: list[Command] = field(default_factory=list[Command])
    inside: list[Command] = field(default_factory=list[Command])
    """What scripts did, apart."""

    def named(self, *names: str) -> list[Command]:
        """The commands of these names, also those that a script gave."""
        return [each for each in (*self.commands, *self.inside) if each.name in names]

    def by_client(self) -> dict[str, list[Command]]:
        """The commands of each connection."""
        sorted_out: dict[str, list[Command]] = {}
        for each in self.commands:
            sorted_out.setdefault(each.client, []).append(each)
        return sorted_out


@contextmanager
def watch(server: RedisServer) -> Generator[Seen]:
    """See every command that the server is given from now on.

    At the end of the block everything that was given before it is there: the watcher waits for a mark of its own.
    The server is reached without TLS.
    """
    seen = Seen()
    mark = f"backstay-end-of-watch-{id(seen)}"
    with RespClient(
        server.port, username=server.username, password=server.password, timeout=_QUIET_SECONDS
    ) as monitor:
        monitor.call("MONITOR")
        reading = threading.Thread(target=_read, args=(monitor, seen, mark), daemon=True)
        reading.start()
        try:
            yield seen
        finally:
            with suppress(OSError), server.client() as client:
                client.call("ECHO", mark)
            reading.join(timeout=10)


def _read(monitor: RespClient, seen: Seen, mark: str) -> None:
    with suppress(OSError):
        while True:
            line = monitor.receive()
            if not isinstance(line, bytes) or (found := _LINE.match(line.decode(errors="replace"))) is None:
                continue
            words = tuple(_WORD.findall(found["rest"]))
            if mark in words:
                return
            command = Command(float(found["at"]), found["client"], found["name"].upper(), words)
            (seen.inside if command.client == "lua" else seen.commands).append(command)
