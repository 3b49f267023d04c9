"""The conformance suite of `CacheBackend`, for a backend of yours.

::

    from contextlib import asynccontextmanager
    from backstay.testing.cache import CacheBackendSuite

    class TestMine(CacheBackendSuite):
        @asynccontextmanager
        async def open(self):
            yield MyBackend()

Every test is a plain function that runs an event loop of its own: the suite needs no plugin, and works beside any.
Call ``pytest.register_assert_rewrite("backstay.testing.cache")`` before the import to have failures explained.
"""

# ruff: noqa: S101 - to assert is what a suite is for

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import anyio

from backstay.cache import Busy, CacheBackend, Granted, Hit, Prompt
from backstay.cache.scopes import FLOOR, ScopeLog, pattern_scope, tag_scope

from .interposed import Awaited

HOSTILE_KEYS = (
    "}", "{", "{}", "{a}b", "a}b", "a}l", "}l", "{log}", "{log}z", ":", "*", "?", "[a]", "\\", "%", " ", "\n",
    "\r\n", "\0", "\x1b[31m", "ключ", "🔑", "\ud800", "k" * 1000,
)  # fmt: skip
"""Keys that break out of a badly built name."""

ALL_BYTES = bytes(range(256)) * 4
LONG = 30.0


class CacheBackendSuite:
    """What every `CacheBackend` keeps. Subclass it and say how to open yours."""

    backends: ClassVar[tuple[str, ...]] = ("asyncio",)
    """The event loops to run on: ``asyncio``, ``trio`` or both."""
    tick: ClassVar[float] = 0.05
    """A short lifetime, in seconds, that the store keeps faithfully."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[CacheBackend]:
        """A new, empty backend, for one test."""

    async def wait(self, seconds: float) -> None:
        """Let that much time pass for the store. A ManualClock is advanced; a real server is waited for."""
        await anyio.sleep(seconds)

    def _run(self, check: Callable[[CacheBackend], Awaitable[None]]) -> None:
        async def opened() -> None:
            async with self.open() as backend:
                await check(backend)
            if isinstance(backend, Prompt):  # what it calls back with is no different
                async with self.open() as another:
                    await another.read((), since=0)  # to have a connection, which it does not wait for then
                    await check(Awaited(another))

        for backend in self.backends:
            anyio.run(opened, backend=backend)

    def test_nothing_is_stored_at_first(self) -> None:
        """None per key, in order, and a log without news for who knows it."""

        async def check(backend: CacheBackend) -> None:
            reading = await backend.read(["a", "b"], since=0)
            assert list(reading.values) == [None, None]
            again = await backend.read([], since=reading.epoch)
            assert (list(again.values), again.epoch, list(again.records)) == ([], reading.epoch, [])

        self._run(check)

    def test_what_was_put_is_read_in_the_order_asked(self) -> None:
        """Values are bytes, all of them, also none."""

        async def check(backend: CacheBackend) -> None:
            await backend.put({"a": ALL_BYTES, "b": b""}, ttl=LONG)
            reading = await backend.read(["b", "missing", "a"], since=0)
            assert list(reading.values) == [b"", None, ALL_BYTES]

        self._run(check)

    def test_hostile_keys_are_only_keys(self) -> None:
        """Each is stored, leased and removed apart from all others."""

        async def check(backend: CacheBackend) -> None:
            values = {key: f"value {place}".encode() for place, key in enumerate(HOSTILE_KEYS)}
            await backend.put(dict(values), ttl=LONG)
            for key in HOSTILE_KEYS:
                assert await _acquire(backend, key, "t", seen=values[key][:32]) == Granted(), repr(key)
            assert list((await backend.read(HOSTILE_KEYS, since=0)).values) == list(values.values())
            for place, key in enumerate(HOSTILE_KEYS):
                await backend.put({key: None}, ttl=0.0)
                left = (await backend.read(HOSTILE_KEYS, since=0)).values
                assert [value is None for value in left] == [other <= place for other in range(len(HOSTILE_KEYS))]

        self._run(check)

    def test_a_value_is_gone_when_its_ttl_is_over(self) -> None:
        """Put and fill both count from when they were asked."""

        async def check(backend: CacheBackend) -> None:
            await backend.put({"a": b"1", "long": b"2"}, ttl=self.tick)
            await backend.put({"long": b"3"}, ttl=LONG)
            await _acquire(backend, "filled", "t")
            assert await backend.fill("filled", "t", b"4", ttl=self.tick)
            await self.wait(self.tick * 1.5)
            assert list((await backend.read(["a", "long", "filled"], since=0)).values) == [None, b"3", None]

        self._run(check)

    def test_removing_what_is_not_there_is_no_error(self) -> None:
        """And what is there is removed beside it."""

        async def check(backend: CacheBackend) -> None:
            await backend.put({"a": b"1"}, ttl=LONG)
            await backend.put({"a": None, "missing": None}, ttl=0.0)
            assert list((await backend.read(["a"], since=0)).values) == [None]

        self._run(check)

    def test_one_caller_is_granted_the_lease_and_others_are_told_whose_it_is(self) -> None:
        """With how long it lasts."""

        async def check(backend: CacheBackend) -> None:
            assert await _acquire(backend, "k", "mine") == Granted()
            answer = await _acquire(backend, "k", "other")
            assert isinstance(answer, Busy)
            assert answer.token == "mine"  # noqa: S105 - a lease's token is no secret
            assert 0 < answer.left <= LONG
            assert await _acquire(backend, "another key", "other") == Granted()

        self._run(check)

    def test_of_many_at_once_one_is_granted(self) -> None:
        """Asking is atomic."""

        async def check(backend: CacheBackend) -> None:
            answers: list[object] = []

            async def ask(token: str) -> None:
                answers.append(await _acquire(backend, "k", token))

            async with anyio.create_task_group() as group:
                for place in range(50):
                    group.start_soon(ask, f"t{place}")
            assert sum(answer == Granted() for answer in answers) == 1

        self._run(check)

    def test_a_lease_ends_by_itself(self) -> None:
        """And then a late fill is refused, whether or not somebody else took over."""

        async def check(backend: CacheBackend) -> None:
            await _acquire(backend, "k", "dead", lease=self.tick)
            await self.wait(self.tick * 1.5)
            assert not await backend.fill("k", "dead", b"late", ttl=LONG)
            assert await _acquire(backend, "k", "next") == Granted()
            assert not await backend.fill("k", "dead", b"late", ttl=LONG)
            assert await backend.fill("k", "next", b"new", ttl=LONG)
            assert list((await backend.read(["k"], since=0)).values) == [b"new"]

        self._run(check)

    def test_an_entry_that_was_not_seen_is_a_hit(self) -> None:
        """Filled since the caller looked: never computed twice. Seen and unfit: granted."""

        async def check(backend: CacheBackend) -> None:
            value = b"h" * 32 + b"tail"
            await backend.put({"k": value}, ttl=LONG)
            assert await _acquire(backend, "k", "t") == Hit(value)
            assert await _acquire(backend, "k", "t", seen=b"x" * 32) == Hit(value)
            assert await _acquire(backend, "k", "t", seen=value[:32]) == Granted()

        self._run(check)

    def test_a_fill_stores_once_and_ends_the_lease(self) -> None:
        """The second fill with the token is refused, and the next caller finds the value."""

        async def check(backend: CacheBackend) -> None:
            await _acquire(backend, "k", "t")
            assert await backend.fill("k", "t", b"value", ttl=LONG)
            assert not await backend.fill("k", "t", b"again", ttl=LONG)
            assert await _acquire(backend, "k", "u") == Hit(b"value")

        self._run(check)

    def test_only_the_leases_token_may_fill(self) -> None:
        """A fill without a lease, or with another's, changes nothing."""

        async def check(backend: CacheBackend) -> None:
            assert not await backend.fill("k", "nobody", b"x", ttl=LONG)
            await _acquire(backend, "k", "mine")
            assert not await backend.fill("k", "other", b"x", ttl=LONG)
            assert list((await backend.read(["k"], since=0)).values) == [None]
            assert await backend.fill("k", "mine", b"y", ttl=LONG)

        self._run(check)

    def test_a_put_voids_the_lease(self) -> None:
        """A computation that began before a set or an invalidation never stores after it."""

        async def check(backend: CacheBackend) -> None:
            for value in (b"newer", None):
                await _acquire(backend, "k", "old", seen=b"")
                await backend.put({"k": value}, ttl=LONG)
                assert not await backend.fill("k", "old", b"older", ttl=LONG)
                assert list((await backend.read(["k"], since=0)).values) == [value]
                await backend.put({"k": None}, ttl=0.0)

        self._run(check)

    def test_the_same_key_can_be_leased_anew_after_it_was_voided(self) -> None:
        """And the old holder stays out: a token belongs to one acquisition."""

        async def check(backend: CacheBackend) -> None:
            await _acquire(backend, "k", "old")
            await backend.put({"k": None}, ttl=0.0)
            assert await _acquire(backend, "k", "new") == Granted()
            assert not await backend.fill("k", "old", b"older", ttl=LONG)
            assert await backend.fill("k", "new", b"newer", ttl=LONG)

        self._run(check)

    def test_a_lease_from_before_an_invalidation_is_taken_over(self) -> None:
        """Its epoch is below the floor; one that began at the floor is respected."""

        async def check(backend: CacheBackend) -> None:
            before = (await backend.read([], since=0)).epoch
            await _acquire(backend, "k", "old", epoch=before)
            floor = await backend.bump([pattern_scope("*")])
            assert await _acquire(backend, "k", "new", epoch=floor, floor=floor) == Granted()
            assert not await backend.fill("k", "old", b"older", ttl=LONG)
            assert isinstance(await _acquire(backend, "k", "third", epoch=floor, floor=floor), Busy)

        self._run(check)

    def test_holding_renews_a_lease(self) -> None:
        """It lasts from then on."""

        async def check(backend: CacheBackend) -> None:
            await _acquire(backend, "k", "t", lease=self.tick)
            assert await backend.hold("k", "t", lease=LONG)
            await self.wait(self.tick * 1.5)
            assert await backend.fill("k", "t", b"v", ttl=LONG)

        self._run(check)

    def test_holding_for_no_time_ends_a_lease(self) -> None:
        """The next caller is granted it at once."""

        async def check(backend: CacheBackend) -> None:
            await _acquire(backend, "k", "t")
            assert await backend.hold("k", "t", lease=0.0)
            assert await _acquire(backend, "k", "u") == Granted()

        self._run(check)

    def test_a_lease_that_was_voided_never_comes_back(self) -> None:
        """Holding it says so and changes nothing; nor can another's be held or ended."""

        async def check(backend: CacheBackend) -> None:
            await _acquire(backend, "k", "t")
            await backend.put({"k": None}, ttl=0.0)
            assert not await backend.hold("k", "t", lease=LONG)
            assert not await backend.fill("k", "t", b"v", ttl=LONG)
            await _acquire(backend, "k", "u")
            assert not await backend.hold("k", "t", lease=0.0)
            assert await backend.fill("k", "u", b"v", ttl=LONG)

        self._run(check)

    def test_epochs_only_grow(self) -> None:
        """Each bump is newer than every epoch given out before."""

        async def check(backend: CacheBackend) -> None:
            seen = (await backend.read([], since=0)).epoch
            for place in range(20):
                epoch = await backend.bump([tag_scope(f"t{place % 3}")])
                assert epoch > seen
                seen = (await backend.read([], since=0)).epoch
                assert seen == epoch

        self._run(check)

    def test_a_bump_reaches_every_read_that_starts_later(self) -> None:
        """A replica that applies what reads bring knows each scope at its epoch, and only what is new comes."""

        async def check(backend: CacheBackend) -> None:
            start = await backend.read([], since=0)
            first = await backend.bump([pattern_scope("prices:*")])
            second = await backend.bump([tag_scope("daily"), tag_scope("hostile\n{}*")])
            reading = await backend.read([], since=start.epoch)
            log = ScopeLog()
            log.apply(reading.epoch, reading.records)
            assert log.newest("prices:AAPL", (), start.epoch) == first
            assert log.newest("users:1", ("daily",), start.epoch) == second
            assert log.newest("users:1", ("hostile\n{}*",), start.epoch) == second
            assert log.newest("users:1", (), start.epoch) == 0
            later = await backend.read([], since=first)
            assert {scope for scope, _ in later.records} == {tag_scope("daily"), tag_scope("hostile\n{}*")}

        self._run(check)

    def test_repeating_an_invalidation_moves_its_record(self) -> None:
        """One record per scope, at the newest epoch."""

        async def check(backend: CacheBackend) -> None:
            await backend.bump([tag_scope("t")])
            known = (await backend.read([], since=0)).epoch
            again = await backend.bump([tag_scope("t")])
            assert list((await backend.read([], since=known)).records) == [(tag_scope("t"), again)]

        self._run(check)

    def test_the_floor_is_a_scope_like_any(self) -> None:
        """Everything that began before it is dead."""

        async def check(backend: CacheBackend) -> None:
            known = (await backend.read([], since=0)).epoch
            epoch = await backend.bump([FLOOR])
            reading = await backend.read([], since=known)
            log = ScopeLog()
            log.apply(reading.epoch, reading.records)
            assert log.newest("any", (), known) == epoch

        self._run(check)

    def test_who_knows_more_than_the_store_is_told_to_doubt_everything(self) -> None:
        """The log was lost or went back: a floor, newer than what was known."""

        async def check(backend: CacheBackend) -> None:
            future = (await backend.read([], since=0)).epoch + 10_000_000
            reading = await backend.read([], since=future)
            log = ScopeLog()
            log.apply(reading.epoch, reading.records)
            assert reading.epoch > future
            assert log.newest("any", (), future) > future

        self._run(check)

    def test_a_cancelled_caller_disturbs_no_other(self) -> None:
        """Of many reads under way, some are cancelled; the others get their own values."""

        async def check(backend: CacheBackend) -> None:
            values: dict[str, bytes | None] = {f"k{place}": f"v{place}".encode() for place in range(40)}
            await backend.put(values, ttl=LONG)
            got: dict[str, bytes | None] = {}

            async def read(key: str) -> None:
                got[key] = (await backend.read([key], since=0)).values[0]

            for _ in range(5):
                async with anyio.create_task_group() as group:
                    with anyio.CancelScope() as doomed:
                        async with anyio.create_task_group() as others:
                            for place in range(20):
                                others.start_soon(read, f"k{place}")
                            doomed.cancel()
                    for place in range(20, 40):
                        group.start_soon(read, f"k{place}")
            assert all(values[key] == value for key, value in got.items())
            assert {f"k{place}" for place in range(20, 40)} <= set(got)

        self._run(check)

    def test_leases_of_hostile_keys_are_leases_of_their_own(self) -> None:
        """A lease on one key says nothing about another, and a fill lands under its own."""

        async def check(backend: CacheBackend) -> None:
            for place, key in enumerate(HOSTILE_KEYS):
                answer = await backend.acquire(key, f"t-{place}", epoch=0, floor=0, lease=LONG, seen=b"")
                assert answer == Granted(), key
            for place, key in enumerate(HOSTILE_KEYS):
                assert await backend.fill(key, f"t-{place}", b"%d" % place, ttl=LONG), key
            values = (await backend.read(HOSTILE_KEYS, since=0)).values
            assert list(values) == [b"%d" % place for place in range(len(HOSTILE_KEYS))]

        self._run(check)

    def test_a_fill_keeps_every_byte_and_its_ttl(self) -> None:
        """What was filled is as good as what was put."""

        async def check(backend: CacheBackend) -> None:
            for key, value, ttl in (("a", ALL_BYTES, LONG), ("b", b"", LONG), ("c", b"c", self.tick)):
                await backend.acquire(key, "t", epoch=0, floor=0, lease=LONG, seen=b"")
                assert await backend.fill(key, "t", value, ttl=ttl)
            await self.wait(self.tick * 2)
            assert list((await backend.read(["a", "b", "c"], since=0)).values) == [ALL_BYTES, b"", None]

        self._run(check)

    def test_what_was_seen_is_told_by_its_first_32_bytes(self) -> None:
        """No more and no fewer; a short value is its own head, and stays until it is replaced."""

        async def check(backend: CacheBackend) -> None:
            await backend.put({"a": ALL_BYTES, "b": b"short"}, ttl=LONG)
            for seen in (b"", ALL_BYTES[:31], ALL_BYTES[:33], b"x" * 32):
                assert await backend.acquire("a", "t", epoch=0, floor=0, lease=LONG, seen=seen) == Hit(ALL_BYTES)
            assert not await backend.hold("a", "t", lease=LONG)
            for key, seen in (("a", ALL_BYTES[:32]), ("b", b"short")):
                assert await backend.acquire(key, "t", epoch=0, floor=0, lease=LONG, seen=seen) == Granted()
            assert list((await backend.read(["a", "b"], since=0)).values) == [ALL_BYTES, b"short"]

        self._run(check)

    def test_whose_lease_was_taken_over_can_do_nothing_more(self) -> None:
        """Neither fill, nor renew, nor end it; and one microsecond is told from the next."""

        async def check(backend: CacheBackend) -> None:
            epoch = await backend.bump([tag_scope("a")])
            await backend.acquire("a", "old", epoch=epoch, floor=0, lease=LONG, seen=b"")
            answer = await backend.acquire("a", "new", epoch=epoch, floor=epoch, lease=LONG, seen=b"")
            assert isinstance(answer, Busy)
            assert await backend.hold("a", "old", lease=LONG)  # renewing makes it no younger
            answer = await backend.acquire("a", "new", epoch=epoch + 1, floor=epoch + 1, lease=LONG, seen=b"")
            assert answer == Granted()
            assert not await backend.hold("a", "old", lease=LONG)
            assert not await backend.hold("a", "old", lease=0)
            assert not await backend.fill("a", "old", b"old", ttl=LONG)
            assert await backend.fill("a", "new", b"new", ttl=LONG)

        self._run(check)

    def test_a_lease_can_be_made_shorter(self) -> None:
        """It lasts from the renewal on, whatever it was before."""

        async def check(backend: CacheBackend) -> None:
            await backend.acquire("a", "t", epoch=0, floor=0, lease=LONG, seen=b"")
            assert await backend.hold("a", "t", lease=self.tick)
            await self.wait(self.tick * 2)
            assert await backend.acquire("a", "u", epoch=0, floor=0, lease=LONG, seen=b"") == Granted()

        self._run(check)

    def test_a_thousand_keys_are_read_whole_and_in_order(self) -> None:
        """Also where a key is asked for twice, and by readers that ask at the same time."""

        async def check(backend: CacheBackend) -> None:
            keys = [f"k{place}" for place in range(1000)]
            await backend.put({key: key.encode() for key in keys}, ttl=LONG)
            found: dict[int, list[bytes | None]] = {}

            async def read(start: int) -> None:
                wanted = [*keys[start : start + 500], keys[start], "absent"]
                found[start] = list((await backend.read(wanted, since=0)).values)

            async with anyio.create_task_group() as group:
                for start in (0, 250, 500):
                    group.start_soon(read, start)
            for start, values in found.items():
                assert values == [key.encode() for key in (*keys[start : start + 500], keys[start])] + [None]

        self._run(check)

    def test_hostile_scopes_come_back_letter_by_letter(self) -> None:
        """Each once, at its epoch, to whoever does not know them and to nobody else."""

        async def check(backend: CacheBackend) -> None:
            before = (await backend.read([], since=0)).epoch
            scopes = [f"t{key}"[:256] for key in HOSTILE_KEYS]
            epoch = await backend.bump(scopes)
            records = [record for record in (await backend.read([], since=before)).records if record[0] != FLOOR]
            assert sorted(records) == sorted((scope, epoch) for scope in scopes)
            assert list((await backend.read([], since=epoch)).records) == []

        self._run(check)

    def test_a_bump_touches_neither_entries_nor_leases(self) -> None:
        """Readers compare: that is what makes it cost the same for any number of keys."""

        async def check(backend: CacheBackend) -> None:
            await backend.put({"a": b"1"}, ttl=LONG)
            await backend.acquire("b", "t", epoch=0, floor=0, lease=LONG, seen=b"")
            await backend.bump([pattern_scope("*"), FLOOR])
            assert list((await backend.read(["a"], since=0)).values) == [b"1"]
            assert await backend.fill("b", "t", b"2", ttl=LONG)

        self._run(check)

    def test_no_record_is_forgotten_in_silence(self) -> None:
        """After very many scopes, each one's record is still delivered, or lies at or below the floor."""

        async def check(backend: CacheBackend) -> None:
            epochs: dict[str, int] = {}
            for start in range(0, 10_000, 500):
                scopes = [tag_scope(f"{place}") for place in range(start, start + 500)]
                epochs |= dict.fromkeys(scopes, await backend.bump(scopes))
            records = dict((await backend.read([], since=0)).records)
            floor = records.get(FLOOR, 0)
            assert not [scope for scope, epoch in epochs.items() if max(records.get(scope, 0), floor) < epoch]

        self._run(check)


async def _acquire(
    backend: CacheBackend,
    key: str,
    token: str,
    *,
    epoch: int = 0,
    floor: int = 0,
    lease: float = LONG,
    seen: bytes = b"",
) -> object:
    return await backend.acquire(key, token, epoch=epoch, floor=floor, lease=lease, seen=seen)
