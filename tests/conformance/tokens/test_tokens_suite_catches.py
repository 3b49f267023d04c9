"""The suite is worth something: stores that break one promise each are caught, and third parties can run it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from backstay.clock import ManualClock
from backstay.testing.tokens import TokenStoreSuite
from backstay.tokens.memory import MemoryTokenStore
from backstay.tokens.sessions import Batch, Outcome


class RotatesBranches(MemoryTokenStore):
    """Every racer gets a successor of its own: the grace of most servers."""

    async def rotate(self, family, generation, /, **options):
        if family in self._rows and generation == self._rows[family].generation - 1:
            generation += 1
        return await super().rotate(family, generation, **options)


class NoGrace(MemoryTokenStore):
    """The strict rule of most tutorials: a second tab is a thief."""

    async def rotate(self, family, generation, /, **options):
        return await super().rotate(family, generation, **{**options, "grace": -1.0})


class GraceReachesGrandparents(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        row = self._rows.get(family)
        if row and generation < row.generation:
            generation = row.generation - 1
        return await super().rotate(family, generation, **options)


class GraceSlides(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        answer = await super().rotate(family, generation, **options)
        if answer.outcome is Outcome.REPLAYED:
            self._rows[family].rotated = self._now()
        return answer


class GraceNeverEnds(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        return await super().rotate(family, generation, **{**options, "grace": 3600.0})


class GraceRevives(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        row = self._rows.get(family)
        if row and generation >= row.generation - 1:
            row.revoked = False
        return await super().rotate(family, generation, **options)


class ReadsThenWrites(MemoryTokenStore):
    """Not atomic: two racers may both read before either writes."""

    async def rotate(self, family, generation, /, **options):
        row = self._rows.get(family)
        fits = row and generation == row.generation and not row.revoked
        await anyio.lowlevel.checkpoint()
        if fits and options["client_id"] == row.new.client_id and self._now() < row.idle_end:
            row.generation = generation + 1
            return self._rotation(row, Outcome.ROTATED)
        return await super().rotate(family, generation, **options)


class ReuseIsForgiven(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        answer = await super().rotate(family, generation, **options)
        if answer.outcome is Outcome.REUSED:
            self._rows[family].revoked = False
        return answer


class ReuseIsNotLogged(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        written, log = self._written, list(self._log)
        answer = await super().rotate(family, generation, **options)
        if answer.outcome is Outcome.REUSED:
            self._written, self._log = written, type(self._log)(log)
        return answer


class NoWayForward(MemoryTokenStore):
    """A failover that lost a write logs people out."""

    async def rotate(self, family, generation, /, **options):
        row = self._rows.get(family)
        if row and generation > row.generation:
            return self._rotation(row, Outcome.REUSED)
        return await super().rotate(family, generation, **options)


class AnyClientWillDo(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        row = self._rows.get(family)
        client = row.new.client_id if row else ""
        return await super().rotate(family, generation, **{**options, "client_id": client})


class AnyKeyWillDo(MemoryTokenStore):
    async def rotate(self, family, generation, /, **options):
        row = self._rows.get(family)
        return await super().rotate(family, generation, **{**options, "jkt": row.new.jkt if row else ""})


class IdleForEver(MemoryTokenStore):
    async def open_session(self, session, /):
        return await super().open_session(replace(session, idle=session.absolute))


class NoAbsoluteEnd(MemoryTokenStore):
    async def open_session(self, session, /):
        return await super().open_session(replace(session, absolute=1e6))


class EpochStandsStill(MemoryTokenStore):
    async def end_user(self, user, /, *, keep=None):
        count = await super().end_user(user, keep=keep)
        self._epochs.pop(user)
        return count


class KeepsNobody(MemoryTokenStore):
    async def end_user(self, user, /, *, keep=None):
        return await super().end_user(user)


class EndsStrangersSessions(MemoryTokenStore):
    async def end_session(self, family, /, *, user=None, client_id=None):
        return await super().end_session(family)


class OldestFirst(MemoryTokenStore):
    async def sessions(self, user, /):
        return list(reversed(await super().sessions(user)))


class LogLosesTheFirst(MemoryTokenStore):
    async def read(self, cursor, /, *, wait=0.0):
        batch = await super().read(cursor, wait=wait)
        return Batch(entries=batch.entries[1:], cursor=batch.cursor)


class LogMissesWhatComesMeanwhile(MemoryTokenStore):
    async def read(self, cursor, /, *, wait=0.0):
        batch = await super().read(cursor, wait=wait)
        return Batch(entries=(), cursor=batch.cursor) if wait else batch


class DeniesForEver(MemoryTokenStore):
    async def deny(self, token_id, /, *, expires_at):
        await super().deny(token_id, expires_at=expires_at + 1e6)


class EveryUseIsTheFirst(MemoryTokenStore):
    async def first_use(self, key, /, *, ttl):
        await super().first_use(key, ttl=ttl)
        return True


class OnceIsForEver(MemoryTokenStore):
    async def first_use(self, key, /, *, ttl):
        return await super().first_use(key, ttl=1e6)


class OpaqueNeverExpires(MemoryTokenStore):
    async def save(self, digest, claims, /, *, ttl):
        await super().save(digest, claims, ttl=1e6)


class OpaqueStays(MemoryTokenStore):
    async def remove(self, digest, /):
        return digest in self._opaque


BROKEN = [each for each in MemoryTokenStore.__subclasses__() if each.__module__ == __name__]
CHECKS = [name for name in dir(TokenStoreSuite) if name.startswith("test_")]


def caught_by(kind: type[MemoryTokenStore]) -> list[str]:
    """The checks that a store of this kind fails."""

    class Suite(TokenStoreSuite):
        @asynccontextmanager
        async def open(self):
            self.clock = ManualClock()
            yield kind(clock=self.clock)

        async def wait(self, seconds):
            self.clock.advance(seconds)

        def now(self):
            return self.clock.now().timestamp()

    caught = []
    for name in CHECKS:
        try:
            getattr(Suite(), name)()
        except (AssertionError, TimeoutError, BaseExceptionGroup):
            caught.append(name)
    return caught


def test_there_are_at_least_twenty_kinds_of_broken():
    assert len(BROKEN) >= 20


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_store_is_caught(kind):
    assert caught_by(kind)


def test_a_sound_store_is_not():
    assert caught_by(MemoryTokenStore) == []


GLUE = """
from contextlib import asynccontextmanager
import pytest
pytest.register_assert_rewrite("backstay.testing.tokens")
from backstay.testing.tokens import TokenStoreSuite
from backstay.tokens import MemoryTokenStore

class TestMine(TokenStoreSuite):
    @asynccontextmanager
    async def open(self):
        yield MemoryTokenStore()
"""

# The tests may run on a checkout that is not installed, by a relative path.
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))}


def test_a_third_party_runs_it_with_a_few_lines(tmp_path):
    assert len(GLUE.strip().splitlines()) <= 15
    (tmp_path / "test_mine.py").write_text(GLUE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(CHECKS)} passed" in run.stdout
