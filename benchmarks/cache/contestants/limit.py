"""The limit: what asyncio and hiredis cost when there is nothing else. No deadline, no check, no errors."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import hiredis
import msgspec
from payloads import Order


class _Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self.reader = hiredis.Reader()
        self.waiting: deque[asyncio.Future] = deque()
        self.out: list[bytes] = []
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        reader, waiting = self.reader, self.waiting
        reader.feed(data)
        while (reply := reader.gets()) is not False:
            future = waiting.popleft()
            if not future.done():
                future.set_result(reply)

    def send(self, *words: bytes) -> asyncio.Future:
        if not self.out:
            self.loop.call_soon(self.flush)
        self.out.append(hiredis.pack_command(words))
        future = self.loop.create_future()
        self.waiting.append(future)
        return future

    def flush(self) -> None:
        self.transport.write(b"".join(self.out))
        self.out.clear()


class Limit:
    def __init__(self, wire: _Wire, payload: str, *, local: bool) -> None:
        self._wire = wire
        self._order = payload == "order"
        self._decode = msgspec.msgpack.Decoder(Order).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._memory: dict = {}
        if local:
            self.get = self._from_memory

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, payload: str, *, local: bool = False):
        at = urlsplit(url)
        transport, wire = await asyncio.get_running_loop().create_connection(_Wire, at.hostname, at.port)
        try:
            yield cls(wire, payload, local=local)
        finally:
            transport.close()

    async def prefill(self, values) -> None:
        for key, value in values.items():
            self._memory[key] = value
            await self._wire.send(b"SET", key.encode(), self._encode(value) if self._order else value)

    async def _from_memory(self, key: str):
        return self._memory.get(key)

    async def get(self, key: str):
        raw = await self._wire.send(b"GET", key.encode())
        return self._decode(raw) if self._order else raw

    async def set(self, key: str, value) -> None:
        self._memory[key] = value
        await self._wire.send(b"SET", key.encode(), value)

    async def get_many(self, keys):
        return await self._wire.send(b"MGET", *[key.encode() for key in keys])

    async def get_or_compute(self, key: str, compute):
        name = key.encode()
        value = await self._wire.send(b"GET", name)
        if value is None:
            value = await compute()
            await self._wire.send(b"SET", name, value, b"EX", b"60")
        return value
