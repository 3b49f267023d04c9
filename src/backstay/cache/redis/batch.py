"""The calls of one script in one turn of the loop: one command, one reply, and one atomic step for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeAlias, TypeVar

from backstay.errors import CacheUnavailable

from .port import Port
from .scripts import call

T = TypeVar("T")

Then: TypeAlias = Callable[[T | CacheUnavailable], None]
"""Is told an answer, or why there is none. Must not raise."""

CALLS_PER_COMMAND: Final = 32
"""Most calls in one command: while a script runs, the server does nothing else."""


class _Calls(Generic[T]):
    """Calls of one script, laid out as the command wants them: a list for each part, no object for each call."""

    __slots__ = ("arguments", "keys", "names", "thens")

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.names: list[bytes] = []
        self.arguments: list[Any] = []
        self.thens: list[Then[T]] = []

    def each(self) -> Iterator[_Calls[T]]:
        """One for each call."""
        count = len(self.keys)
        names, arguments = len(self.names) // count, len(self.arguments) // count
        for i in range(count):
            alone: _Calls[T] = _Calls()
            alone.keys, alone.thens = [self.keys[i]], [self.thens[i]]
            alone.names = self.names[i * names : (i + 1) * names]
            alone.arguments = self.arguments[i * arguments : (i + 1) * arguments]
            yield alone

    def fail(self, error: CacheUnavailable) -> None:
        """There is no answer."""
        for then in self.thens:
            then(error)


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
        self._calls: _Calls[T] = _Calls()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port: Port
        """Set once, before anything is asked for."""

    def ask(self, key: str, names: Sequence[bytes], then: Then[T], *arguments: Any) -> None:
        """Ask about a key, together with the others of this turn; `then` is told the answer.

        `names` are the key's in Redis. All calls of a script have as many names and arguments.
        """
        calls = self._calls
        if not calls.keys:
            loop = self._loop
            if loop is None:
                loop = self._loop = asyncio.get_running_loop()
            loop.call_soon(self._send)
        calls.keys.append(key)
        calls.names += names
        calls.arguments += arguments
        calls.thens.append(then)
        if len(calls.keys) >= CALLS_PER_COMMAND:
            self._send()

    def _send(self) -> None:
        calls = self._calls
        if not calls.keys:  # as many as one command takes have left already
            return
        self._calls = _Calls()
        if self.port.spans_slots:
            self._send_together(calls)
        else:  # one command for each, and one write for each node
            for alone in calls.each():
                self._send_together(alone)
        self.port.flush()

    def _send_together(self, calls: _Calls[T]) -> None:
        try:
            self.port.send(call(self._script, calls.names, *calls.arguments), partial(self._answered, calls))
        except CacheUnavailable as exc:  # told later, because whoever asks is not told before that returns
            asyncio.get_running_loop().call_soon(calls.fail, exc)

    def _answered(self, calls: _Calls[T], reply: Any) -> None:
        if isinstance(reply, Exception):
            calls.fail(self.port.failure(reply))
            return
        read, tell = self._read, self._tell
        if tell is not None:
            for key in calls.keys:
                tell(key)
        for then, answer in zip(calls.thens, reply, strict=True):
            then(read(answer))
