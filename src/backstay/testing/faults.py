"""A TCP proxy that does to a connection what networks do: delay, drip, cut, swallow, corrupt, refuse.

    with FaultProxy(server_port) as proxy:
        client = connect(port=proxy.port)
        proxy.fault = Latency(seconds=2)       # from now on, for open connections too
        proxy.fault = None                     # healed

It runs an event loop in a thread of its own, so it serves tests of any kind: of asyncio, of trio, and those
that block. A fault is a value that the proxy looks at before each chunk it passes on from the server.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET
from typing import Self, assert_never

_CHUNK = 65_536
_UNDER_WAY = 64  # chunks that were received and are not passed on yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Each chunk from the server arrives `seconds` later; chunks under way do not hold up each other."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Jitter:
    """Each chunk from the server arrives up to `most` seconds later, at random, and in order."""

    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """The server's replies arrive byte by byte, `seconds` apart: a timeout per read never fires."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetMidReply:
    """After `after` bytes of the next reply the connection is reset (TCP RST)."""

    after: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfClose:
    """The next reply is swallowed, and the server's side of the connection ends (TCP FIN)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackhole:
    """Everything is accepted and nothing passes. What was held back passes once the fault is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt:
    """In each chunk from the server the byte at `at` (counted from the end when negative) is changed."""

    at: int = -3
    mask: int = 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Open connections are reset at their next reply, and new ones at once."""


Fault = Latency | Jitter | Drip | ResetMidReply | HalfClose | Blackhole | Corrupt | Refuse

_BACKLOG = 1024


class FaultProxy:
    """A proxy before 127.0.0.1 at one port, listening at another. A context manager.

    `fault` is what is wrong at the moment, None when nothing is. `accepted` counts connections, which tells
    how often a client had to reconnect.
    """

    def __init__(self, target_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """Pass on to `target_port`; with `tls`, speak TLS to clients."""
        self.fault: Fault | None = None
        self.accepted = 0
        self.port = 0
        self._target_port = target_port
        self._tls = tls
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._closing = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop = self._ready.result(timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(timeout=30)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        except OSError as error:
            self._ready.set_exception(error)
            return
        with listener:
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            # Not asyncio's server: whom it accepts in the turn in which it is closed, it forgets to close.
            loop.add_reader(listener, self._accept, listener)
            self._ready.set_result(loop)
            await self._closing.wait()
            loop.remove_reader(listener)
        await asyncio.sleep(0)  # who was accepted last takes a first step, and so reaches its `finally`
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.sleep(0)  # what is aborted closes a turn later

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # gone again
            return
        self.accepted += 1
        task = asyncio.create_task(self._serve_one(connection))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve_one(self, connection: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
        except OSError:
            return  # gone, or no TLS
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._pass(reader, writer)
        finally:
            _abort(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self.fault, Refuse):
                raise ConnectionRefusedError
            upstream, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            return _reset(writer)  # what the client would have met without us
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, to_server))
                both.create_task(self._backward(upstream, writer))
        except* OSError:
            pass  # one of the two sides is gone, which is what this proxy is for
        finally:
            _abort(to_server)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._while_blackholed()
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def _backward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Received and passed on by two tasks: a delay is a distance, which does not make the road narrower.
        arrived: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        async with asyncio.TaskGroup() as group:
            receiving = group.create_task(_receive(reader, arrived))
            while True:
                since, chunk = await arrived.get()
                if not chunk:
                    writer.close()
                    return
                await self._while_blackholed()
                if not await self._pass_on(chunk, since, writer):
                    receiving.cancel()
                    return

    async def _pass_on(self, chunk: bytes, since: float, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection lives on after `chunk`, which arrived at `since`."""
        match fault := self.fault:
            case None | Blackhole():
                writer.write(chunk)
            case Latency(seconds=seconds) | Jitter(most=seconds):
                share = random.random() if isinstance(fault, Jitter) else 1.0  # noqa: S311 - chance is the point
                await asyncio.sleep(since + seconds * share - asyncio.get_running_loop().time())
                writer.write(chunk)
            case Drip(seconds=seconds):
                await self._drip(chunk, writer, seconds)
            case Corrupt():
                writer.write(_corrupted(chunk, fault))
            case ResetMidReply(after=after):
                writer.write(chunk[:after])
                await writer.drain()
                _reset(writer)
                return False
            case HalfClose():
                # TLS cannot end in one direction only.
                (writer.write_eof if writer.can_write_eof() else writer.close)()
                return False
            case Refuse():
                _reset(writer)
                return False
            case _ as never:
                assert_never(never)
        await writer.drain()
        return True

    async def _drip(self, chunk: bytes, writer: asyncio.StreamWriter, seconds: float) -> None:
        for index in range(len(chunk)):
            if not isinstance(self.fault, Drip):
                writer.write(chunk[index:])
                return
            writer.write(chunk[index : index + 1])
            await writer.drain()
            await asyncio.sleep(seconds)

    async def _while_blackholed(self) -> None:
        # Polled: the fault is set from other threads, and by plain assignment.
        while isinstance(self.fault, Blackhole):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _receive(reader: asyncio.StreamReader, arrived: asyncio.Queue[tuple[float, bytes]]) -> None:
    chunk = b"something"
    while chunk:
        chunk = await reader.read(_CHUNK)
        await arrived.put((asyncio.get_running_loop().time(), chunk))


def _corrupted(chunk: bytes, fault: Corrupt) -> bytes:
    changed = bytearray(chunk)
    with suppress(IndexError):  # a chunk too short to have that byte passes unharmed
        changed[fault.at] ^= fault.mask
    return bytes(changed)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))  # closing then sends RST
    _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    with suppress(AttributeError):  # Python 3.11's TLS transport, when it is closed already
        writer.transport.abort()
