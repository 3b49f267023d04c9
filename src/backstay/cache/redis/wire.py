"""One connection to Redis that any number of callers share. It speaks RESP3 and knows nothing of caches.

Redis answers in order, so a request is a slot in a queue: whoever stops waiting for it keeps its slot, and no
reply can ever reach another caller. What one turn of the event loop sends leaves in one write. A reply that takes
longer than the budget ends the connection: all replies behind it are late, too, and a stray one must never come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, cast

from backstay.errors import MissingExtraError

try:
    import hiredis
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.wire") from exc

Deliver = Callable[[Any], None]
"""Is given the reply, or an exception: the server's error, or why the connection ended. Must not raise."""

MAX_IN_FLIGHT: Final = 4096
"""Most requests without a reply. One request may carry the reads of a whole turn of the loop."""

_SECOND_LOOK: Final = 0.005
_INCOMPLETE: Final = object()  # RESP3's `false` is False: the reader needs a mark of its own


_pack: Any = getattr(hiredis, "pack_command")  # noqa: B009 - typed for less than it takes


class TooManyInFlight(Exception):
    """The connection has `MAX_IN_FLIGHT` requests without a reply. This one was not sent."""


_Slot = tuple[Deliver, float]
"""Whom to give the reply to, and when the request was sent."""


class Wire(asyncio.Protocol):
    """A connected stream of requests and replies. Made by ``loop.create_connection``; not reusable."""

    def __init__(
        self, *, budget: float, on_push: Callable[[list[Any]], None], on_end: Callable[[BaseException], None]
    ) -> None:
        """`budget`: seconds from writing a request to its reply. `on_end` is called once, however it ends."""
        self._budget = budget
        self._on_push = on_push
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._slots: deque[_Slot] = deque()
        self._outgoing: list[bytes] = []
        self._flush_due = False
        self._paused = False
        self._sweep: asyncio.TimerHandle | None = None
        self._suspect: _Slot | None = None
        self._due = 0.0
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._ended

    def send(self, command: tuple[Any, ...], deliver: Deliver) -> None:
        """Queue one request for this turn's write.

        Raises:
            ConnectionError: the connection has ended.
            TooManyInFlight: nothing was sent.
        """
        if self._ended:
            raise ConnectionError("the connection has ended")
        if len(self._slots) >= MAX_IN_FLIGHT:
            raise TooManyInFlight
        self._outgoing.append(_pack(command))
        self._slots.append((deliver, monotonic()))
        self._due_soon()

    def send_many(self, packed: list[bytes], each: Deliver, last: Deliver) -> None:
        """Queue several requests, in the protocol's form. `last` is given the last reply, `each` the others.

        Raises as `send`.
        """
        if self._ended:
            raise ConnectionError("the connection has ended")
        if len(self._slots) + len(packed) > MAX_IN_FLIGHT:
            raise TooManyInFlight
        self._outgoing += packed
        now = monotonic()
        self._slots.extend([(each, now)] * (len(packed) - 1))
        self._slots.append((last, now))
        self._due_soon()

    def flush(self) -> None:
        """Write what is queued now, instead of at the end of this turn."""
        self._flush_due = False
        if self._outgoing and not self._paused and self._transport is not None:
            data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
            self._outgoing.clear()
            self._transport.write(data)

    def end(self, reason: BaseException) -> None:
        """Close the connection, and tell everybody who waits why. Does nothing the second time."""
        if self._ended:
            return
        self._ended = True
        if self._sweep is not None:
            self._sweep.cancel()
        if self._transport is not None:
            self._transport.abort()
        slots, self._slots = self._slots, deque()
        for slot in slots:
            slot[0](reason)
        self._on_end(reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        # What create_connection makes is one, though uvloop's does not say so by its class.
        self._transport = made = cast("asyncio.Transport", transport)
        if self._ended:  # before it began
            made.abort()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol: hand each reply to the oldest slot, and each push to whoever listens."""
        reader, slots = self._reader, self._slots
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not _INCOMPLETE:
                if type(reply) is hiredis.PushNotification:
                    self._on_push(reply)
                else:
                    slots.popleft()[0](reply)
                if self._ended:
                    return
        except (hiredis.ProtocolError, IndexError) as exc:  # bytes that are no reply, or to nothing that was asked
            self.end(ConnectionError(f"the server does not speak RESP3 ({type(exc).__name__})"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self.end(exc or ConnectionError("the server closed the connection"))

    def pause_writing(self) -> None:
        """Part of asyncio.Protocol: the socket is full. Requests wait here, and their budget runs."""
        self._paused = True

    def resume_writing(self) -> None:
        """Part of asyncio.Protocol."""
        self._paused = False
        self.flush()

    def _due_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)
        if self._sweep is None:
            self._look_in(self._budget)

    def _look_for_late(self) -> None:
        """One timer for all requests: look whether the oldest one is late.

        A loop that was late itself must first take in the replies that wait for it. So a look that comes late looks
        again, and a request has to be late twice in a row, with a turn of the loop between.
        """
        self._sweep = None
        if not self._slots:
            return
        now, oldest = monotonic(), self._slots[0]
        late = now - oldest[1] - self._budget
        if late >= 0 and oldest is self._suspect and now - self._due < _SECOND_LOOK:
            self.end(TimeoutError(f"no reply within {self._budget} s"))
            return
        self._suspect = oldest if late >= 0 else None
        self._look_in(_SECOND_LOOK if late >= 0 else -late)

    def _look_in(self, seconds: float) -> None:
        self._due = monotonic() + seconds
        self._sweep = self._loop.call_later(seconds, self._look_for_late)
