"""A saq worker: ``saq workers.with_saq.settings``."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import Any

from saq import Queue

from backstay import Backstay
from workers.work import recompute


async def startup(ctx: Any) -> None:
    """Once per worker process, as a lifespan does for a web application."""
    ctx["stack"] = AsyncExitStack()
    await ctx["stack"].enter_async_context(Backstay.open())


async def shutdown(ctx: Any) -> None:
    """Drains what the cache still has to do."""
    await ctx["stack"].aclose()


async def recompute_price(_ctx: Any, *, symbol: str, access_token: str) -> str:
    """The task."""
    return await recompute(symbol, access_token)


def settings() -> dict[str, Any]:
    """What saq runs."""
    queue = Queue.from_url(os.environ["BACKSTAY_REDIS_URL"], name="prices")
    return {"queue": queue, "functions": [recompute_price], "startup": startup, "shutdown": shutdown}
