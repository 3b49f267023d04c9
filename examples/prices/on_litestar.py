"""The same service in Litestar. ``uvicorn prices.on_litestar:app`` serves it."""

import datetime as dt
from typing import Annotated, Any

from litestar import Litestar, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.params import Body, FromQuery, PathParameter

from backstay import Backstay
from backstay.web.litestar import Auth, BackstayPlugin, get_current_user, require_admin
from prices import lookups
from prices.domain import NoPrice, Summary
from prices.opening import authenticator, opening
from prices.people import NewUser, People, Taken, Unfit, User

Symbol = Annotated[str, PathParameter(pattern=r"^[A-Za-z.]{1,10}$", description="such as AAPL")]

REFUSED = ResponseSpec(dict[str, Any], description="Refused")

people = People()
users = authenticator(people)
auth: Auth[User] = Auth(users)


@delete("/prices/{symbol:str}/cached", status_code=200)
async def forget(symbol: Symbol) -> dict[str, str]:
    """Forget everything that is cached of a symbol."""
    return await lookups.forget(symbol)


@post("/signup", responses={409: REFUSED, 422: REFUSED})
async def sign_up(data: Annotated[NewUser, Body()]) -> User:
    """Become a user. The first one of all runs the place."""
    try:
        return await people.sign_up(data)
    except Unfit as exc:
        raise HTTPException(str(exc), status_code=422) from exc
    except Taken as exc:
        raise HTTPException(str(exc), status_code=409) from exc


@get("/protected", dependencies={"user": Provide(get_current_user)}, security=[{"backstay": []}])
async def protected_route(user: NamedDependency[Any]) -> dict[str, str]:
    """Who you are."""
    return {"user": user.username}


@get("/admin", guards=[require_admin], security=[{"backstay": []}])
async def admin_route() -> dict[str, str]:
    """For those who run the place."""
    return {"message": "Admin access granted"}


@get("/stats")
async def stats(backstay: NamedDependency[Backstay]) -> dict[str, Any]:
    """What the cache did in this process, by namespace."""
    return lookups.counts(backstay)


def create_app(*, source_seconds: float = 0.0) -> Litestar:
    """The application, with everything that stands behind it opened, and its database brought up to date."""

    @get("/prices/{symbol:str}", responses={404: REFUSED})
    async def price(symbol: Symbol, date: FromQuery[dt.date | None] = None) -> Summary:
        """The price in the month of a date, with the average, the range and the return of the year before."""
        try:
            return await lookups.price_of(symbol, date, source_seconds=source_seconds)
        except NoPrice as exc:
            raise HTTPException(str(exc), status_code=404) from exc

    plugin = BackstayPlugin(auth, accounts=people, lifespan=opening(people, users))
    return Litestar([price, forget, sign_up, protected_route, admin_route, stats], plugins=[plugin])


app = create_app()
