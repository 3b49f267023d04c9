"""The service: routes, and what each of them caches. ``uvicorn prices.service:app`` serves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from anyio import sleep, to_thread
from fastapi import APIRouter, FastAPI, HTTPException, Path, Query, Request, Response

from backstay import (
    ANY,
    Backstay,
    cache_key,
    get_cached_or_compute,
    invalidate_pattern,
    key_pattern,
    run_pending_migrations,
)
from backstay.secret import Secret
from backstay.settings import MigrationSettings, Settings, from_env
from prices.domain import NoPrice, Summary, read_history, summarise

TTL = 3600
"""Seconds. Nobody rewrites the past, so a month's summary may be old."""
MIGRATIONS = FilePath(__file__).parent / "migrations"

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


@asynccontextmanager
async def opened(_app: FastAPI) -> AsyncIterator[dict[str, Backstay]]:
    """Open what stands behind the service, and bring its database to where its files say: one replica does it,
    the others wait. Without BACKSTAY_DATABASE_URL the database is a file that is gone with the process, as the
    embedded cache is.
    """
    with TemporaryDirectory() as directory:
        async with Backstay.open(with_database(from_env(), FilePath(directory))) as kit:
            await run_pending_migrations()
            yield {"backstay": kit}


def with_database(settings: Settings, directory: FilePath) -> Settings:
    """The settings with a database, embedded in `directory` unless they name one, and our migrations."""
    return replace(
        settings,
        database_url=settings.database_url or Secret(f"sqlite:///{directory / 'prices.db'}"),
        migrations=MigrationSettings(directory=MIGRATIONS, app_version=settings.migrations.app_version),
    )


def create_app(*, source_seconds: float = 0.0) -> FastAPI:
    """The application, with everything that stands behind it opened, and its database brought up to date.

    `source_seconds` is how long the price source is made to take beyond reading its file.
    """
    app = FastAPI(title="Prices", lifespan=opened)
    app.state.source_seconds = source_seconds
    app.include_router(prices)
    app.include_router(operations)
    return app


app = create_app()
