"""A taskiq worker: ``taskiq worker workers.with_taskiq:broker``. Yours has a broker on Redis or RabbitMQ."""

from __future__ import annotations

from contextlib import AsyncExitStack

from taskiq import InMemoryBroker, TaskiqEvents, TaskiqState

from backstay import Backstay
from workers.work import recompute

broker = InMemoryBroker(await_inplace=True)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_backstay(state: TaskiqState) -> None:
    """Once per worker process, as a lifespan does for a web application."""
    state.stack = AsyncExitStack()
    await state.stack.enter_async_context(Backstay.open())


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def close_backstay(state: TaskiqState) -> None:
    """Drains what the cache still has to do."""
    await state.stack.aclose()


@broker.task
async def recompute_price(symbol: str, access_token: str) -> str:
    """The task."""
    return await recompute(symbol, access_token)
