"""The service: routes, and what each of them caches. ``uvicorn prices.service:app`` serves it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from anyio import sleep, to_thread
from fastapi import APIRouter, FastAPI, HTTPException, Path, Query, Request, Response

from backstay import ANY, Backstay, cache_key, get_cached_or_compute, invalidate_pattern, key_pattern
from prices.domain import NoPrice, Summary, read_history, summarise

TTL = 3600
"""Seconds. Nobody rewrites the past, so a month's summary may be old."""

Symbol = Annotated[str, Path(pattern=r"^[A-Za-z.]{1,10}$", description="such as AAPL")]
OnDate = Annotated[dt.date | None, Query(description="the newest month if not given")]

prices = APIRouter(tags=["prices"])
operations = APIRouter(tags=["operations"])


@prices.get("/prices/{symbol}")
async def price(request: Request, symbol: Symbol, date: OnDate = None) -> Summary:
    """The price in the month of a date, with the average, the range and the return of the year before."""
    symbol = symbol.upper()
    # A date means its month: 31 days share one entry.
    month = None if date is None else date.replace(day=1)

    async def compute() -> Summary:
        await sleep(request.app.state.source_seconds)
        return summarise(symbol, await to_thread.run_sync(read_history, symbol), month)

    try:
        return await get_cached_or_compute(
            cache_key("prices", symbol=symbol, month=month), compute_func=compute, ttl=TTL, codec=Summary
        )
    except NoPrice as exc:
        raise HTTPException(404, str(exc)) from exc


@prices.delete("/prices/{symbol}/cached")
async def forget(symbol: Symbol) -> dict[str, str]:
    """Forget everything that is cached of a symbol, as one does when its history was corrected."""
    pattern = key_pattern("prices", symbol=symbol.upper(), month=ANY)
    outcome = await invalidate_pattern(pattern)
    return {"pattern": pattern, "outcome": outcome.value}


@operations.get("/healthz")
async def alive(request: Request) -> dict[str, bool]:
    """Whether the process lives. Asks nothing of any server behind it."""
    kit: Backstay = request.state.backstay
    return {"ok": (await kit.health.live()).ok}


@operations.get("/readyz")
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """Whether it can do its work; 503 if not."""
    kit: Backstay = request.state.backstay
    report = await kit.health.ready()
    response.status_code = 200 if report.ok else 503
    return {"ok": report.ok, "probes": report.probes}


@operations.get("/stats")
async def stats(request: Request) -> dict[str, Any]:
    """What the cache did in this process, by namespace."""
    kit: Backstay = request.state.backstay
    found = kit.cache.stats()
    return {
        "available": found.available,
        "queued": found.queued,
        "hit_ratio": found.total.hit_ratio,
        "namespaces": found.namespaces,
    }


def create_app(*, source_seconds: float = 0.0) -> FastAPI:
    """The application, with everything that stands behind it opened and closed by one line.

    `source_seconds` is how long the price source is made to take beyond reading its file.
    """
    app = FastAPI(title="Prices", lifespan=Backstay.lifespan())
    app.state.source_seconds = source_seconds
    app.include_router(prices)
    app.include_router(operations)
    return app


app = create_app()
