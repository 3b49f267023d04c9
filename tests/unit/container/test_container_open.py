"""Opening, closing, and finding the open one."""

from __future__ import annotations

import contextlib

import anyio
import pytest

from backstay import Backstay, Secret, Settings, cache_key, get_cached_or_compute
from backstay.cache import current_cache
from backstay.container import current_backstay
from backstay.errors import NotConfiguredError
from backstay.events import Event
from backstay.health import Health

EMBEDDED = Settings()
AWAY = Settings(redis_url=Secret("redis://127.0.0.1:1/0"))


def test_module_functions_act_on_the_innermost_open_one():
    async def check() -> None:
        key = cache_key("test", id=1)
        async with Backstay.open(EMBEDDED) as outer, Backstay.open(EMBEDDED) as inner:
            assert await get_cached_or_compute(key, compute_func=lambda: "inner", ttl=60) == "inner"
            assert await inner.cache.get(key) == "inner"
            assert not await outer.cache.exists(key)
            assert current_backstay.get() is inner
        with pytest.raises(NotConfiguredError, match="Open one"):
            current_backstay.get()

    anyio.run(check)


def test_one_that_is_open_is_found_from_a_task_that_began_before_it():
    """An ASGI server serves requests from tasks that never saw the lifespan's context."""

    async def check() -> None:
        opened, found = anyio.Event(), []

        async def request() -> None:
            await opened.wait()
            found.append(current_cache.get())

        async with anyio.create_task_group() as group:
            group.start_soon(request)
            await anyio.lowlevel.checkpoint()
            async with Backstay.open(EMBEDDED) as kit:
                opened.set()
                while not found:
                    await anyio.lowlevel.checkpoint()
                assert found == [kit.cache]

    anyio.run(check)


def test_a_dead_redis_keeps_nobody_from_starting():
    async def check() -> None:
        async with Backstay.open(AWAY) as kit:
            assert await get_cached_or_compute("key", compute_func=lambda: 5, ttl=60) == 5
            report = await kit.health.ready()
            assert report.ok
            assert not report.probes["cache"].ok
            assert (await kit.health.live()).ok

    anyio.run(check)


def test_everything_is_closed_in_reverse_even_when_a_close_fails():
    closed: list[str] = []

    async def check() -> None:
        async with contextlib.AsyncExitStack() as stack:
            kit = await stack.enter_async_context(Backstay.open(EMBEDDED))
            stack.push_async_callback(_fail, closed)
            stack.push_async_callback(_note, closed, kit.cache.stats().available)
        raise AssertionError("the failed close was swallowed")

    with pytest.raises(RuntimeError, match="close failed"):
        anyio.run(check)
    assert closed == ["True", "failed"]


async def _note(closed: list[str], what: object) -> None:
    closed.append(str(what))


async def _fail(closed: list[str]) -> None:
    closed.append("failed")
    raise RuntimeError("close failed")


def test_listeners_hear_and_a_failing_one_disturbs_nothing():
    heard: list[Event] = []

    def broken(event: Event, /) -> None:
        raise ValueError

    async def check() -> None:
        async with Backstay.open(EMBEDDED, listeners=[broken, heard.append]) as kit:
            assert await kit.cache.get_or_compute("key", lambda: 1) == 1

    anyio.run(check)
    assert [type(event).__name__ for event in heard] == ["Computed"]


def test_a_probe_that_hangs_is_cut_off_and_a_required_one_decides():
    class Hangs:
        name = "hangs"
        required = True

        async def check(self) -> None:
            await anyio.sleep_forever()

    async def check() -> None:
        report = await Health([Hangs()], deadline=0.01).ready()
        assert not report.ok
        assert "0.01" in report.probes["hangs"].detail

    anyio.run(check)
