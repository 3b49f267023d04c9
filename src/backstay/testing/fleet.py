"""Several processes, each with a cache on the same store, told from one test what to do.

::

    async with fleet(3, "backstay.cache.redis:RedisCache.open", url, prefix="test:") as members:
        call = members[0].ask("obtain", key="a", value="x", seconds=1.0)
        await call.event("computing")
        members[0].kill()
        print(await members[1].ask("obtain", key="a", value="y").result())

Real processes: one can be stopped, continued and killed while the others go on. What a member can be asked is in
`backstay.testing.fleet_worker`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from .servers import ServerFailed


class Call:
    """Something that a member was asked to do."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        """What it told so far, the oldest first."""
        self._result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._told = asyncio.Condition()

    async def result(self) -> Any:
        """What came of it. Raises `ServerFailed` if the member ended or could not do it."""
        return await asyncio.shield(self._result)

    async def event(self, name: str, *, number: int = 1) -> dict[str, Any]:
        """The event of that name, waited for if it has not happened; its `at` is in monotonic seconds."""
        async with self._told:
            await self._told.wait_for(lambda: len(self._named(name)) >= number or self._result.done())
        if len(self._named(name)) < number:
            raise ServerFailed(f"the call ended without event {number} of {name!r}: {self._result}")
        return self._named(name)[number - 1]

    def _named(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == name]

    async def hear(self, line: dict[str, Any]) -> None:
        """A line from the member; for `Member` only."""
        async with self._told:
            if "event" in line:
                self.events.append(line)
            elif not self._result.done():
                if "error" in line:
                    self.fail(line["error"])
                else:
                    self._result.set_result(line["result"])
            self._told.notify_all()

    def fail(self, why: str) -> None:
        """There will be no result."""
        if not self._result.done():
            self._result.set_exception(ServerFailed(why))
            self._result.exception()  # a call that nobody asks about any more is no leak


class Member:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._calls: dict[int, Call] = {}
        self._numbers = itertools.count(1)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, op: str, **args: Any) -> Call:
        """Tell it to do something, now."""
        number = next(self._numbers)
        self._calls[number] = Call()
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe
        self._process.stdin.write(json.dumps({"id": number, "op": op, **args}).encode() + b"\n")
        return self._calls[number]

    async def do(self, op: str, **args: Any) -> Any:
        """`ask`, and wait for the result."""
        return await self.ask(op, **args).result()

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """``kill -9``."""
        os.kill(self.pid, signal.SIGKILL)

    async def listen(self) -> None:
        """Hear it until it ends; for `fleet` only."""
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe
        while text := await self._process.stdout.readline():
            line = json.loads(text)
            await self._calls[line["id"]].hear(line)
        for number, call in self._calls.items():
            call.fail(f"process {self.pid} ended before it answered call {number}")
            await call.hear({"event": "ended"})

    async def end(self) -> None:
        """Close its input, upon which it ends; a process that is stopped or hangs is killed."""
        with suppress(ProcessLookupError):
            self.resume()
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self.kill()
            await self._process.wait()


@asynccontextmanager
async def fleet(
    count: int, opener: str, *args: str, cache: Mapping[str, Any] | None = None, **options: Any
) -> AsyncGenerator[list[Member]]:
    """Start `count` processes and end them with the block.

    Args:
        count: how many.
        opener: where an async context manager that opens a backend is found: ``module:name.name``.
        *args: what it is called with.
        cache: options for `Cache`, as far as JSON can carry them; ``{"local": None}`` for one without a local tier.
        **options: further ones for the opener.

    Raises:
        ServerFailed: a process did not come up. What it had to say is on stderr.
    """
    order = json.dumps({"opener": opener, "args": args, "options": options, "cache": dict(cache or {})})
    async with AsyncExitStack() as stack:
        members = [await _start(stack, order) for _ in range(count)]
        for member in members:
            await member.do("ready")
        yield members


async def _start(stack: AsyncExitStack, order: str) -> Member:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backstay.testing.fleet_worker", order),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,  # a history is one line
    )
    member = Member(process)
    hearing = asyncio.create_task(member.listen(), name=f"hear {process.pid}")

    async def finish() -> None:
        await member.end()
        await hearing

    stack.push_async_callback(finish)
    return member
