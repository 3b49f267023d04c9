"""The conformance suite of throttle stores, for ours and for anybody's.

::

    class TestMine(ThrottleStoreSuite):
        @asynccontextmanager
        async def open(self):
            async with my_store() as store:
                yield store

        async def wait(self, seconds):
            await anyio.sleep(seconds)

Call ``pytest.register_assert_rewrite("backstay.testing.throttle")`` before the import to have failures explained.
"""

# ruff: noqa: S101 - to assert is what a suite is for

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import anyio

from backstay.errors import TooManyAttempts
from backstay.passwords.throttle import (
    Charge,
    Charged,
    DeviceTokens,
    Limit,
    Limits,
    StandardThrottle,
    ThrottleStore,
)
from backstay.secret import Secret


def named(kind: str = "bucket") -> str:
    """A name that no other check has: stores may be shared."""
    return f"{kind}:{secrets.token_hex(8)}"


async def count(store: ThrottleStore, limit: Limit, *buckets: str) -> Charged:
    """Count one attempt in buckets of the same limit."""
    return await store.charge([Charge(bucket=bucket, limit=limit) for bucket in buckets])


async def admitted(store: ThrottleStore, limit: Limit, bucket: str, tries: int) -> int:
    """How many of so many tries, one after the other, are let through."""
    return sum([(await count(store, limit, bucket)).admitted for _ in range(tries)])


