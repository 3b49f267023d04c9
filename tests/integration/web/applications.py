"""The same application three times: what the parity table asks each framework."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import fastapi
import litestar
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

import backstay.web.fastapi as on_fastapi
import backstay.web.litestar as on_litestar
import backstay.web.starlette as on_starlette
from backstay import errors
from backstay.container import current_backstay
from backstay.tokens import VerifiedToken, any_of, authenticated, permission, role, scope
from backstay.web.auth import Account, Authenticator, CookieNames, ProofOfPossession, Transport
from backstay.web.auth.lifespan import lifespan_of

PASSWORD = "correct horse battery staple"
ORDERS = scope("orders:read")
FRESH = authenticated(max_age=timedelta(minutes=5), acr="mfa")
REPORTS = any_of(role("admin"), permission("reports.read"))
ERRORS: dict[str, Exception] = {
    "store": errors.TokenStoreUnavailable("redis at 10.0.0.1 is away"),
    "cache": errors.CacheUnavailable("redis at 10.0.0.1 is away"),
    "compute": errors.ComputeTimeout("prices took more than 5 s"),
    "hasher": errors.HasherBusy("256 wait"),
    "throttle": errors.ThrottleUnavailable("redis at 10.0.0.1 is away"),
    "attempts": errors.TooManyAttempts("ada: wait", retry_after=12.2),
    "password": errors.PasswordRejected("the password is too short"),
    "key": errors.InvalidKey("a key has no spaces"),
    "migration": errors.MigrationUnavailable("postgres at 10.0.0.1 is away"),
    "failed": errors.MigrationFailed("0007 failed: relation users exists"),
    "configuration": errors.NotConfiguredError("no Backstay is open"),
    "pepper": errors.UnknownPepper("a stored hash names the pepper 'k1'"),
    "token": errors.InvalidToken(errors.TokenReason.REVOKED),
    "permission": errors.InsufficientPermission("the token does not grant what this call requires"),
}


@dataclass
class User:
    id: str
    username: str


class People:
    """Accounts in memory: ada, with everything; bob, whose account is disabled."""

    def __init__(self) -> None:
        self.hash = ""
        self.gone: set[str] = set()

    async def find(self, username: str, /) -> Account | None:
        if not self.hash:
            self.hash = await current_backstay.get().hasher.hash(PASSWORD)
        if username not in {"ada", "bob"}:
            return None
        scopes = frozenset({"orders:read", "introspect"})
        return Account(id=username, password_hash=self.hash, is_active=username == "ada", scopes=scopes)

    async def store_hash(self, account_id: str, password_hash: str, /) -> None:
        self.hash = password_hash

    async def load(self, token: VerifiedToken, /) -> User | None:
        return None if token.subject in self.gone else User(token.subject, token.subject.title())

    async def claims(self, user: str) -> dict[str, object] | None:
        return (
            {"roles": ["admin"]} if user == "root" else {"permissions": ["reports.read"]} if user == "eve" else {}
        )


def authenticator(people: People) -> Authenticator[User]:
    transport = Transport(cookies=CookieNames(), trusted_origins=frozenset({"https://app.example"}))
    return Authenticator(people.load, transport=transport, proofs=ProofOfPossession())


def fastapi_application(people: People, clock: Any, *, first_message: bool = False, listeners: Any = ()) -> Any:  # noqa: C901
    auth = on_fastapi.Auth(authenticator(people), token_url="/auth/login", scopes={"orders:read": "Read orders"})
    app = fastapi.FastAPI(lifespan=auth.lifespan(users=people.claims, clock=clock, listeners=listeners))
    auth.install(app, first_message=first_message)
    app.include_router(auth.router(people))
    app.include_router(on_fastapi.health_router())
    Current = Annotated[User, fastapi.Depends(auth.current_user)]

    @app.get("/protected")
    async def protected(user: Current) -> dict[str, str]:
        return {"user": user.username}

    @app.post("/change")
    async def change(user: Current) -> dict[str, str]:
        return {"user": user.username}

    @app.get("/optional")
    async def optional(user: Annotated[User | None, fastapi.Depends(auth.optional_user)]) -> dict[str, Any]:
        return {"user": user and user.username}

    @app.get("/admin", dependencies=[fastapi.Depends(auth.require_admin)])
    async def admin() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/orders", dependencies=[auth.secured(ORDERS)])
    async def orders() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/fresh", dependencies=[fastapi.Depends(auth.require(FRESH))])
    async def fresh() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/reports", dependencies=[fastapi.Depends(auth.require(REPORTS))])
    async def reports() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/broken/{what}")
    async def broken(what: str) -> None:
        raise ERRORS[what]

    @app.get("/cached/{symbol}")
    @on_fastapi.cached_route("web:symbol:{symbol}", ttl=60, max_age=30)
    async def cached(symbol: str) -> dict[str, str]:
        return {"symbol": symbol}

    @app.websocket("/echo")
    async def echo(socket: fastapi.WebSocket, user: Current) -> None:
        await socket.accept()
        await socket.send_text(user.username)
        async for text in socket.iter_text():
            if text == "break":
                raise ERRORS["store"]
            await socket.send_text(text)

    @app.websocket("/admin-echo")
    async def admin_echo(
        socket: fastapi.WebSocket, user: Annotated[User, fastapi.Depends(auth.require_admin)]
    ) -> None:
        await socket.accept()

    return app


def starlette_application(people: People, clock: Any, *, first_message: bool = False, listeners: Any = ()) -> Any:  # noqa: C901
    auth = on_starlette.Auth(authenticator(people))

    async def protected(request):
        return JSONResponse({"user": (await auth.current_user(request)).username})

    async def optional(request):
        user = await auth.optional_user(request)
        return JSONResponse({"user": user and user.username})

    async def ok(request):
        return JSONResponse({"ok": True})

    async def broken(request):
        raise ERRORS[request.path_params["what"]]

    @on_starlette.cached_route("web:symbol:{symbol}", ttl=60, max_age=30)
    async def symbol_of(symbol: str) -> dict[str, str]:
        return {"symbol": symbol}

    async def cached(request):
        return JSONResponse(await symbol_of(request.path_params["symbol"]))

    @auth.requires()
    async def echo(socket):
        await socket.accept()
        await socket.send_text((await auth.current_user(socket)).username)
        async for text in socket.iter_text():
            if text == "break":
                raise ERRORS["store"]
            await socket.send_text(text)

    @auth.requires(role("admin"))
    async def admin_echo(socket):
        await socket.accept()

    routes = [
        Route("/protected", protected),
        Route("/change", protected, methods=["POST"]),
        Route("/optional", optional),
        Route("/admin", auth.requires(role("admin"))(ok)),
        Route("/orders", auth.requires(ORDERS)(ok)),
        Route("/fresh", auth.requires(FRESH)(ok)),
        Route("/reports", auth.requires(REPORTS)(ok)),
        Route("/broken/{what}", broken),
        Route("/cached/{symbol}", cached),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/admin-echo", admin_echo),
        auth.routes(people),
        *on_starlette.health_routes(),
    ]
    app = Starlette(routes=routes, lifespan=auth.lifespan(users=people.claims, clock=clock, listeners=listeners))
    auth.install(app, first_message=first_message)
    return app


def litestar_application(people: People, clock: Any, *, first_message: bool = False, listeners: Any = ()) -> Any:  # noqa: C901
    own = authenticator(people)
    auth = on_litestar.Auth(own)
    user = {"user": Provide(auth.current_user)}

    @litestar.get("/protected", dependencies=user)
    async def protected(user: NamedDependency[Any]) -> dict[str, str]:
        return {"user": user.username}

    @litestar.post("/change", dependencies=user, status_code=200)
    async def change(user: NamedDependency[Any]) -> dict[str, str]:
        return {"user": user.username}

    @litestar.get("/optional", dependencies={"user": Provide(auth.optional_user)})
    async def optional(user: NamedDependency[Any]) -> dict[str, Any]:
        return {"user": user and user.username}

    @litestar.get("/admin", guards=[auth.require_admin])
    async def admin() -> dict[str, bool]:
        return {"ok": True}

    @litestar.get("/orders", **auth.secured(ORDERS))
    async def orders() -> dict[str, bool]:
        return {"ok": True}

    @litestar.get("/fresh", guards=[auth.require(FRESH)])
    async def fresh() -> dict[str, bool]:
        return {"ok": True}

    @litestar.get("/reports", guards=[auth.require(REPORTS)])
    async def reports() -> dict[str, bool]:
        return {"ok": True}

    @litestar.get("/broken/{what:str}")
    async def broken(what: FromPath[str]) -> None:
        raise ERRORS[what]

    @litestar.get("/cached/{symbol:str}")
    @on_litestar.cached_route("web:symbol:{symbol}", ttl=60, max_age=30)
    async def cached(symbol: FromPath[str]) -> dict[str, str]:
        return {"symbol": symbol}

    @litestar.websocket("/echo", guards=[auth.require()])
    async def echo(socket: litestar.WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.user.username)
        async for text in socket.iter_data():
            if text == "break":
                raise ERRORS["store"]
            await socket.send_text(text)

    @litestar.websocket("/admin-echo", guards=[auth.require_admin])
    async def admin_echo(socket: litestar.WebSocket) -> None:
        await socket.accept()

    handlers = [protected, change, optional, admin, orders, fresh, reports, broken, cached, echo, admin_echo]
    plugin = on_litestar.BackstayPlugin(
        auth,
        accounts=people,
        lifespan=lifespan_of(own, users=people.claims, clock=clock, listeners=listeners),
        first_message=first_message,
        scopes=[("orders:read", "Read orders")],
    )
    return litestar.Litestar(handlers, plugins=[plugin])


FRAMEWORKS = {
    "fastapi": fastapi_application,
    "starlette": starlette_application,
    "litestar": litestar_application,
}
