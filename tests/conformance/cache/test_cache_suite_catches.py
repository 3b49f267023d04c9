"""The suite is worth something: backends that break one promise each are caught, and third parties can run it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from backstay.cache import Busy, Granted, MemoryCache, Reading
from backstay.clock import ManualClock
from backstay.testing.cache import CacheBackendSuite
from backstay.testing.interposed import CallsBack as Passing


class ReturnsInAnyOrder(MemoryCache):
    async def read(self, keys, /, *, since):
        return await super().read(sorted(keys), since=since)


class LosesEmptyValues(MemoryCache):
    async def read(self, keys, /, *, since):
        found = await super().read(keys, since=since)
        return found._replace(values=[value or None for value in found.values])


class IgnoresTtl(MemoryCache):
    async def put(self, entries, /, *, ttl):
        await super().put(entries, ttl=3600.0)


class PutKeepsTheLease(MemoryCache):
    async def put(self, entries, /, *, ttl):
        kept = dict(self._leases)
        await super().put(entries, ttl=ttl)
        self._leases.update(kept)


class FillsWithoutALease(MemoryCache):
    async def fill(self, key, token, value, /, *, ttl):
        await super().put({key: value}, ttl=ttl)
        return True


class LeaseOutlivesItsFill(MemoryCache):
    async def fill(self, key, token, value, /, *, ttl):
        held = self._leases.get(key)
        stored = await super().fill(key, token, value, ttl=ttl)
        if stored and held:
            self._leases[key] = held
        return stored


class GrantsEveryone(MemoryCache):
    async def acquire(self, key, token, /, *, epoch, floor, lease, seen):
        self._leases.pop(key, None)
        return await super().acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen)


class LeasesNeverEnd(MemoryCache):
    async def acquire(self, key, token, /, *, epoch, floor, lease, seen):
        return await super().acquire(key, token, epoch=epoch, floor=floor, lease=3600.0, seen=seen)


class NeverLooksAgain(MemoryCache):
    """Grants although the entry was filled since the caller looked."""

    async def acquire(self, key, token, /, *, epoch, floor, lease, seen):
        current = self._live(key)
        head = current[:32] if current is not None else seen
        return await super().acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=head)


class AlwaysAHit(MemoryCache):
    """Hands back what the caller has seen and found unfit."""

    async def acquire(self, key, token, /, *, epoch, floor, lease, seen):
        return await super().acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=b"\0never")


class RespectsOldLeases(MemoryCache):
    """Ignores the floor: callers wait for a computation that was invalidated."""

    async def acquire(self, key, token, /, *, epoch, floor, lease, seen):
        return await super().acquire(key, token, epoch=epoch, floor=0, lease=lease, seen=seen)


class HoldRevives(MemoryCache):
    async def hold(self, key, token, /, *, lease):
        await super().acquire(key, token, epoch=0, floor=0, lease=lease or 0.001, seen=b"")
        return True


class HoldDoesNothing(MemoryCache):
    async def hold(self, key, token, /, *, lease):
        return self._held(key, token) is not None


class EpochStandsStill(MemoryCache):
    async def bump(self, scopes, /):
        before = self._epoch
        await super().bump(scopes)
        self._log = dict.fromkeys(self._log, before)
        self._epoch = before
        return before


class ForgetsTheLog(MemoryCache):
    async def read(self, keys, /, *, since):
        found = await super().read(keys, since=since)
        return Reading(found.values, found.epoch, [])


class AlwaysTheWholeLog(MemoryCache):
    async def read(self, keys, /, *, since):
        return await super().read(keys, since=0)


class SwapsNeighbours(MemoryCache):
    """What a desynchronised connection does: one caller gets another's reply."""

    _last = None

    async def read(self, keys, /, *, since):
        found = await super().read(keys, since=since)
        mine, self._last = self._last or found, found
        return mine if len(mine.values) == len(found.values) else found


class BreaksOnBraces(MemoryCache):
    async def put(self, entries, /, *, ttl):
        await super().put({key.replace("}", ""): value for key, value in entries.items()}, ttl=ttl)


