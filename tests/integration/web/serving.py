"""Real servers, run inside of the test's own loop, so that a test holds the clock and the container they use."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


@asynccontextmanager
async def by_uvicorn(app: Any, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", lifespan="on", ws="websockets-sansio")
    )
    running = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def by_hypercorn(app: Any, port: int) -> AsyncIterator[None]:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.loglevel = "WARNING"
    done = asyncio.Event()
    running = asyncio.create_task(serve(app, config, shutdown_trigger=done.wait))
    try:
        yield
    finally:
        done.set()
        await running


@asynccontextmanager
async def by_granian(app: Any, port: int) -> AsyncIterator[None]:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    running = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.stop()
        await running


SERVERS = {"uvicorn": by_uvicorn, "hypercorn": by_hypercorn, "granian": by_granian}


@asynccontextmanager
async def served(app: Any, server: str = "uvicorn") -> AsyncIterator[str]:
    """The host and port at which the application answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with SERVERS[server](app, port):
        while not await _answers(port):  # noqa: ASYNC110 - the servers have no common way to say that they are up
            await asyncio.sleep(0.01)
        yield f"127.0.0.1:{port}"


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
