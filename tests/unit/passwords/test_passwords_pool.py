"""The pool that hashes run in: what it bounds, what it refuses, and what a cancelled caller leaves behind.

The work is a threading event wherever a thread must be busy for as long as the test likes.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

import anyio
import pytest

from backstay.errors import HasherBusy, PasswordError
from backstay.passwords import OWASP, PasswordHasher
from backstay.passwords.events import HashingRefused
from backstay.passwords.hashing.pool import HashingPool

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
FOR_EVER = 60.0


@contextmanager
def a_pool(*, memory_budget=100, workers=1, max_queue=10, deadline=FOR_EVER):
    pool = HashingPool(memory_budget=memory_budget, workers=workers, max_queue=max_queue, deadline=deadline)
    try:
        yield pool
    finally:
        pool.close()


class Busy:
    """Work that goes on until it is released."""

    def __init__(self):
        self.begun, self.release = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.release.wait(FOR_EVER)
        return "done"

    async def has_begun(self):
        assert await anyio.to_thread.run_sync(self.begun.wait, FOR_EVER)


@BACKENDS
def test_who_finds_the_queue_full_is_refused_at_once_and_nobody_else(backend):
    async def check():
        with a_pool(max_queue=2) as pool:
            busy, results = Busy(), []

            async def ask():
                results.append(await pool.run(busy, memory=1))

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(ask)
                await busy.has_begun()
                assert pool.waiting == 2
                with pytest.raises(HasherBusy, match="2 hashes are waiting"):
                    await pool.run(busy, memory=1)
                busy.release.set()
            assert results == ["done"] * 3
            assert await pool.run(lambda: 1, memory=1) == 1

    anyio.run(check, backend=backend)


@BACKENDS
def test_who_waits_longer_than_the_deadline_is_refused_and_its_work_never_begun(backend):
    async def check():
        with a_pool(deadline=0.05) as pool:
            busy, begun = Busy(), []
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: pool.run(busy, memory=1))
                await busy.has_begun()
                with pytest.raises(HasherBusy, match="no hashing worker was free"):
                    await pool.run(lambda: begun.append(1), memory=1)
                assert pool.waiting == 0
                busy.release.set()
            assert await pool.run(lambda: "next", memory=1) == "next"
            assert begun == []

    anyio.run(check, backend=backend)


@BACKENDS
def test_a_cancelled_caller_goes_at_once_and_its_place_is_free_when_its_thread_ends(backend):
    async def check():
        with a_pool() as pool:
            busy, began = Busy(), threading.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: pool.run(busy, memory=1))
                await busy.has_begun()
                group.cancel_scope.cancel()
            # The caller is gone and its thread is not: the place is taken.
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: pool.run(began.set, memory=1))
                await anyio.wait_all_tasks_blocked()
                assert pool.waiting == 1
                assert not began.is_set()
                busy.release.set()
            assert began.is_set()

    anyio.run(check, backend=backend)


@BACKENDS
def test_what_was_cancelled_while_waiting_is_never_begun(backend):
    async def check():
        with a_pool() as pool:
            busy, begun = Busy(), []
            async with anyio.create_task_group() as outer:
                outer.start_soon(lambda: pool.run(busy, memory=1))
                await busy.has_begun()
                async with anyio.create_task_group() as group:
                    for number in range(5):
                        group.start_soon(lambda n=number: pool.run(lambda: begun.append(n), memory=1))
                    await anyio.wait_all_tasks_blocked()
                    assert pool.waiting == 5
                    group.cancel_scope.cancel()
                assert pool.waiting == 0
                busy.release.set()
            await pool.run(lambda: None, memory=1)
            assert begun == []

    anyio.run(check, backend=backend)


class Meter:
    """Work that knows how much memory all of its kind hold at once."""

    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def work(self, memory):
        with self.lock:
            self.now += memory
            self.most = max(self.most, self.now)
        threading.Event().wait(0.002)
        with self.lock:
            self.now -= memory


@pytest.mark.parametrize(
    ("memory", "workers", "most"),
    [
        (30, 8, 90),  # the budget is the bound: three of thirty
        (30, 2, 60),  # the threads are
        (100, 8, 100),  # one at a time
        (250, 8, 250),  # above the budget: alone
    ],
)
def test_running_jobs_never_hold_more_memory_than_the_budget(memory, workers, most):
    async def check():
        with a_pool(workers=workers, max_queue=100) as pool:
            meter = Meter()
            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(lambda: pool.run(lambda: meter.work(memory), memory=memory))
            assert meter.most <= most
            assert meter.now == 0

    anyio.run(check)


def test_a_large_job_is_not_overtaken_for_ever_by_small_ones():
    async def check():
        with a_pool(workers=4, max_queue=100) as pool:
            busy, order = Busy(), []

            def note(name):
                return lambda: order.append(name)

            async with anyio.create_task_group() as group:
                group.start_soon(lambda: pool.run(busy, memory=60))
                await busy.has_begun()
                group.start_soon(lambda: pool.run(note("large"), memory=100))
                await anyio.wait_all_tasks_blocked()
                for _ in range(5):
                    group.start_soon(lambda: pool.run(note("small"), memory=1))
                await anyio.wait_all_tasks_blocked()
                assert order == []
                busy.release.set()
            assert order[0] == "large"

    anyio.run(check)


def test_one_pool_serves_loops_of_several_threads():
    with a_pool(workers=2, max_queue=1000) as pool:
        answers, lock = [], threading.Lock()

        def one_loop(number, backend):
            async def main():
                async with anyio.create_task_group() as group:
                    for each in range(20):
                        group.start_soon(ask, each)

            async def ask(each):
                answer = await pool.run(lambda: (number, each), memory=10)
                with lock:
                    answers.append(answer)

            anyio.run(main, backend=backend)

        threads = [
            threading.Thread(target=one_loop, args=(number, "trio" if number % 2 else "asyncio"))
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(FOR_EVER)
        assert sorted(answers) == [(number, each) for number in range(4) for each in range(20)]


def test_closing_finishes_what_runs_and_refuses_what_waits_and_what_comes():
    async def check():
        with a_pool() as pool:
            busy, outcomes = Busy(), []

            async def ask(work):
                try:
                    outcomes.append(await pool.run(work, memory=1))
                except HasherBusy as exc:
                    outcomes.append(str(exc))

            async with anyio.create_task_group() as group:
                group.start_soon(ask, busy)
                await busy.has_begun()
                group.start_soon(ask, lambda: "never")
                await anyio.wait_all_tasks_blocked()
                pool.close()
                busy.release.set()
            assert sorted(outcomes) == ["done", "the hasher was closed"]
            await ask(lambda: "never")
            assert outcomes[-1] == "the hasher was closed"

    anyio.run(check)


def test_what_the_work_raises_reaches_its_caller_and_frees_its_place():
    async def check():
        def fails():
            raise PasswordError("no memory")

        with a_pool() as pool:
            for _ in range(3):
                with pytest.raises(PasswordError, match="no memory"):
                    await pool.run(fails, memory=1)
            assert await pool.run(lambda: 1, memory=1) == 1

    anyio.run(check)


def test_a_storm_on_a_hasher_is_shed_with_a_typed_error_and_an_event_each():
    """Real hashes in one real thread, with room for three to wait: of forty at once, most are refused."""

    async def check():
        heard, made, refused = [], [], 0
        async with PasswordHasher(workers=1, max_queue=3, emitter=heard.append) as hasher:

            async def login():
                nonlocal refused
                try:
                    made.append(await hasher.hash("correct horse"))
                except HasherBusy:
                    refused += 1

            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(login)
            assert len(made) >= 4
            assert refused == 40 - len(made) > 20
            assert len(set(made)) == len(made)
            assert len([event for event in heard if isinstance(event, HashingRefused)]) == refused
            assert await hasher.verify("correct horse", made[0])

    anyio.run(check)


def test_a_hasher_has_no_more_threads_than_hashes_fit_its_budget():
    hasher = PasswordHasher(memory_budget=2 * OWASP.memory_bytes, workers=16)
    assert hasher._pool.workers == 2
    hasher.close()
