"""What authentication costs a request, as a multiple of PyJWT written by hand in the same framework.

    python benchmarks/web/bench_auth.py [--quick] [--rounds 7] [--algorithm HS256]

In-process ASGI, no server and no HTTP parsing. The cost is that of a protected route less that of the same route
without protection; CPU time, medians of interleaved rounds. All load the same user from a dict. Ours always checks
revocation, epoch and session; "cached" remembers verified tokens, "every time" does not. In Litestar the user is
taken from the request, where the middleware put it, or "provided" as a dependency, as the handwritten one is: near
half of that is what Litestar spends on any dependency.
"""

# ruff: noqa: N806 - what frameworks ask of a route

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Annotated, Any

import fastapi
import jwt
import litestar
from litestar.di import NamedDependency, Provide
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from backstay.clock import SystemClock
from backstay.container import Backstay
from backstay.settings import Settings
from backstay.tokens import (
    JwtCodec,
    KeyRing,
    LocalRevocations,
    MemoryTokenStore,
    RefreshSecrets,
    TokenProfile,
    TokenService,
    VerifiedCache,
    VerifiedToken,
)
from backstay.tokens.jose import generate_key
from backstay.web import fastapi as on_fastapi
from backstay.web import litestar as on_litestar
from backstay.web import starlette as on_starlette
from backstay.web.auth import Authenticator

ISSUER, AUDIENCE = "https://issuer.example", "api"
TARGETS = {
    ("fastapi", "every time"): 0.55, ("starlette", "every time"): 0.35, ("litestar", "every time"): 0.35,
    ("fastapi", "cached"): 0.40, ("starlette", "cached"): 0.15, ("litestar", "cached"): 0.20,
}  # fmt: skip
USERS = {"ada": {"name": "Ada"}}
REQUESTS = 300


async def load(token: VerifiedToken, /) -> dict[str, str] | None:
    return USERS.get(token.subject)


class ByHand:
    """The snippet that backstay replaces: read the header, decode with PyJWT, look the user up."""

    def __init__(self, key: Any) -> None:
        self._key = jwt.PyJWK(dict(key.private_jwk()), algorithm=key.alg)
        self._alg = key.alg

    def user(self, header: str | None) -> dict[str, str]:
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            raise fastapi.HTTPException(401)
        try:
            claims = jwt.decode(
                token, self._key, algorithms=[self._alg], audience=AUDIENCE, issuer=ISSUER,
                options={"require": ["exp", "iat", "sub"]},
            )  # fmt: skip
        except jwt.PyJWTError as exc:
            raise fastapi.HTTPException(401) from exc
        return USERS[claims["sub"]]


def fastapi_routes(by_hand: ByHand, ours: dict[str, Authenticator[Any]]) -> Any:
    app = fastapi.FastAPI()
    bearer = fastapi.security.HTTPBearer()
    Credentials = fastapi.security.HTTPAuthorizationCredentials

    async def decoded(credentials: Annotated[Credentials, fastapi.Depends(bearer)]) -> str:
        return f"Bearer {credentials.credentials}"

    # As the framework's own tutorial has it: the scheme, the token's user, the active user.
    async def current(header: Annotated[str, fastapi.Depends(decoded)]) -> dict[str, str]:
        return by_hand.user(header)

    async def flat(request: fastapi.Request) -> dict[str, str]:
        return by_hand.user(request.headers.get("authorization"))

    decoded.__annotations__["credentials"] = Annotated[Credentials, fastapi.Depends(bearer)]
    current.__annotations__["header"] = Annotated[str, fastapi.Depends(decoded)]

    @app.get("/floor")
    async def floor():
        return {"ok": True}

    kinds = {"by hand": current, "by hand, flat": flat}
    kinds |= {name: on_fastapi.Auth(auth).current_user for name, auth in ours.items()}
    for name, dependency in kinds.items():

        async def route(user=fastapi.Depends(dependency)):  # noqa: B008
            return {"ok": True}

        app.get(path_of(name))(route)
    return app


def starlette_routes(by_hand: ByHand, ours: dict[str, Authenticator[Any]]) -> Any:
    async def floor(request):
        return JSONResponse({"ok": True})

    async def hand(request):
        by_hand.user(request.headers.get("authorization"))
        return JSONResponse({"ok": True})

    def protected(auth: Any) -> Any:
        async def route(request):
            await auth.current_user(request)
            return JSONResponse({"ok": True})

        return route

    routes = [Route("/floor", floor), Route("/by-hand", hand)]
    routes += [Route(path_of(name), protected(on_starlette.Auth(auth))) for name, auth in ours.items()]
    return Starlette(routes=routes)


