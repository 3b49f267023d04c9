"""Our two throttle stores under the suite that anybody can run, and broken ones that it must catch."""

from __future__ import annotations

from contextlib import asynccontextmanager

import anyio
import pytest

from backstay.clock import ManualClock
from backstay.passwords.throttle import Charged, MemoryThrottle
from backstay.passwords.throttle.redis import RedisThrottle

pytest.register_assert_rewrite("backstay.testing.throttle")

from backstay.testing.throttle import ThrottleStoreSuite  # noqa: E402


class TestMemory(ThrottleStoreSuite):
    kind = MemoryThrottle

    @pytest.fixture(autouse=True)
    def _clock(self):
        self.clock = ManualClock()

    @asynccontextmanager
    async def open(self):
        yield self.kind(clock=self.clock)

    async def wait(self, seconds):
        self.clock.advance(seconds)


@pytest.mark.redis
class TestRedis(ThrottleStoreSuite):
    second = 0.25
    addresses = 2_000

    @pytest.fixture(autouse=True)
    def _url(self, redis_url):
        self.url = redis_url

    @asynccontextmanager
    async def open(self):
        async with RedisThrottle.open(self.url, prefix="backstay-test:throttle", timeout=10.0) as store:
            try:
                yield store
            finally:
                keys = [key async for key in store._client.scan_iter(match=f"{store.prefix}*", count=1000)]
                for start in range(0, len(keys), 1000):
                    await store._client.unlink(*keys[start : start + 1000])

    async def wait(self, seconds):
        await anyio.sleep(seconds)


class CountsTheRefused(MemoryThrottle):
    async def charge(self, charges, /):
        answer = await super().charge(charges)
        if not answer.admitted:
            for charge in charges:
                entry = self._entries.get(charge.bucket)
                if entry:
                    until = entry.bucket.until + 1.0
                    self._entries[charge.bucket] = entry._replace(bucket=_changed(entry.bucket, until=until))
        return answer


class CountsSomewhere(MemoryThrottle):
    async def charge(self, charges, /):
        answers = [await super(CountsSomewhere, self).charge([charge]) for charge in charges]
        return Charged(at=answers[0].at, waits=tuple(answer.waits[0] for answer in answers))


class LooksAndThenCounts(MemoryThrottle):
    async def charge(self, charges, /):
        before = dict(self._entries)
        await anyio.lowlevel.checkpoint()
        self._entries, now = before, self._entries
        answer = await super().charge(charges)
        self._entries = now | self._entries
        return answer


class ForgetsTheCap(MemoryThrottle):
    async def charge(self, charges, /):
        from dataclasses import replace

        return await super().charge([replace(c, limit=replace(c.limit, cap=None)) for c in charges])


class ForgivesEverybody(MemoryThrottle):
    async def refund(self, buckets, /, *, at, whole):
        await (self.forget(buckets) if whole else super().refund(buckets, at=at, whole=whole))


class TakesBackOne(MemoryThrottle):
    async def refund(self, buckets, /, *, at, whole):
        await super().refund(buckets, at=at, whole=False)


class ClearsEveryWait(MemoryThrottle):
    async def refund(self, buckets, /, *, at, whole):
        await super().refund(buckets, at=at, whole=whole)
        for name in buckets:
            if name in self._entries:
                entry = self._entries[name]
                self._entries[name] = entry._replace(bucket=_changed(entry.bucket, until=0.0))


class GivesPresents(MemoryThrottle):
    def _put(self, name, entry):
        self._entries[name] = entry._replace(bucket=_changed(entry.bucket, level=entry.bucket.level - 1))


class ForgivesNothing(MemoryThrottle):
    async def charge(self, charges, /):
        from dataclasses import replace

        return await super().charge([replace(c, limit=replace(c.limit, forgive=None)) for c in charges])


def _changed(bucket, **changes):
    from dataclasses import replace

    return replace(bucket, **changes)


BROKEN = [
    CountsTheRefused,
    CountsSomewhere,
    LooksAndThenCounts,
    ForgetsTheCap,
    ForgivesEverybody,
    TakesBackOne,
    ClearsEveryWait,
    GivesPresents,
    ForgivesNothing,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_store_that_breaks_a_promise_is_caught(broken):
    caught = []
    for name in [name for name in dir(ThrottleStoreSuite) if name.startswith("test_")]:
        suite = TestMemory()
        suite.kind, suite.addresses = broken, 300
        suite.clock = ManualClock()
        try:
            getattr(suite, name)()
        except AssertionError:
            caught.append(name)
    assert caught


def test_a_suite_without_its_hooks_cannot_be_made():
    class Nothing(ThrottleStoreSuite):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()
