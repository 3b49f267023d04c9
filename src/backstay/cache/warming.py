"""Filling the cache ahead of its use, without overrunning what computes the values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio

from backstay.clock import Clock
from backstay.errors import ConfigError

from .freshness import Ttl
from .request import Compute


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmItem:
    """One key to have ready, and how to compute it. The fields are `Cache.get_or_compute`'s."""

    key: str
    compute: Compute[Any]
    ttl: Ttl | None = None
    codec: Any = None
    tags: Sequence[str] = ()


@dataclass(slots=True)
class WarmReport:
    """How far the warming has come."""

    done: int = 0
    """Items whose value is in the cache now, or was delivered and could not be stored."""
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """The exception's type for each key whose computation raised."""
    seconds: float = 0.0


Ready: TypeAlias = Callable[[WarmItem], Awaitable[object]]
"""Makes one item ready, and raises what its computation raises."""


async def warm_all(
    ready: Ready,
    items: Iterable[WarmItem],
    *,
    concurrency: int,
    rate: float | None,
    clock: Clock,
    on_progress: Callable[[WarmReport], None] | None,
) -> WarmReport:
    """Work through the items, `concurrency` at a time and at most `rate` starts per second."""
    if concurrency < 1 or (rate is not None and rate <= 0):
        raise ConfigError("warming wants a concurrency of at least 1 and a rate above 0")
    work = _Warming(ready, iter(items), rate, clock, on_progress)
    async with anyio.create_task_group() as group:
        for _ in range(concurrency):
            group.start_soon(work.run)
    return work.report


class _Warming:
    def __init__(
        self,
        ready: Ready,
        items: Iterator[WarmItem],
        rate: float | None,
        clock: Clock,
        on_progress: Callable[[WarmReport], None] | None,
    ) -> None:
        self.report = WarmReport()
        self._ready = ready
        self._items = items
        self._interval = 1.0 / rate if rate else 0.0
        self._clock = clock
        self._on_progress = on_progress
        self._began = self._next_start = clock.monotonic()

    async def run(self) -> None:
        """One worker: take the next item while there is one. Taking is not interrupted by an await."""
        for item in self._items:
            start = max(self._next_start, self._clock.monotonic())
            self._next_start = start + self._interval
            await self._clock.sleep(start - self._clock.monotonic())
            await self._one(item)

    async def _one(self, item: WarmItem) -> None:
        try:
            await self._ready(item)
        except Exception as exc:  # noqa: BLE001 - an item that fails is reported and stops nothing
            self.report.failed[item.key] = type(exc).__qualname__
        else:
            self.report.done += 1
        self.report.seconds = self._clock.monotonic() - self._began
        if self._on_progress is not None:
            self._on_progress(self.report)