class ThrottleStoreSuite(ABC):
    """Every promise of `ThrottleStore`, and what `StandardThrottle` makes of them."""

    second: float = 1.0
    """The unit of the durations that the checks use. Short for a store whose clock cannot be moved, but long
    enough for a few calls to fit into it."""

    addresses: int = 10_000
    """From how many an attack comes."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[ThrottleStore]:
        """A store, fresh or shared with other tests: every check has names of its own."""

    @abstractmethod
    async def wait(self, seconds: float) -> None:
        """Let the store's clock go on."""

    def _run(self, check: Callable[[ThrottleStore], Awaitable[None]]) -> None:
        async def main() -> None:
            async with self.open() as store:
                await check(store)

        anyio.run(main)

    def _limit(self, free: int = 2, *, cap: int | None = None, forgive: float | None = None) -> Limit:
        unit = self.second
        return Limit(
            free=free,
            first=unit,
            longest=4 * unit,
            cap=cap,
            forgive=None if forgive is None else forgive * unit,
            memory=8 * unit,
        )

    # ---- one bucket

    def test_free_attempts_do_not_wait_and_then_waits_double_up_to_the_longest(self) -> None:
        """Each wait is the one announced, and when it is over the next attempt is let through."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(2), named()
            assert await admitted(store, limit, bucket, 3) == 3
            for units in (1, 2, 4, 4):
                (wait,) = (await count(store, limit, bucket)).waits
                assert 0 < wait <= units * self.second + 1e-6
                assert wait > (units / 2) * self.second or units == 1
                await self.wait(wait + 0.002)
                assert (await count(store, limit, bucket)).admitted

        self._run(check)

    def test_a_refused_attempt_is_not_counted_and_lengthens_nothing(self) -> None:
        """Else an attacker keeps an owner waiting by being refused."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(1), named()
            assert await admitted(store, limit, bucket, 2) == 2
            waits = [(await count(store, limit, bucket)).waits[0] for _ in range(20)]
            assert waits == sorted(waits, reverse=True)
            await self.wait(waits[-1] + 0.002)
            assert (await count(store, limit, bucket)).admitted

        self._run(check)

    def test_at_the_cap_nothing_is_to_be_had_until_the_bucket_is_forgotten(self) -> None:
        """However long the waits were kept."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(100, cap=3), named()
            assert await admitted(store, limit, bucket, 10) == 3
            await self.wait(5 * self.second)
            (wait,) = (await count(store, limit, bucket)).waits
            assert 0 < wait <= 3 * self.second
            await self.wait(wait + 0.002)
            assert (await count(store, limit, bucket)).admitted

        self._run(check)

    def test_failures_are_forgiven_with_time_where_the_limit_says_so(self) -> None:
        """One after each of its `forgive`; and the waits are those of what is left."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(100, cap=4, forgive=1), named()
            assert 4 <= await admitted(store, limit, bucket, 20) < 20
            await self.wait(2.2 * self.second)
            assert 2 <= await admitted(store, limit, bucket, 20) < 20

        self._run(check)

    # ---- several buckets

    def test_an_attempt_is_counted_everywhere_or_nowhere(self) -> None:
        """A full bucket keeps the others from being filled."""

        async def check(store: ThrottleStore) -> None:
            limit, full, other = self._limit(100, cap=2), named(), named()
            assert await admitted(store, limit, full, 2) == 2
            for _ in range(5):
                answer = await count(store, limit, other, full)
                assert not answer.admitted
                assert answer.waits[0] == 0.0
                assert answer.waits[1] > 0.0
            assert await admitted(store, limit, other, 5) == 2

        self._run(check)

    def test_all_who_ask_at_once_get_no_more_than_one_after_the_other(self) -> None:
        """Looking and counting are one step."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(1000, cap=10), named()
            answers: list[bool] = []

            async def ask() -> None:
                answers.append((await count(store, limit, bucket, named())).admitted)

            async with anyio.create_task_group() as group:
                for _ in range(200):
                    group.start_soon(ask)
            assert (len(answers), sum(answers)) == (200, 10)

        self._run(check)

    def test_names_are_taken_as_they_are(self) -> None:
        """Whatever they contain, two names are two buckets."""

        async def check(store: ThrottleStore) -> None:
            limit, root = self._limit(100, cap=1), named()
            for odd in ("", " ", "}", "{", ":", "*", "\n", "é", "x" * 500):
                assert await admitted(store, limit, root + odd, 3) == 1

        self._run(check)

    # ---- taking back

    def test_one_attempt_is_taken_back_with_its_wait(self) -> None:
        """The count is one less, and the wait that it began is gone."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(1), named()
            await count(store, limit, bucket)
            second = await count(store, limit, bucket)
            assert not (await count(store, limit, bucket)).admitted
            await store.refund([bucket], at=second.at, whole=False)
            assert (await count(store, limit, bucket)).admitted
            assert not (await count(store, limit, bucket)).admitted

        self._run(check)

    def test_taking_back_an_earlier_attempt_leaves_the_wait_of_a_later_one(self) -> None:
        """Somebody else's failure is not forgiven with it."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(1), named()
            earlier = await count(store, limit, bucket)
            await self.wait(self.second / 10)
            await count(store, limit, bucket)
            await store.refund([bucket], at=earlier.at, whole=False)
            assert not (await count(store, limit, bucket)).admitted

        self._run(check)

    def test_the_whole_of_a_pair_is_taken_back_and_nothing_of_others(self) -> None:
        """The owner's own slips are forgiven, what strangers failed at the account is not."""

        async def check(store: ThrottleStore) -> None:
            limit = self._limit(100, cap=10)
            account, mine, theirs = named("account"), named("pair"), named("pair")
            for _ in range(4):
                await count(store, limit, theirs, account)
            for _ in range(3):
                last = await count(store, limit, mine, account)
            await store.refund([mine, account], at=last.at, whole=True)
            assert await admitted(store, limit, mine, 20) == 10
            assert await admitted(store, limit, account, 20) == 6
            assert await admitted(store, limit, theirs, 20) == 6

        self._run(check)

    def test_taking_back_what_is_not_there_makes_nothing(self) -> None:
        """No bucket of fewer than no failures, which would be a present."""

        async def check(store: ThrottleStore) -> None:
            limit, bucket = self._limit(100, cap=3), named()
            await store.refund([bucket], at=0.0, whole=True)
            await store.refund([bucket, named()], at=0.0, whole=False)
            assert await admitted(store, limit, bucket, 10) == 3
            await store.refund([bucket], at=0.0, whole=True)
            await store.refund([bucket], at=0.0, whole=False)
            assert await admitted(store, limit, bucket, 10) == 3

        self._run(check)

    def test_a_forgotten_bucket_begins_anew(self) -> None:
        """And only that one."""

        async def check(store: ThrottleStore) -> None:
            limit, gone, kept = self._limit(100, cap=2), named(), named()
            assert await admitted(store, limit, gone, 5) == 2
            assert await admitted(store, limit, kept, 5) == 2
            await store.forget([gone, named()])
            assert await admitted(store, limit, gone, 5) == 2
            assert await admitted(store, limit, kept, 5) == 0

        self._run(check)

    # ---- the throttle on top

    def test_an_attack_from_everywhere_gets_a_hundred_guesses_and_the_owner_gets_in(self) -> None:
        """With no waits to hold it up, only the cap stands between the attacker and the account."""

        async def check(store: ThrottleStore) -> None:
            user, tokens = secrets.token_hex(8), DeviceTokens(Secret(secrets.token_hex(32)))
            lenient = Limit(free=1_000_000)
            limits = Limits(pair=lenient, ip=lenient, account=Limit(free=1_000, cap=100, memory=86_400.0))
            throttle = StandardThrottle(store, devices=tokens, limits=limits)
            cookie = await throttle.succeeded(await throttle.attempt(user, "192.0.2.1"))
            verified = denied = 0
            for number in range(self.addresses):
                try:
                    await throttle.attempt(user, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
                    verified += 1
                except TooManyAttempts:
                    pass
                if number % 100 == 0:
                    try:
                        mine = await throttle.attempt(user, "192.0.2.1", device=cookie)
                        cookie = await throttle.succeeded(mine)
                    except TooManyAttempts:
                        denied += 1
            assert (verified, denied) == (100, 0)

        self._run(check)
