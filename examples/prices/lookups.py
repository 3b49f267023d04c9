"""What the service looks up, and what it caches of that: the same for every framework, and for workers."""

from __future__ import annotations

import datetime as dt
from typing import Any

from anyio import sleep, to_thread

from backstay import ANY, Backstay, cache_key, get_cached_or_compute, invalidate_pattern, key_pattern
from prices.domain import Summary, read_history, summarise

TTL = 3600
"""Seconds. Nobody rewrites the past, so a month's summary may be old."""


async def price_of(symbol: str, date: dt.date | None, *, source_seconds: float = 0.0) -> Summary:
    """The summary of a symbol at a date, from the cache or computed. Raises NoPrice.

    `source_seconds` is how long the price source is made to take beyond reading its file.
    """
    symbol = symbol.upper()
    # A date means its month: 31 days share one entry.
    month = None if date is None else date.replace(day=1)

    async def compute() -> Summary:
        await sleep(source_seconds)
        return summarise(symbol, await to_thread.run_sync(read_history, symbol), month)

    key = cache_key("prices", symbol=symbol, month=month)
    return await get_cached_or_compute(key, compute_func=compute, ttl=TTL, codec=Summary)


async def forget(symbol: str) -> dict[str, str]:
    """Forget everything that is cached of a symbol, as one does when its history was corrected."""
    pattern = key_pattern("prices", symbol=symbol.upper(), month=ANY)
    outcome = await invalidate_pattern(pattern)
    return {"pattern": pattern, "outcome": outcome.value}


def counts(kit: Backstay) -> dict[str, Any]:
    """What the cache did in this process, by namespace."""
    found = kit.cache.stats()
    return {
        "available": found.available,
        "queued": found.queued,
        "hit_ratio": found.total.hit_ratio,
        "namespaces": found.namespaces,
    }
