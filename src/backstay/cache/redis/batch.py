"""The calls of one script in one turn of the loop: one command, one reply, and one atomic step for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from backstay.errors import CacheUnavailable

from .port import Port
from .scripts import call

T = TypeVar("T")

CALLS_PER_COMMAND: Final = 32
"""Most calls in one command: while a script runs, the server does nothing else."""


class Batch(Generic[T]):
    """Collects what is asked of one script, and hands out what it answers."""

    def __init__(self, script: str, read: Callable[[Any], T], tell: Callable[[str], None] | None = None) -> None:
        """`read` makes an answer of what the script says about one call.

        `tell` is told which key was asked about, before anybody has the answer, and also if nobody waits for it any
        more: a push about what a command changed comes only after the reply.
        """
        self._script = script
        self._read = read
        self._tell = tell
        self._about: list[str] = []
        self._keys: list[bytes] = []
        self._arguments: list[Any] = []
        self._asked: list[asyncio.Future[T]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port: Port
        """Set once, before anything is asked for."""

    def ask(self, key: str, names: Sequence[bytes], *arguments: Any) -> asyncio.Future[T]:
        """The answer about a key, asked for together with the others of this turn. Raises CacheUnavailable.

        `names` are the key's in Redis.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._send)
        self._about.append(key)
        self._keys += names
        self._arguments += arguments
        self._asked.append(future)
        if len(self._asked) >= (CALLS_PER_COMMAND if self.port.spans_slots else 1):
            self._send()
        return future

    def _send(self) -> None:
        if not self._asked:
            return
        asked, about, command = self._asked, self._about, call(self._script, self._keys, *self._arguments)
        self._asked, self._about, self._keys, self._arguments = [], [], [], []

        def answered(reply: Any) -> None:
            if isinstance(reply, Exception):
                _fail(asked, self.port.failure(reply))
                return
            read, tell = self._read, self._tell
            if tell is not None:
                for key in about:
                    tell(key)
            for future, answer in zip(asked, reply, strict=True):
                if not future.done():
                    future.set_result(read(answer))

        try:
            self.port.send(command, answered)
        except CacheUnavailable as exc:
            _fail(asked, exc)
        else:
            self.port.flush()


def _fail(asked: Sequence[asyncio.Future[Any]], error: CacheUnavailable) -> None:
    for future in asked:
        if not future.done():
            future.set_exception(error)
