"""The connection, kept up: made, greeted, watched, and made anew when it is lost.

A link is up or down, and that is all of a breaker that it needs: while it is down every request fails at once,
and one task tries to bring it back. A reply later than the budget, an unanswered heartbeat, or an error that says
"not here, not now" (LOADING, READONLY, NOAUTH, …) takes it down.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from backstay.clock import Clock
from backstay.errors import CacheRefused, CacheUnavailable, MissingExtraError
from backstay.tasks import Handle, TaskOwner

from .dial import Way
from .port import Deliver, Ears, Port
from .scripts import SOURCES
from .wire import TooManyInFlight, Wire

try:
    from hiredis import ReplyError
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.redis") from exc

HEARTBEAT: Final = 1.0
"""Seconds between two heartbeats."""
TRUST: Final = 2.0
"""Seconds after the last answered heartbeat was sent, for which silence means that nothing changed."""

_CONNECT_BUDGETS: Final = 4.0  # connecting takes several round trips, TLS more: nobody waits for it, though
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
# Not NOLOOP: with it, a server whose table of tracked keys is full forgets keys without telling who reads them
# (Redis 6.2 and 7.0, Valkey 9.1: the eviction happens while the reader itself is served, and is taken for its own).
_TRACKING: Final = (b"CLIENT", b"TRACKING", b"ON")

# The server answered, and does not do this one thing now: no reason to leave it.
_REFUSALS: Final = ("OOM", "MISCONF", "NOREPLICAS", "WRONGTYPE", "TRYAGAIN")


class Link:
    """A `Port` over a connection of its own. Belongs to the event loop it is first used in."""

    def __init__(
        self,
        dial: Way,
        owner: TaskOwner,
        clock: Clock,
        ears: Ears,
        *,
        budget: float,
        heartbeat: tuple[Any, ...],
    ) -> None:
        """`ears` hear of pushes and of the link's coming and going; `heartbeat` is a command that costs nothing."""
        self._dial = dial
        self._owner = owner
        self._clock = clock
        self._budget = budget
        self.heartbeat = heartbeat
        """What is sent once a second."""
        self._ears = ears
        self.spans_slots: Final = True
        self._wire: Wire | None = None
        self._tracks = False
        self._started = False
        self._supervisor: Handle | None = None
        self._tried = asyncio.Event()
        self._down = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether the connection stands."""
        return self._wire is not None

    async def ready(self) -> None:
        """Come back once the link is up. The first attempt is waited for, a budget long."""
        if self._wire is not None:
            return
        if not self._started and not self._owner.closed:
            self._started = True
            self._supervisor = self._owner.start(self._supervise, "backstay redis link")
        if self._started and not self._tried.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._budget):
                    await self._tried.wait()
        if self._wire is None:
            raise _away()

    def send(self, command: tuple[Any, ...], deliver: Deliver) -> None:
        """Send one command."""
        wire = self._wire
        if wire is None:
            raise _away()
        try:
            wire.send(command, deliver)
        except (ConnectionError, TooManyInFlight) as exc:
            raise _not_sent(exc) from None

    def send_many(self, packed: list[bytes], each: Deliver, last: Deliver) -> None:
        """Send several commands in one go; see `Wire.send_many`."""
        wire = self._wire
        if wire is None:
            raise _away()
        try:
            wire.send_many(packed, each, last)
        except (ConnectionError, TooManyInFlight) as exc:
            raise _not_sent(exc) from None

    def read(self, names: Sequence[bytes | str], deliver: Deliver) -> None:
        """Ask for the values of these names."""
        self.send((b"MGET", *names), deliver)

    def flush(self) -> None:
        """Write now."""
        if self._wire is not None:
            self._wire.flush()

    def failure(self, error: Exception) -> CacheUnavailable:
        """What an exception means for the caller; and for the link, which it may end."""
        if isinstance(error, CacheUnavailable):
            return error
        if not isinstance(error, ReplyError):  # the wire's own: how it ended
            # Only the type: a driver's message may quote the address, and with it a password.
            return CacheUnavailable(f"Redis did not serve the request ({type(error).__name__})")
        kind = str(error).partition(" ")[0]
        if kind in _REFUSALS:
            return CacheRefused(f"Redis refused the request ({kind})")
        failure = CacheUnavailable(f"Redis did not serve the request ({kind})")
        if self._wire is not None:
            self._wire.end(failure)
        return failure

    def retire(self) -> None:
        """Hang up for good."""
        if self._supervisor is not None:
            self._supervisor.cancel()
        self.close()

    def close(self) -> None:
        """Hang up. Whoever waits is told."""
        if self._wire is not None:
            self._wire.end(ConnectionError("the link was closed"))

    async def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while True:
                self._down = asyncio.Event()
                if await self._bring_up():
                    pause = _FIRST_PAUSE
                    self._tried.set()
                    await self._watch()
                    continue
                self._tried.set()
                await asyncio.sleep(pause * (0.75 + random.random() / 2))  # noqa: S311 - a pause
                pause = min(pause * 1.6, _LONGEST_PAUSE)
        finally:
            self.close()

    async def _bring_up(self) -> bool:
        """Connect and greet. False if that did not work."""
        wire: Wire | None = None
        try:
            async with asyncio.timeout(self._budget * _CONNECT_BUDGETS):
                wire = await self._dial.connect(self._make_wire)
                await self._greet(wire)
                if not wire.ended:  # in the very turn that brought the greeting's last reply
                    self._wire = wire
        except (OSError, TimeoutError, ReplyError):
            return False
        finally:
            if wire is not None and self._wire is None:  # refused, late, or cancelled while greeting
                wire.end(ConnectionError("the greeting came to nothing"))
        if self._wire is None:
            return False
        self._ears.up()
        return True

    def _make_wire(self) -> Wire:
        return Wire(budget=self._budget, on_push=self._pushed, on_end=self._ended)

    async def _greet(self, wire: Wire) -> None:
        """The whole handshake in one write: one after the other, its round trips would exceed the budget."""
        hello = await self._dial.greeting()
        loads = [(b"SCRIPT", b"LOAD", script) for script in SOURCES.values()]
        commands = [*hello, _TRACKING, *loads, self.heartbeat]
        sent = self._clock.monotonic()
        replies = await asyncio.gather(*(_reply(wire, command) for command in commands), return_exceptions=True)
        # A proxy that knows no tracking serves everything else; then nothing is trusted to be remembered.
        self._tracks = not isinstance(replies.pop(len(hello)), BaseException)
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        self._dial.greeted(replies[: len(hello)])
        self._trust(sent)

    async def _watch(self) -> None:
        """Send heartbeats until the link is down."""
        while self._wire is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._down.wait()
            self._beat()

    def _beat(self) -> None:
        wire = self._wire
        if wire is None:
            return
        sent = self._clock.monotonic()

        def answered(reply: Any) -> None:
            if isinstance(reply, Exception):
                self.failure(reply)
            else:
                self._trust(sent)

        with suppress(ConnectionError, TooManyInFlight):
            wire.send(self.heartbeat, answered)

    def _trust(self, sent: float) -> None:
        if self._tracks:
            self._ears.trust.until = sent + TRUST

    def _pushed(self, push: list[Any]) -> None:
        if push[0] == b"invalidate":
            self._ears.pushed(push[1])

    def _ended(self, _reason: BaseException) -> None:
        if self._wire is None:  # it never was up
            return
        self._wire = None
        self._ears.trust.until = 0.0
        self._down.set()
        self._ears.down()


async def _reply(wire: Wire, command: tuple[Any, ...]) -> Any:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def deliver(reply: Any) -> None:
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    wire.send(command, deliver)
    return await future


def _not_sent(error: Exception) -> CacheUnavailable:
    if isinstance(error, TooManyInFlight):
        return CacheRefused("too many requests to Redis are in flight")
    return _away()


def _away() -> CacheUnavailable:
    return CacheUnavailable("there is no connection to Redis")


if TYPE_CHECKING:
    _port: type[Port] = Link
