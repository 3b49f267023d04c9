"""The calls of one script in one turn of the loop: one command, one reply, and one atomic step for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeAlias, TypeVar

from backstay.errors import CacheUnavailable

from .port import Port
from .scripts import call

T = TypeVar("T")

_Call: TypeAlias = tuple[str, Sequence[bytes], tuple[Any, ...], "asyncio.Future[T]"]
"""A key, its names, what else the script is told about it, and whose the answer is."""

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
        self._calls: list[_Call[T]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port: Port
        """Set once, before anything is asked for."""

    def ask(self, key: str, names: Sequence[bytes], *arguments: Any) -> asyncio.Future[T]:
        """The answer about a key, asked for together with the others of this turn.

        `names` are the key's in Redis.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        calls = self._calls
        if not calls:
            loop.call_soon(self._send)
        calls.append((key, names, arguments, future))
        if len(calls) >= CALLS_PER_COMMAND:
            self._send()
        return future

    def _send(self) -> None:
        calls, self._calls = self._calls, []
        if self.port.spans_slots:
            self._send_together(calls)
        else:  # one command for each, and one write for each node
            for call_ in calls:
                self._send_together([call_])
        self.port.flush()

    def _send_together(self, calls: list[_Call[T]]) -> None:
        if not calls:
            return
        names = [name for _, names, _, _ in calls for name in names]
        arguments = [argument for _, _, arguments, _ in calls for argument in arguments]
        try:
            self.port.send(call(self._script, names, *arguments), partial(self._answered, calls))
        except CacheUnavailable as exc:
            _fail(calls, exc)

    def _answered(self, calls: list[_Call[T]], reply: Any) -> None:
        if isinstance(reply, Exception):
            _fail(calls, self.port.failure(reply))
            return
        read, tell = self._read, self._tell
        if tell is not None:
            for key, _, _, _ in calls:
                tell(key)
        for (_, _, _, future), answer in zip(calls, reply, strict=True):
            if not future.done():
                future.set_result(read(answer))


def _fail(calls: Sequence[_Call[Any]], error: CacheUnavailable) -> None:
    for _, _, _, future in calls:
        if not future.done():
            future.set_exception(error)
