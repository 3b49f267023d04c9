"""Wirings that must not type-check. Every wrong line is marked, and no other line is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from backstay import (
    Backstay,
    Cache,
    Event,
    ManualClock,
    Secret,
    Settings,
    SystemClock,
    cached,
    get_cached_or_compute,
)
from backstay.cache import Bytes, Defaults, MemoryCache, Patience, Reading, Text, Transcoder
from backstay.health import Health
from backstay.passwords import MemoryThrottle, PasswordHasher, StandardPolicy, StandardThrottle

cache = Cache(MemoryCache())
clock = SystemClock()
health = Health()
policy = StandardPolicy()
hasher = PasswordHasher()
settings = Settings()


class SyncBackend:
    """Answers at once where the Protocol waits."""

    def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        return Reading([], 0, [])


class HalfBackend:
    """Has one method of six."""

    async def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        return Reading([], 0, [])


class NaiveClock:
    """Its sleep does not sleep."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float, /) -> None:
        return None


class TextBackend(MemoryCache):
    """Takes text where bytes belong."""

    async def put(self, entries: Mapping[str, str], /, *, ttl: float) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return None


def no_event(event: str, /) -> None: ...


def on_event(event: Event, /) -> None: ...


async def number() -> int:
    return 1


async def with_argument(symbol: str) -> int:
    return len(symbol)


Backstay(cache=MemoryCache(), passwords=policy, hasher=hasher, health=health, clock=clock, settings=settings)  # WRONG: a backend is no cache
Backstay(cache=cache, passwords=policy, hasher=hasher, health=health, clock=NaiveClock(), settings=settings)  # WRONG: a clock whose sleep is sync
Backstay(cache=cache, passwords=policy, hasher=hasher, health=health, clock=clock)  # WRONG: no settings
Backstay(cache=cache, passwords=hasher, hasher=hasher, health=health, clock=clock, settings=settings)  # WRONG: a hasher is no policy
Backstay(cache=cache, passwords=policy, hasher=hasher, throttle=MemoryThrottle(), health=health, clock=clock, settings=settings)  # WRONG: a store is no throttle
StandardThrottle(StandardThrottle(MemoryThrottle()))  # WRONG: a throttle is no store
Backstay(cache=cache, passwords=policy, hasher=hasher, health=clock, clock=health, settings=settings)  # WRONG: swapped
Backstay(cache=cache, passwords=policy, hasher=hasher, health=health, clock=clock, settings={})  # WRONG: a dict is no Settings
Backstay(cache, health, clock, settings)  # WRONG: parts go by name
Backstay(cache=cache, passwords=policy, hasher=hasher, migrations=cache, health=health, clock=clock, settings=settings)  # WRONG: not a runner
Cache(HalfBackend())  # WRONG: five methods are missing
Cache(SyncBackend())  # WRONG: sync where async is due
Cache(TextBackend())  # WRONG: text where bytes belong
Cache(cache)  # WRONG: a cache is no backend
Cache(MemoryCache(), locks=HalfBackend())  # WRONG: no locks
Cache(MemoryCache(), clock=datetime.now)  # WRONG: a function is no clock
Cache(MemoryCache(), listeners=on_event)  # WRONG: one listener is not several
Cache(MemoryCache(), listeners=[no_event])  # WRONG: listens to text
Cache(MemoryCache(), transcoder=Text())  # WRONG: a codec is no transcoder
Cache(MemoryCache(), defaults=Patience())  # WRONG: patience is no default
MemoryCache(clock=NaiveClock())  # WRONG
Settings(redis_url="redis://localhost")  # WRONG: a bare text may leak, a Secret does not
Transcoder(encryptor=Secret("key"))  # WRONG: a key is no encryptor
Health([MemoryCache()])  # WRONG: a backend is no probe
Defaults(ttl="5 minutes")  # WRONG
ManualClock("2026-01-01")  # WRONG


async def calls() -> None:
    await get_cached_or_compute("key", with_argument)  # WRONG: who would pass the symbol?
    await get_cached_or_compute("key", number, ttl="5")  # WRONG
    await get_cached_or_compute("key", number, codec=Bytes())  # WRONG: a number is no bytes
    text: str = await get_cached_or_compute("key", number)  # WRONG: a number is no text
    await get_cached_or_compute("key", number, cache=MemoryCache())  # WRONG: a backend is no cache
    text.strip()


@cached(key="key:{symbol}")  # WRONG: not async
def sync(symbol: str) -> int:
    return len(symbol)
