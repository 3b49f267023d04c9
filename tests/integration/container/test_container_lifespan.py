"""One lifespan line in each framework, served by a real server over real HTTP."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import fastapi
import httpx2
import litestar
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from backstay import Backstay, Settings, get_cached_or_compute
from backstay.cache import current_cache
from backstay.container import current_backstay
from backstay.errors import NotConfiguredError

LIFESPAN = Backstay.lifespan(Settings())
computed = []


async def answer() -> dict[str, int]:
    """Counted in the one cache that the lifespan opened: the request's own context knows of none."""

    async def compute() -> int:
        computed.append(1)
        return len(computed)

    value = await get_cached_or_compute("lifespan:answer", compute, ttl=60)
    return {"value": value, "hits": current_cache.get().stats().total.hits}


def on_fastapi():
    app = fastapi.FastAPI(lifespan=LIFESPAN)
    app.get("/")(answer)
    return app


def on_starlette():
    async def endpoint(request):
        assert request.state.backstay is current_backstay.get()
        return JSONResponse(await answer())

    return Starlette(routes=[Route("/", endpoint)], lifespan=LIFESPAN)


def on_litestar():
    return litestar.Litestar([litestar.get("/")(answer)], lifespan=[LIFESPAN])


@asynccontextmanager
async def served(app):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            # The listener queues connections from now on: nobody has to wait until the server is up.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            await running


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [on_fastapi, on_starlette, on_litestar])
async def test_requests_find_what_the_lifespan_opened(make):
    before = len(computed)
    async with served(make()) as url, httpx2.AsyncClient() as client:
        first = (await client.get(url)).json()
        second = (await client.get(url)).json()
    assert first == {"value": before + 1, "hits": 0}
    assert second == {"value": before + 1, "hits": 1}
    with pytest.raises(NotConfiguredError):  # closed with the server
        current_backstay.get()
