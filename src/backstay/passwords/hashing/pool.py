"""Threads for hashing, bounded in number, in memory, and in the queue before them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar, cast

import anyio

from backstay.errors import HasherBusy

T = TypeVar("T")


class _Job(Generic[T]):
    """One piece of work, from its arrival to its result."""

    __slots__ = ("error", "memory", "result", "started", "wake", "work")

    def __init__(self, work: Callable[[], T], memory: int, wake: Callable[[], None]) -> None:
        self.work: Callable[[], T] | None = work
        self.memory = memory
        self.wake = wake
        self.started = False
        self.result: T | None = None
        self.error: Exception | None = None


class HashingPool:
    """Runs memory-hard work beside the event loop.

    At most ``min(cores, memory_budget // memory)`` jobs run, and never more than `memory_budget` bytes at
    once;
    a job larger than the budget runs alone. Jobs start in order of arrival. One pool serves any number of
    event
    loops, of asyncio and trio. Not promised: that a running job can be stopped. A cancelled caller goes at
    once;
    its thread finishes, and only then is its place free.
    """

    def __init__(self, *, memory_budget: int, workers: int | None, max_queue: int, deadline: float) -> None:
        self.workers = workers or _cores()
        self._budget = memory_budget
        self._max_queue = max_queue
        self._deadline = deadline
        self._lock = threading.Lock()
        self._waiting: deque[_Job[object]] = deque()
        self._running = 0
        self._used = 0
        self._closed = False
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="backstay-hash")

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._waiting)

    async def run(self, work: Callable[[], T], *, memory: int) -> T:
        """The result of `work`, done in a thread; `memory` is what it needs, in bytes.

        Raises:
            HasherBusy: the queue is full, or the deadline passed before the work was begun.
        """
        done = anyio.Event()
        job = _Job(work, memory, _waker(done))
        self._enqueue(cast("_Job[object]", job))
        try:
            with anyio.move_on_after(self._deadline):
                await done.wait()
            if not done.is_set():
                if self._withdraw(cast("_Job[object]", job)):
                    raise HasherBusy(f"no hashing worker was free for {self._deadline:g} s: answer 503, try later")
                await done.wait()
        finally:
            self._withdraw(cast("_Job[object]", job))
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    def close(self) -> None:
        """Take no more work. What runs is finished; what waits is dropped and its callers get HasherBusy."""
        with self._lock:
            dropped = list(self._waiting)
            self._waiting.clear()
            self._closed = True
        for job in dropped:
            job.error = HasherBusy("the hasher was closed")
            job.wake()
        self._threads.shutdown(wait=False)

    def _enqueue(self, job: _Job[object]) -> None:
        with self._lock:
            if self._closed:
                raise HasherBusy("the hasher was closed")
            # The queue counts only who must wait: an idle pool with no queue still serves.
            if len(self._waiting) >= self._max_queue and not (self._max_queue == 0 and self._fits(job)):
                raise HasherBusy(f"{len(self._waiting)} hashes are waiting: answer 503, try later")
            self._waiting.append(job)
            self._start_what_fits()

    def _withdraw(self, job: _Job[object]) -> bool:
        with self._lock:
            if job.started or job.work is None:
                return False
            job.work = None
            if job in self._waiting:
                self._waiting.remove(job)
                self._start_what_fits()
                return True
            return False

    def _fits(self, job: _Job[object]) -> bool:
        return self._running < self.workers and (not self._running or self._used + job.memory <= self._budget)

    def _start_what_fits(self) -> None:
        while self._waiting and self._fits(self._waiting[0]):
            job = self._waiting.popleft()
            job.started = True
            self._running += 1
            self._used += job.memory
            self._threads.submit(self._work, job)

    def _work(self, job: _Job[object]) -> None:
        work, job.work = job.work, None
        try:
            if work is not None:
                job.result = work()
        except Exception as exc:  # noqa: BLE001 - handed to the caller, who raises it
            job.error = exc
        finally:
            # The closure holds the password: let go of it before anybody else runs.
            del work
            with self._lock:
                self._running -= 1
                self._used -= job.memory
                self._start_what_fits()
            job.wake()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _waker(event: anyio.Event) -> Callable[[], None]:
    """Something that any thread may call to set the event in the loop that runs now."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        from trio.lowlevel import current_trio_token

        token = current_trio_token()
        return lambda: _unless_over(lambda: token.run_sync_soon(event.set))
    return lambda: _unless_over(lambda: loop.call_soon_threadsafe(event.set))


def _unless_over(call: Callable[[], object]) -> None:
    try:
        call()
    except RuntimeError:  # the loop ended while its job ran: nobody waits any more
        return
