"""Background work that somebody owns: started in the loop that runs, drained by its owner from any task.

An anyio task group must be left by the task that entered it. An owner of long-lived work cannot promise that:
a pytest fixture, or a server's shutdown hook, closes in another task than it opened in. So tasks are started in
the loop itself and kept by their owner, which cancels and awaits them when it closes. Nothing here is fire and
forget.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import anyio


class TaskOwner:
    """Starts tasks, and ends them all on `aclose`. Works on asyncio and trio; belongs to one running loop."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        # asyncio's loop only holds weak references to tasks; the owner holds the strong one.
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = anyio.Event()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called: nothing new starts from then on."""
        return self._closed

    def start(self, run: Callable[[], Awaitable[None]], name: str) -> anyio.CancelScope:
        """Run in a task, in a copy of the caller's context. The scope returned cancels it.

        `run` must handle its own errors: there is nobody to raise them to.
        """
        if self._closed:
            raise RuntimeError(f"cannot start {name}: its owner is closed")
        scope = anyio.CancelScope()
        self._scopes.add(scope)
        if _on_asyncio():
            task = asyncio.get_running_loop().create_task(self._owned(run, scope), name=name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            _start_on_trio(lambda: self._owned(run, scope), name)
        return scope

    async def aclose(self) -> None:
        """Cancel everything that runs and wait until it has ended. Safe from any task, and twice."""
        self._closed = True
        for scope in list(self._scopes):
            scope.cancel()
        while self._scopes:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def _owned(self, run: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await run()
        finally:
            self._scopes.discard(scope)
            if not self._scopes:
                self._idle.set()


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _start_on_trio(run: Callable[[], Awaitable[None]], name: str) -> None:
    import trio

    trio.lowlevel.spawn_system_task(run, name=name, context=contextvars.copy_context())
