"""The flight recorder around real applications: which requests it hands over, and with which events."""

from __future__ import annotations

import asyncio
import logging

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from backstay import ManualClock, Settings, get_cached_or_compute
from backstay.web.asgi import FlightRecorder, Recording
from backstay.web.starlette import lifespan

from .applications import FRAMEWORKS, PASSWORD, People
from .serving import served

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_what_went_badly_is_handed_over_with_its_events(framework):
    clock, kept = ManualClock(), list[Recording]()
    recorder = FlightRecorder(kept.append, slower_than=0.5, clock=clock)
    app = recorder.around(FRAMEWORKS[framework](People(), clock, listeners=[recorder]))
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        good = (
            await client.post("/auth/login", data={"username": "ada", "password": PASSWORD, "transport": "token"})
        ).json()
        bearer = {"Authorization": f"Bearer {good['access_token']}"}
        assert (await client.get("/protected", headers=bearer)).status_code == 200
        assert (await client.get("/protected")).status_code == 401
        assert kept == []  # neither slow nor the server's fault
        assert (await client.get("/broken/store")).status_code == 503
        (failed,) = kept
        assert (failed.method, failed.path, failed.status) == ("GET", "/broken/store", 503)


async def test_each_request_has_its_own_events_and_no_secret(caplog):
    """Two at once, one of them slow: its recording has its events alone."""
    clock, kept = ManualClock(), list[Recording]()
    recorder = FlightRecorder(kept.append, slower_than=0.5, at_most=4, clock=clock)
    inside, leave = asyncio.Event(), asyncio.Event()

    async def slow(_request):
        async def compute() -> str:
            inside.set()
            await leave.wait()
            return "a secret value"

        await get_cached_or_compute("slow:1", compute_func=compute, ttl=60)
        return JSONResponse({})

    async def quick(request):
        for number in range(int(request.path_params["times"])):
            await get_cached_or_compute(f"quick:{number}", compute_func=one, ttl=60)
        return JSONResponse({}, status_code=int(request.query_params.get("status", "200")))

    async def one() -> int:
        return 1

    async def broken(_request):
        raise RuntimeError("lost")

    routes = [Route("/slow", slow), Route("/quick/{times}", quick), Route("/broken", broken)]
    opened = lifespan(None, Settings(), clock=clock, listeners=[recorder])
    app = recorder.around(Starlette(routes=routes, lifespan=opened))
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        waiting = asyncio.create_task(client.get("/slow"))
        await inside.wait()
        assert (await client.get("/quick/1")).status_code == 200
        clock.advance(2)
        leave.set()
        assert (await waiting).status_code == 200
        assert [(each.path, each.status, each.seconds) for each in kept] == [("/slow", 200, 2.0)]
        assert {getattr(event, "key", "slow:1") for event in kept[0].events} == {"slow:1"}
        assert kept[0].events
        assert "secret" not in repr(kept[0])
        # Of many events the last ones are kept, and what fails is handed over however quick it was.
        assert (await client.get("/quick/9?status=500")).status_code == 500
        assert len(kept[1].events) == 4
        with caplog.at_level(logging.CRITICAL, "uvicorn.error"):
            assert (await client.get("/broken")).status_code == 500
        assert (kept[2].path, kept[2].status) == ("/broken", 500)


async def test_without_a_place_for_recordings_they_are_logged(caplog):
    recorder = FlightRecorder()

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with served(recorder.around(_with_lifespan(app))) as host, httpx2.AsyncClient() as client:
        with caplog.at_level(logging.WARNING, "backstay.web.recorder"):
            await client.get(f"http://{host}/gone")
    (record,) = [each for each in caplog.records if each.name == "backstay.web.recorder"]
    assert record.getMessage().startswith("GET /gone: 502 in 0.")
    assert record.getMessage().endswith("after no event")


def _with_lifespan(app):
    async def served_app(scope, receive, send):
        if scope["type"] == "lifespan":
            for done in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{done}.complete"})
        else:
            await app(scope, receive, send)

    return served_app
