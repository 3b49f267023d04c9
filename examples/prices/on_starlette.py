"""The same service in Starlette. ``uvicorn prices.on_starlette:app`` serves it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backstay.web.starlette import Auth, get_current_user, health_routes, require_admin
from prices import lookups
from prices.domain import NoPrice
from prices.opening import authenticator, opening
from prices.people import NewUser, People, Taken, Unfit, User

SYMBOL = re.compile(r"[A-Za-z.]{1,10}", re.ASCII)

people = People()
users = authenticator(people)
auth: Auth[User] = Auth(users)


def answer(content: Any, status: int = 200) -> Response:
    """JSON of whatever msgspec encodes: dataclasses and dates as well."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def symbol_of(request: Request) -> str:
    """The symbol in the path. Raises HTTPException with 422."""
    symbol = str(request.path_params["symbol"])
    if not SYMBOL.fullmatch(symbol):
        raise HTTPException(422, "a symbol has 1 to 10 letters and dots")
    return symbol


async def price(request: Request) -> Response:
    """The price in the month of a date, with the average, the range and the return of the year before."""
    try:
        asked = request.query_params.get("date")
        date = None if asked is None else dt.date.fromisoformat(asked)
    except ValueError as exc:
        raise HTTPException(422, "a date is YYYY-MM-DD") from exc
    try:
        source_seconds = request.app.state.source_seconds
        return answer(await lookups.price_of(symbol_of(request), date, source_seconds=source_seconds))
    except NoPrice as exc:
        raise HTTPException(404, str(exc)) from exc


async def forget(request: Request) -> Response:
    """Forget everything that is cached of a symbol."""
    return answer(await lookups.forget(symbol_of(request)))


async def sign_up(request: Request) -> Response:
    """Become a user. The first one of all runs the place."""
    try:
        return answer(await people.sign_up(msgspec.json.decode(await request.body(), type=NewUser)), 201)
    except (Unfit, msgspec.ValidationError, msgspec.DecodeError) as exc:
        raise HTTPException(422, str(exc)) from exc
    except Taken as exc:
        raise HTTPException(409, str(exc)) from exc


async def protected_route(request: Request) -> Response:
    """Who you are."""
    user = await get_current_user(request)
    return answer({"user": user.username})


async def admin_route(request: Request) -> Response:
    """For those who run the place."""
    await require_admin(request)
    return answer({"message": "Admin access granted"})


async def stats(request: Request) -> Response:
    """What the cache did in this process, by namespace."""
    return answer(lookups.counts(request.state.backstay))


def create_app(*, source_seconds: float = 0.0) -> Starlette:
    """The application, with everything that stands behind it opened, and its database brought up to date."""
    routes = [
        Route("/prices/{symbol}", price),
        Route("/prices/{symbol}/cached", forget, methods=["DELETE"]),
        Route("/signup", sign_up, methods=["POST"]),
        Route("/protected", protected_route),
        Route("/admin", admin_route),
        Route("/stats", stats),
        auth.routes(people),
        *health_routes(),
    ]
    app = Starlette(routes=routes, lifespan=opening(people, users))
    app.state.source_seconds = source_seconds
    auth.install(app)
    return app


app = create_app()
