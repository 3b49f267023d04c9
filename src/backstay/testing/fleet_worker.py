"""One process of a fleet: reads what to do from stdin, a JSON object a line, and tells on stdout what happened.

Every line has the id of its call. A line with ``event`` says that something happened on the way, one with
``result`` or ``error`` ends the call. Instants are monotonic seconds, which on Linux all processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from backstay.cache import MISSING, Cache, Defaults

from .schedules import Plan, Walk


class Worker:
    """What a member of a fleet can be asked: each public method is an operation."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def ready(self, _call: Told) -> None:
        """Nothing: the answer says that the process is up."""

    async def obtain(
        self,
        call: Told,
        *,
        key: str,
        value: Any = None,
        seconds: float = 0.0,
        callers: int = 1,
        error: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Get or compute, by several callers at once; ``computing`` and ``computed`` are told.

        `value` is what a computation of `seconds` returns; with `error` it raises a LookupError instead.
        """

        async def compute() -> Any:
            call.tell("computing")
            await asyncio.sleep(seconds)
            call.tell("computed")
            if error is not None:
                raise LookupError(error)
            return value

        async def one() -> tuple[Any, float]:
            began = time.monotonic()
            try:
                found = await self._cache.get_or_compute(key, compute, **options)
            except LookupError as exc:
                found = f"LookupError: {exc}"
            return found, time.monotonic() - began

        outcomes = await asyncio.gather(*(one() for _ in range(callers)))
        return {
            "values": [found for found, _ in outcomes],
            "longest": max(took for _, took in outcomes),
            "ended": time.monotonic(),
        }

    async def get(self, _call: Told, *, key: str) -> Any:
        """What is cached, None if nothing is."""
        found = await self._cache.get(key)
        return None if found is MISSING else found

    async def change(self, _call: Told, *, method: str, args: list[Any]) -> dict[str, Any]:
        """Call ``set``, ``invalidate`` or one of its kind."""
        outcome = await getattr(self._cache, method)(*args)
        return {"outcome": outcome.value, "ended": time.monotonic()}

    async def follow(self, _call: Told, *, key: str, until: Any, longest: float) -> dict[str, Any]:
        """Read a key over and over, as a busy service does, until it has the value; what was seen, and when."""
        began, seen = time.monotonic(), dict[str, float]()
        while time.monotonic() - began < longest:
            found = await self._cache.get_or_compute(key, lambda: "nothing", 0.001)
            seen.setdefault(str(found), time.monotonic())
            if found == until:
                break
            await asyncio.sleep(0)
        return seen

    async def lock(
        self, call: Told, *, name: str, lease: float, wait: float | None = None, seconds: float = 0.0
    ) -> dict[str, Any]:
        """Hold a lock for `seconds`, or until it is lost; ``held`` is told with its fence."""
        async with self._cache.lock(name, lease=lease, wait=wait) as held:
            call.tell("held", fence=held.fence)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await held.lost.wait()
                    call.tell("lost", fence=held.fence)
            return {"fence": held.fence, "lost": held.lost.is_set(), "ended": time.monotonic()}

    async def walk(self, _call: Told, *, seed: int, nodes: int, node: int, root: str, steps: int) -> dict[str, Any]:
        """This process's part of a schedule; the history of it."""
        plan = Plan.of(seed, nodes=nodes, steps=steps)
        walk = Walk(cache=self._cache, node=node, root=root)
        await asyncio.gather(*(walk.walk(each) for of, each in plan.walkers if of == node))
        return walk.history.as_json()

    async def look(self, _call: Told, *, node: int, root: str) -> dict[str, Any]:
        """The quiet pass at the end of a schedule; the history of it."""
        walk = Walk(cache=self._cache, node=node, root=root)
        await walk.look()
        return walk.history.as_json()

    async def stats(self, _call: Told) -> dict[str, Any]:
        """Counts that tests ask for."""
        total = self._cache.stats().total
        return {"computed": total.computed, "refused": total.refused, "hits": total.hits}


class Told:
    """One call, as the worker sees it."""

    def __init__(self, number: int) -> None:
        self._number = number

    def tell(self, event: str, **more: Any) -> None:
        """Say that something happened."""
        self.write({"event": event, "at": time.monotonic(), **more})

    def write(self, line: dict[str, Any]) -> None:
        """Send a line."""
        sys.stdout.write(json.dumps({"id": self._number, **line}) + "\n")
        sys.stdout.flush()


async def _serve(order: dict[str, Any]) -> None:
    module, _, path = order["opener"].partition(":")
    opener: Any = import_module(module)
    for name in path.split("."):
        opener = getattr(opener, name)
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with opener(*order["args"], **order["options"]) as backend:
        defaults = Defaults(jitter=0.0)
        async with (
            Cache(backend, locks=backend, defaults=defaults, **order["cache"]) as cache,
            asyncio.TaskGroup() as group,
        ):
            worker = Worker(cache)
            calls: set[asyncio.Task[None]] = set()
            while text := await lines.readline():
                line = json.loads(text)
                call = Told(line.pop("id"))
                task = group.create_task(_do(getattr(worker, line.pop("op")), call, line))
                calls.add(task)
                task.add_done_callback(calls.discard)
            for task in calls:  # whoever asked has gone
                task.cancel()


async def _do(operation: Callable[..., Awaitable[Any]], call: Told, args: dict[str, Any]) -> None:
    try:
        result = await operation(call, **args)
    except Exception as exc:  # noqa: BLE001 - told to whoever asked
        call.write({"error": f"{type(exc).__name__}: {exc}"})
    else:
        call.write({"result": result})


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
