"""A flight recorder: the events of one request, kept while it runs and handed over if it went badly.

Off unless it is put around an application and given to the container as a listener. Events carry no values and no
tokens, so neither does a recording.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar, Final

from backstay.clock import Clock, SystemClock
from backstay.events import Event
from backstay.web.auth.extraction import Scope

from .sending import App, Message, Receive, Send

_log = logging.getLogger("backstay.web.recorder")
_running: Final[ContextVar[deque[Event]]] = ContextVar("backstay.web.recording")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What happened during one request. `status` is 0 if it ended without an answer."""

    level: ClassVar[int] = logging.WARNING

    method: str
    path: str
    status: int
    seconds: float
    events: Sequence[Event]


class FlightRecorder:
    """Both the listener that hears events and the maker of the middleware that hands recordings over.

    Used in two places::

    recorder = FlightRecorder(slower_than=0.5)
    app = recorder.around(app)      # and Backstay.open(listeners=[recorder])
    """

    def __init__(
        self,
        keep: Callable[[Recording], None] | None = None,
        *,
        slower_than: float = 1.0,
        at_most: int = 256,
        clock: Clock | None = None,
    ) -> None:
        """Make one.

        Args:
            keep: is given each recording of a request that failed (5xx) or took long; logs it if not given.
            slower_than: seconds.
            at_most: how many events of a request are kept, the last ones.
            clock: for the time a request takes.
        """
        self._keep = keep or _log_it
        self._slower_than = slower_than
        self._at_most = at_most
        self._clock: Clock = clock or SystemClock()

    def __call__(self, event: Event, /) -> None:
        """Note an event of the request that is being recorded, if one is."""
        events = _running.get(None)
        if events is not None:
            events.append(event)

    def around(self, app: App, /) -> App:
        """The application, recorded."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._record(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return recorded

    async def _record(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        events: deque[Event] = deque(maxlen=self._at_most)
        token = _running.set(events)
        began = self._clock.monotonic()
        try:
            await app(scope, receive, noting)
        finally:
            _running.reset(token)
            took = self._clock.monotonic() - began
            if status == 0 or status >= 500 or took > self._slower_than:
                method, path = scope["method"], scope["path"]
                self._keep(Recording(method=method, path=path, status=status, seconds=took, events=tuple(events)))


def _log_it(recording: Recording) -> None:
    _log.warning(
        "%s %s: %d in %.3f s after %s",
        recording.method,
        recording.path,
        recording.status,
        recording.seconds,
        ", ".join(type(event).__name__ for event in recording.events) or "no event",
    )
