"""Starlette's own words for who may what: its middleware over our backend, and its `requires` beside ours."""

from __future__ import annotations

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from backstay import ManualClock, Settings
from backstay.container import current_backstay
from backstay.tokens import scope
from backstay.web.starlette import Auth, TokenBackend, lifespan, on_error
from backstay.web.starlette import requires as ours

from .applications import People
from .serving import served
from .test_web_parity import INVALID, UNAUTHORIZED

pytestmark = pytest.mark.asyncio


async def who(request):
    known = request.user.is_authenticated if not hasattr(request.user, "username") else True
    return JSONResponse({"known": known, "scopes": sorted(request.auth.scopes)})


async def ok(_request):
    return JSONResponse({"ok": True})


@requires("authenticated")
async def known(request):
    return JSONResponse({"user": request.user.username})


@requires("orders:read", status_code=404)
async def orders(request):
    return JSONResponse({"ok": True})


@requires("authenticated", redirect="who")
async def page(request):
    return JSONResponse({"ok": True})


@requires("authenticated")
async def socket(websocket):
    await websocket.accept()
    await websocket.send_text(websocket.user.username)
    await websocket.close()


ROUTES = [
    Route("/who", who),
    Route("/known", known),
    Route("/orders", orders),
    Route("/page", page),
    Route("/ours", ours(scope("orders:read"))(ok)),
    WebSocketRoute("/socket", socket),
]


def by_hand(clock):
    """As Starlette's own documentation wires a backend."""
    middleware = [Middleware(AuthenticationMiddleware, backend=TokenBackend(), on_error=on_error)]
    return Starlette(routes=ROUTES, middleware=middleware, lifespan=lifespan(None, Settings(), clock=clock))


def by_install(clock):
    """In one line."""
    auth = Auth(People().load)
    app = Starlette(routes=ROUTES, lifespan=auth.lifespan(Settings(), clock=clock))
    auth.install(app)
    return app


@pytest.mark.parametrize("make", [by_hand, by_install])
async def test_starlettes_own_requires(make):
    clock = ManualClock()
    async with served(make(clock)) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        service = current_backstay.get().tokens
        old = await service.issue("ada", client_id="web")
        clock.advance(3600)
        ada = await service.issue("ada", client_id="web")
        reader = await service.issue("ada", client_id="web", scopes=["orders:read"])

        async def get(path, pair=None):
            headers = {} if pair is None else {"Authorization": f"Bearer {pair.access_token}"}
            return await client.get(path, headers=headers)

        assert (await get("/who")).json() == {"known": False, "scopes": []}
        assert (await get("/who", reader)).json() == {"known": True, "scopes": ["authenticated", "orders:read"]}
        assert [(await get("/known", pair)).status_code for pair in (None, ada)] == [403, 200]
        assert (await get("/known", ada)).json()["user"].lower() == "ada"
        assert [(await get("/orders", pair)).status_code for pair in (None, ada, reader)] == [404, 404, 200]
        assert [(await get("/ours", pair)).status_code for pair in (None, ada, reader)] == [401, 403, 200]
        redirected = await get("/page")
        assert redirected.status_code == 303
        assert redirected.headers["location"].startswith(f"http://{host}/who?next=")
        assert (await get("/page", ada)).status_code == 200
        # Of a bad token Starlette's own would say 400, or that it is as good as none.
        for path in ("/who", "/known", "/orders", "/page", "/ours"):
            refused = await get(path, old)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, INVALID), path
            assert refused.text == UNAUTHORIZED, path


class Orders(HTTPEndpoint):
    @ours(scope("orders:read"))
    async def get(self, _request):
        return JSONResponse({"ok": True})


async def test_ours_guards_the_methods_of_a_class_and_refuses_what_cannot_wait():
    app = Starlette(routes=[Route("/orders", Orders)], lifespan=lifespan(None, Settings()))
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        service = current_backstay.get().tokens
        assert (await client.get("/orders")).status_code == 401
        for scopes, status in (([], 403), (["orders:read"], 200)):
            pair = await service.issue("ada", client_id="web", scopes=scopes)
            answer = await client.get("/orders", headers={"Authorization": f"Bearer {pair.access_token}"})
            assert answer.status_code == status
    with pytest.raises(TypeError, match="async functions"):
        ours(scope("orders:read"))(lambda request: JSONResponse({}))


@pytest.mark.parametrize("make", [by_hand, by_install])
async def test_starlettes_own_requires_on_a_websocket(make):
    async with served(make(ManualClock())) as host:
        service = current_backstay.get().tokens
        pair = await service.issue("ada", client_id="web")
        bearer = {"Authorization": f"Bearer {pair.access_token}"}
        async with connect(f"ws://{host}/socket", additional_headers=bearer) as open_one:
            assert (await open_one.recv()).lower() == "ada"
        await service.revoke_user("ada")
        for headers in ({}, bearer):
            with pytest.raises(InvalidStatus):
                await connect(f"ws://{host}/socket", additional_headers=headers)
