"""How the parts are put together: prefixes, scopes, dependencies, plain ASGI, and how long a login takes."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import fastapi
import httpx2
import litestar
import pytest
from fastapi.security import SecurityScopes
from litestar.di import NamedDependency
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import backstay.web.fastapi as on_fastapi
import backstay.web.litestar as on_litestar
import backstay.web.starlette as on_starlette
from backstay import Backstay, Cache, ManualClock, Settings
from backstay.container import current_backstay
from backstay.errors import InvalidToken, RequestRefused, TokenReason
from backstay.tokens import TokenService, VerifiedToken
from backstay.web.asgi import ANONYMOUS, AuthenticationMiddleware
from backstay.web.auth import Account, Authenticator
from backstay.web.auth.lifespan import lifespan_of

from .applications import FRAMEWORKS, PASSWORD, People, authenticator
from .serving import served
from .test_web_parity import ANONYMOUS as NOBODY
from .test_web_parity import INVALID, UNAUTHORIZED, insufficient

PREFIX = "/api/v1/session"
LOGIN = {"username": "ada", "password": PASSWORD, "transport": "token"}
SHARED = {"Auth", "cached_route", "get_backstay", "get_cache", "get_current_user", "lifespan", "optional_user"}
SHARED |= {"require", "require_admin", "require_permissions"}


async def bearer(user: str = "ada", **options: Any) -> dict[str, str]:
    pair = await current_backstay.get().tokens.issue(user, client_id="web", **options)
    return {"Authorization": f"Bearer {pair.access_token}"}


def test_the_three_have_the_same_names():
    for adapter in (on_fastapi, on_starlette, on_litestar):
        assert set(adapter.__all__) >= SHARED, adapter.__name__


def in_fastapi(people: People) -> Any:
    auth = on_fastapi.Auth(authenticator(people))
    app = fastapi.FastAPI(lifespan=auth.lifespan(Settings()))
    app.include_router(auth.router(people, prefix=PREFIX))
    app.include_router(on_fastapi.health_router(prefix="/ops"))

    @app.get("/kept")
    async def kept(cache: on_fastapi.OpenCache, kit: on_fastapi.OpenBackstay) -> dict[str, bool]:
        return {"same": cache is kit.cache and isinstance(cache, Cache)}

    return app


def in_starlette(people: People) -> Any:
    auth = on_starlette.Auth(authenticator(people))

    async def kept(request):
        cache, kit = await on_starlette.get_cache(), await on_starlette.get_backstay()
        return JSONResponse({"same": cache is kit.cache is request.state.backstay.cache})

    routes = [auth.routes(people, prefix=PREFIX), *on_starlette.health_routes(prefix="/ops"), Route("/kept", kept)]
    return Starlette(routes=routes, lifespan=auth.lifespan(Settings()))


def in_litestar(people: People) -> Any:
    own = authenticator(people)

    @litestar.get("/kept")
    async def kept(cache: NamedDependency[Cache], backstay: NamedDependency[Backstay]) -> dict[str, bool]:
        return {"same": cache is backstay.cache}

    auth = on_litestar.Auth(own)
    opened = lifespan_of(own, Settings())
    plugin = on_litestar.BackstayPlugin(auth, accounts=people, prefix=PREFIX, health="/ops", lifespan=opened)
    return litestar.Litestar([kept], plugins=[plugin])


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [in_fastapi, in_starlette, in_litestar])
async def test_endpoints_below_another_prefix_and_what_routes_may_ask_for(make):
    async with served(make(People())) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        tokens = (await client.post(f"{PREFIX}/login", data=LOGIN)).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        (session,) = (await client.get(f"{PREFIX}/sessions", headers=headers)).json()["sessions"]
        assert session["current"]
        assert (await client.delete(f"{PREFIX}/sessions/{session['id']}", headers=headers)).status_code == 204
        assert (await client.get(f"{PREFIX}/sessions", headers=headers)).status_code == 401
        assert (await client.post("/auth/login", data=LOGIN)).status_code in {404, 405}
        assert (await client.get("/ops/healthz")).json() == {"ok": True, "probes": {}}
        assert (await client.get("/kept")).json() == {"same": True}
    if make is in_litestar:
        bare = litestar.Litestar(plugins=[on_litestar.BackstayPlugin(health=None)])
        assert not any("healthz" in route.path for route in bare.routes)
        flows = make(People()).openapi_schema.to_schema()["components"]["securitySchemes"]["backstay"]["flows"]
        assert flows["password"]["tokenUrl"] == f"{PREFIX}/login"


@pytest.mark.asyncio
async def test_fastapis_own_scopes_are_required():
    """In `Security(…, scopes=[…])`, along the way from the route to the user, as FastAPI adds them up."""
    auth = on_fastapi.Auth(authenticator(People()), token_url="/auth/login", scopes={"a": "One", "b": "Two"})
    app = fastapi.FastAPI(lifespan=auth.lifespan(Settings()))
    auth.install(app)

    async def through(
        scopes: SecurityScopes,
        user: Any = fastapi.Security(auth.current_user, scopes=["a"]),  # noqa: B008
    ) -> Any:
        return user.username

    @app.get("/one")
    async def one(user: Any = fastapi.Security(auth.current_user, scopes=["a"])) -> str:  # noqa: B008
        return user.username

    @app.get("/both")
    async def both(name: str = fastapi.Security(through, scopes=["b"])) -> str:
        return name

    @app.get("/ambient")
    async def ambient(user: Any = fastapi.Security(on_fastapi.get_current_user, scopes=["b"])) -> str:  # noqa: B008
        return user.username

    described = app.openapi()["paths"]
    assert described["/one"]["get"]["security"][0] == {"backstay": ["a"]}
    assert set(described["/both"]["get"]["security"][0]["backstay"]) == {"a", "b"}
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        for granted, statuses in (
            ([], [403, 403, 403]), (["a"], [200, 403, 403]), (["a", "b"], [200, 200, 200])
        ):  # fmt: skip
            headers = await bearer(scopes=granted)
            answers = [await client.get(path, headers=headers) for path in ("/one", "/both", "/ambient")]
            assert [answer.status_code for answer in answers] == statuses, granted
        missing = await client.get("/both", headers=await bearer(scopes=["a"]))
        assert missing.headers["www-authenticate"] == insufficient(scope="b")


async def plain(scope, receive, send):
    """An application of no framework."""
    if scope["type"] == "lifespan":
        async with lifespan_of(None, Settings())(None):
            for done in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{done}.complete"})
        return
    who = "nobody" if scope["auth"] is ANONYMOUS else scope["user"].username
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": who})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": who.encode()})


@pytest.mark.asyncio
async def test_the_middleware_alone_serves_an_application_of_no_framework():
    app = AuthenticationMiddleware(plain, authenticator(People()))
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        ada = await bearer()
        assert (await client.get("/")).text == "nobody"
        assert (await client.get("/", headers=ada)).text == "Ada"
        async with connect(f"ws://{host}/", additional_headers=ada) as socket:
            assert await socket.recv() == "Ada"
        async with connect(f"ws://{host}/") as socket:
            assert await socket.recv() == "nobody"
        await current_backstay.get().tokens.revoke_user("ada")
        refused = await client.get("/", headers=ada)
        assert (refused.status_code, refused.text) == (401, UNAUTHORIZED)
        assert refused.headers["www-authenticate"] == INVALID
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://{host}/", additional_headers=ada)
        assert caught.value.response.status_code == 401
    assert NOBODY != UNAUTHORIZED


class Crowd(People):
    """Twenty people who have an account, and twenty whose account is disabled."""

    async def find(self, username: str, /) -> Account | None:
        known = await super().find("ada")
        assert known is not None
        kind = username.partition("-")[0]
        return None if kind == "nobody" else replace(known, id=username, is_active=kind == "user")


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_refused_login_takes_as_long_whoever_it_was_for(framework):
    taken: dict[str, list[float]] = {"user": [], "nobody": [], "disabled": []}
    clock = ManualClock()
    async with served(FRAMEWORKS[framework](Crowd(), clock)) as host, httpx2.AsyncClient() as client:
        for number in range(20):
            for kind, times in taken.items():
                clock.advance(3600)  # or the throttle would be what takes its time
                began = time.perf_counter()
                form = {"username": f"{kind}-{number}", "password": "wrong"}
                answer = await client.post(f"http://{host}/auth/login", data=form)
                times.append(time.perf_counter() - began)
                assert answer.status_code == 401
    # Without a password to compare, an answer comes ten times as soon. A busy machine blurs a few.
    medians = {kind: statistics.median(times) for kind, times in taken.items()}
    assert max(medians.values()) < 1.5 * min(medians.values()), medians


class Closed(TokenService):
    """A service of the application's own, which refuses more than ours does."""

    async def authenticate(self, access_token: str, /, *, jkt: str | None = None) -> VerifiedToken:
        await super().authenticate(access_token, jkt=jkt)
        raise InvalidToken(TokenReason.REVOKED)


@pytest.mark.asyncio
async def test_what_an_application_adds_to_authentication_is_asked():
    async with Backstay.open(Settings()) as kit:
        pair = await kit.tokens.issue("ada", client_id="web")
        scope = {"type": "http", "headers": [(b"authorization", f"Bearer {pair.access_token}".encode())]}
        found = await Authenticator(People().load).find(dict(scope))
        assert found is not None
        assert found.user.username == "Ada"
        closed = Closed.__new__(Closed)
        vars(closed).update(vars(kit.tokens))
        with pytest.raises(RequestRefused):
            await Authenticator(People().load, tokens=closed).find(dict(scope))