class TellsNothingOfTheHolder(MemoryCache):
    async def acquire(self, key, token, /, *, epoch, floor, lease, seen):
        answer = await super().acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen)
        return Busy("", 0.0) if isinstance(answer, Busy) else answer


class KeysShareOneLease(MemoryCache):
    async def acquire(self, key, token, /, *, epoch, floor, lease, seen):
        if any(held.token != token for held in self._leases.values()):
            return Busy("somebody", 1.0)
        self._leases.pop(key, None)
        return await super().acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen)


class CallsBack(MemoryCache):
    """Sound, and a `Prompt`. What is broken of these is broken for those who are called back only."""

    def __init__(self, *, clock):
        super().__init__(clock=clock)
        self._there = Passing(self)

    async def look(self, key, /):
        return await self._there.look(key)

    def acquire_then(self, claim, then, /):
        self._there.acquire_then(claim, then)

    def fill_then(self, key, token, value, then, /, *, ttl):
        self._there.fill_then(key, token, value, then, ttl=ttl)


class CallsBackBeforeItReturns(CallsBack):
    def acquire_then(self, claim, then, /):
        then(Granted())


class GrantsWhoIsCalledBack(CallsBack):
    def acquire_then(self, claim, then, /):
        super().acquire_then(claim, lambda _answer: then(Granted()))


class StoresUnderAnyToken(CallsBack):
    def fill_then(self, key, token, value, then, /, *, ttl):
        held = self._held_by(key)
        super().fill_then(key, held or token, value, then, ttl=ttl)

    def _held_by(self, key):
        return self._leases[key].token if key in self._leases else None


BROKEN = [
    cls
    for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, MemoryCache) and cls not in (MemoryCache, CallsBack)
]
CHECKS = [name for name in dir(CacheBackendSuite) if name.startswith("test_")]


def caught_by(kind: type[MemoryCache]) -> list[str]:
    class Suite(CacheBackendSuite):
        @asynccontextmanager
        async def open(self):
            self.clock = ManualClock()
            yield kind(clock=self.clock)

        async def wait(self, seconds):
            self.clock.advance(seconds)

    caught = []
    for name in CHECKS:
        try:
            getattr(Suite(), name)()
        except (AssertionError, BaseExceptionGroup):
            caught.append(name)
    return caught


def test_there_are_at_least_twelve_kinds_of_broken():
    assert len(BROKEN) >= 12


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_backend_is_caught(kind):
    assert caught_by(kind)


@pytest.mark.parametrize("kind", [MemoryCache, CallsBack])
def test_a_sound_backend_is_not(kind):
    assert caught_by(kind) == []


GLUE = """
from contextlib import asynccontextmanager
import pytest
pytest.register_assert_rewrite("backstay.testing.cache")
from backstay.cache import MemoryCache
from backstay.testing.cache import CacheBackendSuite
from backstay.testing.interposed import CallsBack as Passing

class TestMine(CacheBackendSuite):
    @asynccontextmanager
    async def open(self):
        yield MemoryCache()
"""

SETTINGS = {
    "asyncio-strict": ["-o", "asyncio_mode=strict"],
    "asyncio-auto": ["-o", "asyncio_mode=auto"],
    "no-asyncio-plugin": ["-p", "no:asyncio"],
    "no-anyio-plugin": ["-p", "no:anyio"],
}

# The tests may run on a checkout that is not installed, by a relative path.
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))}


@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS)
def test_a_third_party_runs_it_with_a_few_lines(options, tmp_path):
    assert len(GLUE.strip().splitlines()) <= 15
    (tmp_path / "test_mine.py").write_text(GLUE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *options, "."],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(CHECKS)} passed" in run.stdout


def test_a_third_party_is_shown_what_differs(tmp_path):
    broken = GLUE.replace("yield MemoryCache()", "yield Broken()").replace(
        "class TestMine",
        "class Broken(MemoryCache):\n    async def put(self, entries, /, *, ttl):\n        pass\n\nclass TestMine",
    )
    (tmp_path / "test_mine.py").write_text(broken)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "assert [None, None, None] == [b''" in run.stdout
