"""A backend that is held up by events, so that a test decides what happens meanwhile."""

# ruff: noqa: ASYNC110 - what is waited for is a count, which nobody signals

from __future__ import annotations

import asyncio

from backstay.errors import CacheUnavailable
from backstay.testing.interposed import Interposed


class Gated(Interposed):
    """Notes what it is asked, and answers what was not let pass only when told to. Ending a lease is ``end``."""

    def __init__(self, inner):
        super().__init__(inner)
        self.asked = []
        self.gates = {}
        self.lost = set()
        """Answers that get lost: the next one of each."""

    def shut(self, what):
        self.gates[what] = asyncio.Event()

    def let_pass(self, what):
        self.gates.pop(what).set()

    async def acquire(self, key, token, /, **options):
        return await self._answer("acquire", super().acquire(key, token, **options))

    async def fill(self, key, token, value, /, *, ttl):
        return await self._answer("fill", super().fill(key, token, value, ttl=ttl))

    async def hold(self, key, token, /, *, lease):
        return await self._answer("hold" if lease else "end", super().hold(key, token, lease=lease))

    async def _answer(self, what, doing):
        self.asked.append(what)
        answer = await doing
        if what in self.gates:
            await self.gates[what].wait()
        if what in self.lost:
            self.lost.remove(what)
            raise CacheUnavailable("lost")
        return answer

    async def until(self, what, count=1):
        """Until it was asked that often."""
        async with asyncio.timeout(10):
            while self.asked.count(what) < count:
                await asyncio.sleep(0)


async def turns(count=5):
    """Let everybody who can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)
