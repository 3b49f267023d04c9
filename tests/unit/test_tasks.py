"""Who starts background work waits for all of it."""

from __future__ import annotations

import asyncio

import pytest

from backstay.tasks import TaskOwner

pytestmark = pytest.mark.asyncio


def eager(loop, coroutine, **_options):
    """As far as `asyncio.eager_task_factory` (Python 3.12) goes with a coroutine that never waits."""
    future = loop.create_future()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        future.set_result(stop.value)
        return future
    raise AssertionError("it waits")


async def nothing():
    pass


async def test_a_loop_whose_tasks_begin_at_once_does_not_hold_up_the_end():
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", eager))
    owner = TaskOwner()
    owner.start(nothing, "nothing")
    asyncio.get_running_loop().set_task_factory(None)
    await asyncio.wait_for(owner.aclose(), 5)


async def test_nothing_runs_before_start_has_returned():
    begun = []

    async def begin():
        begun.append(1)

    owner = TaskOwner()
    owner.start(begin, "begin")
    assert not begun
    await owner.aclose()
    assert begun


async def test_a_reply_that_is_expected_is_waited_for_and_so_is_what_it_leads_to():
    owner, done = TaskOwner(), []

    async def last_word():
        await asyncio.sleep(0)
        done.append(1)

    owner.replies += 1
    closing = asyncio.ensure_future(owner.aclose())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not closing.done()
    with pytest.raises(RuntimeError, match="closed"):
        owner.start(last_word, "what has not to do with it")
    owner.start(last_word, "what it leads to", last=True)
    owner.replied()
    await asyncio.wait_for(closing, 5)
    assert done
    with pytest.raises(RuntimeError, match="closed"):
        owner.start(last_word, "too late", last=True)