def litestar_routes(by_hand: ByHand, ours: dict[str, Authenticator[Any]]) -> Any:
    async def of_hand(request: litestar.Request) -> dict[str, str]:
        return by_hand.user(request.headers.get("authorization"))

    @litestar.get("/floor")
    async def floor() -> dict[str, bool]:
        return {"ok": True}

    def handmade() -> Any:
        @litestar.get("/by-hand", dependencies={"user": Provide(of_hand)})
        async def route(user: NamedDependency[Any]) -> dict[str, bool]:
            return {"ok": True}

        return route

    def provided(name: str, auth: on_litestar.Auth[Any]) -> Any:
        @litestar.get(f"{path_of(name)},-provided", dependencies={"user": Provide(auth.current_user)})
        async def route(user: NamedDependency[Any]) -> dict[str, bool]:
            return {"ok": True}

        return route

    def told(name: str, auth: on_litestar.Auth[Any]) -> Any:
        tokens: Any = on_litestar.TokenMiddleware

        @litestar.get(path_of(name), middleware=[DefineMiddleware(tokens, auth=auth)])
        async def route(request: litestar.Request[Any, Any, Any]) -> dict[str, bool]:
            return {"ok": request.user is not None}

        return route

    auths = {name: on_litestar.Auth(auth) for name, auth in ours.items()}
    routes = [make(name, auth) for name, auth in auths.items() for make in (told, provided)]
    return litestar.Litestar([floor, handmade(), *routes])


def path_of(name: str) -> str:
    return f"/{name.replace(' ', '-')}"


def scope_of(path: str, token: str) -> dict[str, Any]:
    headers = [(b"host", b"api.example"), (b"accept", b"*/*"), (b"authorization", f"Bearer {token}".encode())]
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("api.example", 80), "state": {},
    }  # fmt: skip


async def request(app: Any, path: str, token: str) -> int:
    status: list[int] = []
    gone = asyncio.Event()
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if asked:
            await gone.wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    await app(scope_of(path, token), receive, send)
    return status[0]


async def measure(app: Any, paths: list[str], token: str, rounds: int) -> dict[str, float]:
    """Microseconds of CPU time per request, the median of interleaved rounds."""
    taken: dict[str, list[float]] = {path: [] for path in paths}
    for path in paths:
        assert await request(app, path, token) == 200, path
    for _ in range(rounds):
        for path in paths:
            begin = time.process_time()
            for _ in range(REQUESTS):
                await request(app, path, token)
            taken[path].append((time.process_time() - begin) / REQUESTS * 1e6)
    return {path: statistics.median(times) for path, times in taken.items()}


async def services(key: Any) -> tuple[dict[str, TokenService], LocalRevocations]:
    store = MemoryTokenStore()
    revocations = LocalRevocations(store, max_staleness=1e9)
    await revocations.catch_up()
    # What a busy service has in its copy, so that the look-ups are not into empty sets.
    for number in range(1000):
        await store.deny(f"{number:022d}", expires_at=time.time() + 600)
        await store.end_user(f"user-{number}")
    await revocations.catch_up()

    def service(cache: VerifiedCache | None) -> TokenService:
        return TokenService(
            codec=JwtCodec(KeyRing([key]), cache=cache),
            profile=TokenProfile.access(issuer=ISSUER, audience=AUDIENCE, leeway=timedelta(seconds=30)),
            store=store,
            log=store,
            secrets=RefreshSecrets({"k": b"s" * 32}, current="k"),
            revocations=revocations,
            clock=SystemClock(),
        )

    return {"every time": service(None), "cached": service(VerifiedCache(max_age=300.0))}, revocations


async def main(rounds: int, alg: str) -> None:
    key = generate_key(alg, kid="k", bits=2048)
    found: dict[str, dict[str, float]] = {}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Backstay.open(Settings()))
        made, _ = await services(key)
        pair = await made["cached"].issue("ada", client_id="web", scopes=["orders:read"])
        ours = {name: Authenticator(load, tokens=service) for name, service in made.items()}
        by_hand = ByHand(key)
        for name, make in (
            ("fastapi", fastapi_routes), ("starlette", starlette_routes), ("litestar", litestar_routes)
        ):  # fmt: skip
            app = make(by_hand, ours)
            paths = ["/floor", "/by-hand", "/every-time", "/cached"]
            paths += ["/by-hand,-flat"] if name == "fastapi" else []
            paths += ["/every-time,-provided", "/cached,-provided"] if name == "litestar" else []
            found[name] = await measure(app, paths, pair.access_token, rounds)
    print(f"{alg}, {rounds} rounds of {REQUESTS} requests; costs in microseconds over the framework's floor")
    for name, times in found.items():
        floor = times["/floor"]
        hand = times["/by-hand"] - floor
        print(f"{name}: floor {floor:.0f}, PyJWT by hand +{hand:.0f}")
        if "/by-hand,-flat" in times:
            flat = times["/by-hand,-flat"] - floor
            print(f"  PyJWT in one flat dependency  +{flat:5.1f}  {flat / hand:.2f}")
        for kind in ("every time", "cached"):
            for way in ("", ", provided"):
                if (path := path_of(kind + way)) in times:
                    cost = times[path] - floor
                    wanted = TARGETS[name, kind]
                    print(
                        f"  backstay, {kind + way:19} +{cost:5.1f}  {cost / hand:.2f}  (wanted: at most {wanted})"
                    )
    print(json.dumps({alg: found}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--algorithm", default="HS256")
    given = parser.parse_known_args()[0]
    asyncio.run(main(1 if given.quick else given.rounds, given.algorithm))
