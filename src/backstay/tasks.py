"""Background work that somebody owns: started in the loop that runs, drained by its owner from any task.

An anyio task group must be left by the task that entered it. An owner of long-lived work cannot promise that:
a pytest fixture, or a server's shutdown hook, closes in another task than it opened in. So tasks are started in
the loop itself and kept by their owner, which cancels and awaits them when it closes. Nothing here is fire and
forget.

On asyncio these are plain tasks and futures, since anyio's own cost several times as much and stand on the way of
every cache miss; elsewhere they are anyio's.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, Protocol

import anyio

_CANCEL_AGAIN = 1.0  # seconds; longer than any last word that a task may have


class Handle(Protocol):
    """A started task."""

    def cancel(self) -> None:
        """Cancel it, once it has taken its first step."""
        ...


class Signal:
    """Set once, waited for by any number of tasks."""

    __slots__ = ("_event", "_loop", "_others", "_set", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """`loop`: asyncio's that runs, where it is known. To ask which one runs is a system call (before 3.12)."""
        self._set = False
        self._loop = loop
        # One waits, as a rule: a list is made for those who come after.
        self._waiting: asyncio.Future[None] | None = None
        self._others: list[asyncio.Future[None]] | None = None
        self._event: anyio.Event | None = None

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def set(self) -> None:
        """Wake whoever waits."""
        if self._set:
            return
        self._set = True
        if self._waiting is not None:
            for future in (self._waiting, *(self._others or ())):
                if not future.done():
                    future.set_result(None)
            self._waiting = self._others = None
        if self._event is not None:
            self._event.set()

    def wait(self) -> Awaitable[None]:
        """Come back once it is set; at once if it is. To be awaited at once."""
        if self._set:
            return _OVER
        loop = self._loop or _asyncio_loop()
        if loop is not None:
            future: asyncio.Future[None] = loop.create_future()
            if self._waiting is None:
                self._waiting = future
            elif self._others is None:
                self._others = [future]
            else:
                self._others.append(future)
            return future
        if self._event is None:
            self._event = anyio.Event()
        return self._event.wait()


class _Over:
    """Awaited, it comes back at once."""

    def __await__(self) -> Generator[None]:
        return
        yield


_OVER: Final = _Over()


class TaskOwner:
    """Starts tasks, and ends them all on `aclose`. Works on asyncio and trio; belongs to one running loop."""

    def __init__(self) -> None:
        # asyncio's loop only holds weak references to tasks; the owner holds the strong one.
        self._running: set[Handle] = set()
        self._last: set[Handle] = set()
        self.replies = 0
        """Those asked for outside of any task: add one, and have `replied` called. `aclose` waits for it."""
        self._idle = Signal()
        self.closed = False
        """Whether `aclose` was called: nothing new starts from then on but last words. To be looked at only."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that it works in; None if that is not asyncio's."""
        loop = self._loop
        if loop is None or loop.is_closed():  # not a promise, but an owner survives its loop where nothing runs
            loop = self._loop = _asyncio_loop()
        return loop

    def start(
        self,
        run: Callable[[], Coroutine[Any, Any, None]],
        name: str,
        context: contextvars.Context | None = None,
        *,
        last: bool = False,
    ) -> Handle:
        """Run in a task, in that context, else in a copy of the caller's. Nothing of it runs before this returns.

        `run` must handle its own errors: there is nobody to raise them to. It takes its first step even if it is
        cancelled at once, so that its ``finally`` is reached. `last`: it may also start while `aclose` waits for
        something else, and has a second to end before it is cancelled.
        """
        if self.closed and not (last and (self._running or self.replies)):
            raise RuntimeError(f"cannot start {name}: its owner is closed")
        loop = self.loop
        handle: Handle
        if loop is not None:
            handle = _OnAsyncio(loop, run, name, context, self._ended)
        else:
            handle = scope = anyio.CancelScope()
            _start_on_trio(lambda: self._within(scope, run), name, context)
        self._running.add(handle)
        if last:
            self._last.add(handle)
        return handle

    def replied(self) -> None:
        """The reply has come, or never will. What it leads to must have been started."""
        self.replies -= 1
        if not self._running and not self.replies:
            self._idle.set()

    async def aclose(self) -> None:
        """Cancel everything that runs and wait until it has ended. Safe from any task, and twice."""
        self.closed = True
        spared: frozenset[Handle] = frozenset(self._last)
        while self._running or self.replies:
            for handle in self._running - spared:
                handle.cancel()
            spared = frozenset()
            if self._idle.is_set():
                self._idle = Signal()
            # Again after a while: a cancellation can be lost on its way through a driver.
            with anyio.move_on_after(_CANCEL_AGAIN):
                await self._idle.wait()

    async def _within(self, scope: anyio.CancelScope, run: Callable[[], Awaitable[None]]) -> None:
        try:
            with scope:
                await run()
        finally:
            self._ended(scope)

    def _ended(self, handle: Handle) -> None:
        self._running.discard(handle)
        self._last.discard(handle)
        if not self._running and not self.replies:
            self._idle.set()


class _OnAsyncio:
    __slots__ = ("_ended", "_loop", "_task", "begun")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run: Callable[[], Coroutine[Any, Any, None]],
        name: str,
        context: contextvars.Context | None,
        ended: Callable[[Handle], None],
    ) -> None:
        self.begun = False
        self._loop = loop
        self._ended = ended
        # Past the loop's task factory, which may be an eager one: then it would have run, even ended, before its
        # owner knows of it.
        self._task = asyncio.Task(self._run(run), loop=loop, name=name, context=context)

    async def _run(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.begun = True
        try:
            await run()
        finally:  # and not by a callback of the task's, which would take a turn of the loop of its own
            self._ended(self)

    def cancel(self) -> None:
        if self.begun:
            self._task.cancel()
        else:  # asyncio would not even begin it; by the next turn it has begun
            self._loop.call_soon(self._task.cancel)


def _asyncio_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _start_on_trio(run: Callable[[], Awaitable[None]], name: str, context: contextvars.Context | None) -> None:
    import trio

    trio.lowlevel.spawn_system_task(run, name=name, context=context or contextvars.copy_context())
