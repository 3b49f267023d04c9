"""Wirings that must type-check, and the types that are inferred from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from backstay import Backstay, Cache, Settings, SystemClock, cached, get_cached_or_compute
from backstay.cache import MemoryCache, Missing
from backstay.health import Health
from backstay.passwords import MemoryThrottle, PasswordHasher, StandardPolicy, StandardThrottle


@dataclass
class Price:
    symbol: str
    amount: float


async def price() -> Price:
    return Price("AAPL", 1.0)


async def main() -> None:
    memory = MemoryCache()
    policy, hasher = StandardPolicy(), PasswordHasher()
    async with Cache(memory, locks=memory) as cache:
        Backstay(
            cache=cache,
            passwords=policy,
            hasher=hasher,
            throttle=StandardThrottle(MemoryThrottle()),
            health=Health(),
            clock=SystemClock(),
            settings=Settings(),
        )
        assert_type(await get_cached_or_compute("key", price, codec=Price), Price)
        assert_type(await get_cached_or_compute("key", compute_func=lambda: 5, ttl=3600), int)
        assert_type(await cache.get("key", codec=Price), Price | Missing)
        assert_type(await cache.get("key", None, codec=Price), Price | None)
        assert_type(await cache.get_many(["key"], codec=Price), dict[str, Price])
        assert_type(await prices("AAPL"), Price)
    async with Backstay.open() as kit:
        assert_type(kit.cache, Cache)


@cached(key="prices:symbol:{symbol}", ttl=5)
async def prices(symbol: str) -> Price:
    return Price(symbol, 1.0)
