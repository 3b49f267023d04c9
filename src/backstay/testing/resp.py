"""The few words of the Redis protocol that starting a server takes.

A driver would do as well, and would make the servers need an extra. RESP2, blocking, one reply per request.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

Reply = None | int | bytes | list["Reply"]


class RespError(Exception):
    """The server answered with an error; the message is the server's."""


class RespClient:
    """One connection. A context manager; not for use by two threads at once."""

    def __init__(
        self,
        port: int,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Connect to 127.0.0.1 at `port` and log in. Raises `OSError` when nothing answers in `timeout` s."""
        raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
        self._file: IO[bytes] = self._socket.makefile("rb")
        if password is not None:
            self._log_in(username, password)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up; once is enough, twice does no harm."""
        self._file.close()
        self._socket.close()

    def call(self, *words: str | int) -> Reply:
        """Send one command and return its reply. Raises `RespError` for an error reply."""
        self.send(*words)
        return self.receive()

    def send(self, *words: str | int) -> None:
        """Send one command and wait for nothing."""
        self._socket.sendall(_encode([str(word) for word in words]))

    def receive(self) -> Reply:
        """The next reply. Raises `RespError` for an error reply, `OSError` when none comes in time."""
        return self._read()

    def text(self, *words: str | int) -> str:
        """Like `call`, for a reply that is text."""
        reply = self.call(*words)
        if not isinstance(reply, bytes):
            raise RespError(f"{words[0]} answered with {type(reply).__name__}, not with text")
        return reply.decode()

    def _log_in(self, username: str | None, password: str) -> None:
        try:
            self.call("AUTH", *([username] if username else []), password)
        except (RespError, OSError):
            self.close()
            raise

    def _read(self) -> Reply:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        mark, rest = line[:1], line[1:-2]
        if mark == b"-":
            raise RespError(rest.decode(errors="replace"))
        if mark == b":":
            return int(rest)
        if mark == b"*":
            return None if rest == b"-1" else [self._read() for _ in range(int(rest))]
        if mark == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        return rest


def _encode(words: Sequence[str]) -> bytes:
    encoded = [word.encode() for word in words]
    parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)]
    return b"".join(parts)
