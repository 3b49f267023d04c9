"""The service: routes, and what each of them is for. ``uvicorn prices.service:app`` serves it."""

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request

from backstay.web.fastapi import Auth, OpenBackstay, get_current_user, health_router, require_admin
from prices import lookups
from prices.domain import NoPrice, Summary
from prices.opening import authenticator, opening
from prices.people import NewUser, People, Taken, Unfit, User

Symbol = Annotated[str, Path(pattern=r"^[A-Za-z.]{1,10}$", description="such as AAPL")]
OnDate = Annotated[dt.date | None, Query(description="the newest month if not given")]

people = People()
users = authenticator(people)
auth: Auth[User] = Auth(users, token_url="/auth/login", scopes={"prices:write": "Correct prices"})
opened = opening(people, users)

prices = APIRouter(tags=["prices"])
accounts = APIRouter(tags=["accounts"])
operations = APIRouter(tags=["operations"])


@prices.get("/prices/{symbol}", responses={404: {"description": "No such price"}})
async def price(request: Request, symbol: Symbol, date: OnDate = None) -> Summary:
    """The price in the month of a date, with the average, the range and the return of the year before."""
    try:
        return await lookups.price_of(symbol, date, source_seconds=request.app.state.source_seconds)
    except NoPrice as exc:
        raise HTTPException(404, str(exc)) from exc


@prices.delete("/prices/{symbol}/cached")
async def forget(symbol: Symbol) -> dict[str, str]:
    """Forget everything that is cached of a symbol, as one does when its history was corrected."""
    return await lookups.forget(symbol)


@accounts.post(
    "/signup", status_code=201, responses={400: {"description": "Not JSON"}, 409: {"description": "Taken"}}
)
async def sign_up(new: NewUser) -> User:
    """Become a user. The first one of all runs the place."""
    try:
        return await people.sign_up(new)
    except Unfit as exc:
        raise HTTPException(
            422, [{"loc": ["body"], "msg": reason, "type": "unfit"} for reason in exc.reasons]
        ) from exc
    except Taken as exc:
        raise HTTPException(409, str(exc)) from exc


@accounts.get("/protected")
async def protected_route(user: Annotated[User, Depends(get_current_user)]) -> dict[str, str]:
    """Who you are."""
    return {"user": user.username}


@accounts.get("/admin", dependencies=[Depends(require_admin)])
async def admin_route() -> dict[str, str]:
    """For those who run the place."""
    return {"message": "Admin access granted"}


@operations.get("/stats")
async def stats(kit: OpenBackstay) -> dict[str, Any]:
    """What the cache did in this process, by namespace."""
    return lookups.counts(kit)


def create_app(*, source_seconds: float = 0.0) -> FastAPI:
    """The application, with everything that stands behind it opened, and its database brought up to date.

    `source_seconds` is how long the price source is made to take beyond reading its file.
    """
    app = FastAPI(title="Prices", lifespan=opened)
    app.state.source_seconds = source_seconds
    auth.install(app)
    for router in (prices, accounts, auth.router(people), operations, health_router()):
        app.include_router(router)
    return app


app = create_app()
