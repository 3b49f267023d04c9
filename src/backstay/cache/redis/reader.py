"""Reading and hearing: one turn's looks in one MGET, and the audience told of news before any answer.

Every batch is led by the epoch of the log. If that is not the one the audience was told of last, the batch is held
until they have been told what is new: whoever judges an answer knows at least as much as the answer does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from backstay.cache.protocol import Audience, Trust
from backstay.errors import CacheUnavailable

from .names import Names, decode
from .port import Port
from .scripts import call

KEYS_PER_READ: Final = 128
"""Most keys that one command asks for: a reply is taken in as a whole."""

BYTES_PER_READ: Final = 512 * 1024
"""About as much as one reply may bring. More would be in no cache of the processor's any more when it is judged."""

_FEWEST_KEYS: Final = 4

_Looks = list[asyncio.Future[bytes | None]]


class Reader:
    """The looks of one turn of the loop, and what the audience has been told."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.trust = Trust(0.0)
        self._audience: list[Audience] = []
        # The epoch up to which the audience has been told, as Redis writes it.
        self._told = b""
        self._wanted: list[bytes] = []
        self._looks: _Looks = []
        self._most = KEYS_PER_READ
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port: Port
        """Set once, before anything is asked for."""

    @property
    def known(self) -> int:
        """The epoch up to which the audience has been told."""
        return int(self._told or b"0")

    def attend(self, audience: Audience) -> Callable[[], None]:
        """Tell this audience of changes, from the next answer on."""
        self._audience.append(audience)
        self._told = b""  # it has heard nothing yet: the next answer brings the whole log
        return lambda: self._dismiss(audience)

    def look(self, key: str, /) -> asyncio.Future[bytes | None]:
        """The entry under a key, asked for together with the others of this turn."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | None] = loop.create_future()
        wanted = self._wanted
        if not wanted:
            loop.call_soon(self._send)
        wanted.append(self._names.entry(key))
        self._looks.append(future)
        if len(wanted) >= self._most:
            self._send()
        return future

    def tell(self, answer: list[Any]) -> None:
        """Pass on what the script `sync` answered."""
        epoch, records = records_in(answer)
        self._told = b"%d" % epoch
        for each in self._audience:
            each.news(epoch, records)

    def telling(self, key: str) -> Callable[[Any], None] | None:
        """What to do with the reply to a command that changes the key: a push about it comes only after the reply.

        With the reply, and not by whoever waits for it: a caller that was cancelled has changed the key as well.
        """
        return (lambda _: self.changed(key)) if self._audience else None

    def changed(self, key: str) -> None:
        """Tell of a change of a key."""
        for each in self._audience:
            each.changed(key)

    def up(self) -> None:
        """Part of `Ears`. What was tracked over the last link is not over this one."""
        self._told = b""
        for each in self._audience:
            each.back()

    def down(self) -> None:
        """Part of `Ears`."""
        for each in self._audience:
            each.lost()

    def pushed(self, names: Sequence[bytes] | None) -> None:
        """Part of `Ears`."""
        if names is None:  # everything was flushed, the log with it
            self._told = b""
            self.down()
            return
        for name in names:
            if name == self._names.epoch:
                self._catch_up([], [])
            elif (key := self._names.key(name)) is not None:
                self.changed(key)
            elif (lock := self._names.lock_name(name)) is not None:
                for each in self._audience:
                    each.freed(lock)

    def _dismiss(self, audience: Audience) -> None:
        if audience in self._audience:
            self._audience.remove(audience)

    def _send(self) -> None:
        if not self._wanted:
            return
        wanted, looks = self._wanted, self._looks
        self._wanted, self._looks = [], []

        def answered(reply: Any) -> None:
            if isinstance(reply, Exception):
                _fail(looks, self.port.failure(reply))
            elif reply[0] == self._told and self._told:
                self._weigh(reply[-1])
                _hand_out(looks, reply)
            else:
                self._catch_up(looks, reply)

        try:
            self.port.read([self._names.epoch, *wanted], answered)
        except CacheUnavailable as exc:
            _fail(looks, exc)
        else:
            self.port.flush()

    def _weigh(self, sample: bytes | None) -> None:
        """Ask for fewer keys at once where values are large; one of each reply stands for all."""
        if sample is not None:
            self._most = max(_FEWEST_KEYS, min(KEYS_PER_READ, BYTES_PER_READ // (len(sample) + 1)))

    def _catch_up(self, looks: _Looks, held: list[Any]) -> None:
        """Tell the audience what is new, then hand out what was held."""

        def synced(reply: Any) -> None:
            if isinstance(reply, Exception):
                _fail(looks, self.port.failure(reply))
            else:
                self.tell(reply)
                _hand_out(looks, held)

        try:
            self.port.send(call("sync", self._names.log, self.known), synced)
        except CacheUnavailable as exc:
            _fail(looks, exc)
        else:
            self.port.flush()


def records_in(answer: list[Any]) -> tuple[int, list[tuple[str, int]]]:
    """The epoch and the records in what the script `sync` answered."""
    flat = answer[1:]
    return int(answer[0]), [(decode(flat[i]), int(float(flat[i + 1]))) for i in range(0, len(flat), 2)]


def _hand_out(looks: _Looks, reply: list[Any]) -> None:
    for place, future in enumerate(looks, 1):
        if not future.done():
            future.set_result(reply[place])


def _fail(looks: _Looks, error: CacheUnavailable) -> None:
    for future in looks:
        if not future.done():
            future.set_exception(error)
