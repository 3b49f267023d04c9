"""The conformance suite of token stores, for ours and for anybody's.

::

    class TestMine(TokenStoreSuite):
        @asynccontextmanager
        async def open(self):
            async with my_store() as store:
                yield store

        async def wait(self, seconds):
            await anyio.sleep(seconds)
"""

# ruff: noqa: S101 - to assert is what a suite is for

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from backstay.tokens.protocol import TokenStore
from backstay.tokens.refresh import new_identifier
from backstay.tokens.sessions import Kind, NewSession, Outcome, Revocation, Rotation, TokenIds


def new_session(**changes: Any) -> NewSession:
    """A session with a family and a user of its own."""
    fields: dict[str, Any] = {
        "family": new_identifier(),
        "user": f"user-{new_identifier()}",
        "client_id": "web",
        "kid": "a",
        "idle": 60.0,
        "absolute": 3600.0,
        "device": "a telephone",
        "scope": "read write",
        "context": '{"auth_time":1}',
    }
    return NewSession(**{**fields, **changes})


async def present(
    store: TokenStore, session: NewSession, generation: int, *, grace: float = 10.0, **changes: Any
) -> Rotation:
    """Present a generation of a session."""
    options: dict[str, Any] = {"client_id": session.client_id, "jkt": session.jkt, "kid": "a", "idle": 60.0}
    return await store.rotate(session.family, generation, grace=grace, **{**options, **changes})


def ids(session: NewSession, *, epoch: int = 0, token_id: str = "none") -> TokenIds:  # noqa: S107 - a name
    """The identifiers of an access token of that session."""
    return TokenIds(token_id=token_id, session_id=session.family, user=session.user, epoch=epoch)


class TokenStoreSuite:
    """Every promise of the four Protocols. Subclass, and say how to open a store and how to let time pass."""

    # The grace that is waited for: short for a store whose clock cannot be moved.
    grace = 0.15

    def open(self) -> AbstractAsyncContextManager[TokenStore]:
        """A fresh store, or one that other tests share: every check has names of its own."""
        raise NotImplementedError

    async def wait(self, seconds: float) -> None:
        """Let the store's clock go on."""
        raise NotImplementedError

    def now(self) -> float:
        """The store's time, to within a second."""
        return time.time()

    def _run(self, check: Callable[[TokenStore], Awaitable[None]]) -> None:
        async def main() -> None:
            async with self.open() as store:
                await check(store)

        anyio.run(main)

    # ---- rotation

    def test_a_current_generation_moves_on(self) -> None:
        """And the answer has all that the next pair needs."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            opened = await store.open_session(session)
            assert opened.epoch == 0
            assert abs(opened.now - self.now()) < 5
            for generation in range(3):
                answer = await present(store, session, generation, kid="b")
                assert answer.outcome is Outcome.ROTATED
                assert answer.generation == generation + 1
                assert answer.kid == "b"
                assert (answer.user, answer.scope, answer.context) == (
                    session.user,
                    "read write",
                    session.context,
                )
                assert abs(answer.ends_at - opened.now - 3600) < 1

        self._run(check)

    def test_racers_are_all_given_one_successor(self) -> None:
        """Fifty at once: one rotates, the others are told the same."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            await store.open_session(session)
            answers: list[Rotation] = []

            async def racer(number: int) -> None:
                answers.append(await present(store, session, 0, kid=f"k{number}"))

            async with anyio.create_task_group() as group:
                for number in range(50):
                    group.start_soon(racer, number)
            assert {(answer.generation, answer.kid) for answer in answers} == {(1, answers[0].kid)}
            outcomes = [answer.outcome for answer in answers]
            assert outcomes.count(Outcome.ROTATED) == 1
            assert outcomes.count(Outcome.REPLAYED) == 49

        self._run(check)

    def test_the_window_closes_when_the_successor_is_used(self) -> None:
        """A grandparent is a reuse, inside of the grace as well."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            await store.open_session(session)
            await present(store, session, 0)
            await present(store, session, 1)
            answer = await present(store, session, 0)
            assert answer.outcome is Outcome.REUSED
            assert answer.generation == 2

        self._run(check)

    def test_after_a_reuse_the_session_is_revoked_for_everybody(self) -> None:
        """No generation revives it, and the log says so."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            await store.open_session(session)
            before = (await store.read("")).cursor
            await present(store, session, 0)
            await present(store, session, 1)
            await present(store, session, 0)
            for generation in (0, 1, 2, 3):
                assert (await present(store, session, generation)).outcome is Outcome.REVOKED
            assert await store.is_revoked(ids(session))
            entries = (await store.read(before)).entries
            assert [e for e in entries if e.id == session.family and e.kind is Kind.SESSION]
            assert await store.sessions(session.user) == []

        self._run(check)

    def test_the_grace_ends_and_does_not_slide(self) -> None:
        """Replaying within it does not extend it."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            await store.open_session(session)
            await present(store, session, 0)
            await self.wait(self.grace * 0.5)
            assert (await present(store, session, 0, grace=self.grace)).outcome is Outcome.REPLAYED
            await self.wait(self.grace * 0.7)
            assert (await present(store, session, 0, grace=self.grace)).outcome is Outcome.REUSED

        self._run(check)

    def test_without_grace_any_second_use_is_a_reuse(self) -> None:
        """A grace of zero is the strict rule."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            await store.open_session(session)
            await present(store, session, 0)
            await self.wait(0.02)
            assert (await present(store, session, 0, grace=0.0)).outcome is Outcome.REUSED

        self._run(check)

    def test_a_lost_write_is_made_good_by_the_client(self) -> None:
        """A later generation with a good MAC was minted here: the store lost a write, and goes forward."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            await store.open_session(session)
            answer = await present(store, session, 1)
            assert (answer.outcome, answer.generation) == (Outcome.ROTATED, 2)
            again = await present(store, session, 1)
            assert (again.outcome, again.generation) == (Outcome.REPLAYED, 2)
            assert (await present(store, session, 0)).outcome is Outcome.REUSED

        self._run(check)

    def test_another_client_or_key_changes_nothing(self) -> None:
        """Neither rotates, nor revokes."""

        async def check(store: TokenStore) -> None:
            session = new_session(jkt="thumb")
            await store.open_session(session)
            assert (await present(store, session, 0, client_id="app")).outcome is Outcome.WRONG_CLIENT
            assert (await present(store, session, 0, jkt="")).outcome is Outcome.WRONG_KEY
            assert (await present(store, session, 0, jkt="other")).outcome is Outcome.WRONG_KEY
            answer = await present(store, session, 0)
            assert (answer.outcome, answer.jkt) == (Outcome.ROTATED, "thumb")
            await present(store, session, 1)
            assert (await present(store, session, 0, client_id="app")).outcome is Outcome.WRONG_CLIENT
            assert (await present(store, session, 2)).outcome is Outcome.ROTATED

        self._run(check)

    def test_an_unknown_session_is_unknown(self) -> None:
        """And nothing is made of it."""

        async def check(store: TokenStore) -> None:
            session = new_session()
            assert (await present(store, session, 0)).outcome is Outcome.UNKNOWN
            assert await store.sessions(session.user) == []
            assert not await store.end_session(session.family)

        self._run(check)

    def test_an_idle_session_expires_and_a_used_one_does_not(self) -> None:
        """Each rotation starts the idle time anew, up to the absolute end."""

        async def check(store: TokenStore) -> None:
            idle, used = new_session(idle=0.3), new_session(idle=0.3)
            await store.open_session(idle)
            await store.open_session(used)
            await self.wait(0.2)
            assert (await present(store, used, 0, idle=60.0)).outcome is Outcome.ROTATED
            await self.wait(0.2)
            assert (await present(store, idle, 0)).outcome is Outcome.EXPIRED
            assert (await present(store, used, 1)).outcome is Outcome.ROTATED
            assert await store.sessions(idle.user) == []

        self._run(check)

    def test_the_absolute_end_holds_however_busy(self) -> None:
        """No rotation goes past it."""

        async def check(store: TokenStore) -> None:
            session = new_session(idle=0.25, absolute=0.4)
            await store.open_session(session)
            await self.wait(0.2)
            assert (await present(store, session, 0, idle=60.0)).outcome is Outcome.ROTATED
            await self.wait(0.25)
            outcome = (await present(store, session, 1, idle=60.0)).outcome
            assert outcome in {Outcome.EXPIRED, Outcome.UNKNOWN}

        self._run(check)

    # ---- sessions and epochs

    def test_sessions_are_listed_newest_first_and_ended_one_by_one(self) -> None:
        """By their owner only, when the owner is given."""

        async def check(store: TokenStore) -> None:
            user = f"user-{new_identifier()}"
            first, second = new_session(user=user, device="first"), new_session(user=user, device="second")
            await store.open_session(first)
            await self.wait(0.02)
            await store.open_session(second)
            assert [s.device for s in await store.sessions(user)] == ["second", "first"]
            assert not await store.end_session(first.family, user="somebody else")
            assert not await store.end_session(first.family, client_id="another client")
            assert await store.end_session(first.family, user=user, client_id="web")
            assert not await store.end_session(first.family, user=user)
            assert [s.family for s in await store.sessions(user)] == [second.family]
            assert (await present(store, first, 0)).outcome is Outcome.REVOKED
            assert await store.is_revoked(ids(first))
            assert not await store.is_revoked(ids(second))

        self._run(check)

    def test_ending_a_user_ends_every_session_and_token(self) -> None:
        """Tokens of older epochs are revoked; a new session has the new epoch."""

        async def check(store: TokenStore) -> None:
            user = f"user-{new_identifier()}"
            old = [new_session(user=user) for _ in range(3)]
            for session in old:
                await store.open_session(session)
            assert await store.end_user(user) == 3
            assert await store.end_user(user) == 0
            for session in old:
                assert (await present(store, session, 0)).outcome is Outcome.REVOKED
                assert await store.is_revoked(ids(session, epoch=0))
            fresh = new_session(user=user)
            assert (await store.open_session(fresh)).epoch == 2
            assert not await store.is_revoked(ids(fresh, epoch=2))
            assert (await present(store, fresh, 0)).epoch == 2

        self._run(check)

    def test_a_kept_session_goes_on_and_keeping_it_twice_as_well(self) -> None:
        """But keeping another afterwards does not revive one that was ended before."""

        async def check(store: TokenStore) -> None:
            user = f"user-{new_identifier()}"
            kept, other = new_session(user=user), new_session(user=user)
            await store.open_session(kept)
            await store.open_session(other)
            assert await store.end_user(user, keep=kept.family) == 1
            assert await store.end_user(user, keep=kept.family) == 0
            assert not await store.is_revoked(ids(kept, epoch=0))
            assert await store.is_revoked(ids(other, epoch=0))
            answer = await present(store, kept, 0)
            assert (answer.outcome, answer.epoch) == (Outcome.ROTATED, 2)
            await store.end_user(user, keep=other.family)
            assert await store.is_revoked(ids(kept, epoch=2))
            assert await store.is_revoked(ids(other, epoch=0))
            assert (await present(store, other, 0)).outcome is Outcome.REVOKED

        self._run(check)

    # ---- the log

    def test_the_log_is_ordered_and_resumable(self) -> None:
        """From any cursor, nothing is missed."""

        async def check(store: TokenStore) -> None:
            start = (await store.read("")).cursor
            names = [new_identifier() for _ in range(5)]
            for name in names:
                await store.deny(name, expires_at=self.now() + 60)
            batch = await store.read(start)
            assert [e.id for e in batch.entries if e.id in names] == names
            await store.deny("last" + names[0], expires_at=self.now() + 60)
            assert "last" + names[0] in [e.id for e in (await store.read(batch.cursor)).entries]
            everything = [e.id for e in (await store.read("")).entries]
            assert set(names) <= set(everything)

        self._run(check)

    def test_a_waiting_reader_is_woken(self) -> None:
        """By an entry that comes while it waits."""

        async def check(store: TokenStore) -> None:
            cursor = (await store.read("")).cursor
            name = new_identifier()
            found: list[Revocation] = []

            async def reader() -> None:
                nonlocal cursor
                while not any(entry.id == name for entry in found):
                    batch = await store.read(cursor, wait=0.5)
                    cursor = batch.cursor
                    found.extend(batch.entries)

            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:
                    group.start_soon(reader)
                    await store.deny(name, expires_at=self.now() + 60)

        self._run(check)

    def test_an_entry_says_what_a_reader_must_know(self) -> None:
        """Of an epoch, also whom it spares."""

        async def check(store: TokenStore) -> None:
            cursor = (await store.read("")).cursor
            session = new_session()
            await store.open_session(session)
            await store.end_user(session.user, keep=session.family)
            found = [e for e in (await store.read(cursor)).entries if e.id == session.user]
            assert [(e.kind, e.epoch, e.keep, e.keep_epoch) for e in found] == [(Kind.EPOCH, 1, session.family, 0)]
            assert found[0].expires_at > self.now() + 60

        self._run(check)

    def test_a_denied_token_is_revoked_until_it_expires(self) -> None:
        """And no longer on record afterwards."""

        async def check(store: TokenStore) -> None:
            session, name = new_session(), new_identifier()
            await store.deny(name, expires_at=self.now() + 1.2)
            assert await store.is_revoked(ids(session, token_id=name))
            assert not await store.is_revoked(ids(session, token_id="x" + name))
            await self.wait(2.3)
            assert not await store.is_revoked(ids(session, token_id=name))

        self._run(check)

    # ---- one-time identifiers and opaque tokens

    def test_an_identifier_is_used_once(self) -> None:
        """One of fifty racers is first; after its time it may be used again."""

        async def check(store: TokenStore) -> None:
            name = new_identifier()
            firsts: list[bool] = []

            async def use() -> None:
                firsts.append(await store.first_use(name, ttl=0.3))

            async with anyio.create_task_group() as group:
                for _ in range(50):
                    group.start_soon(use)
            assert firsts.count(True) == 1
            await self.wait(0.5)
            assert await store.first_use(name, ttl=0.3)

        self._run(check)

    def test_an_opaque_token_is_found_until_it_is_removed_or_expires(self) -> None:
        """By its digest only."""

        async def check(store: TokenStore) -> None:
            first, second = new_identifier().encode(), new_identifier().encode()
            await store.save(first, b'{"a":1}', ttl=60)
            await store.save(second, b"{}", ttl=0.2)
            assert await store.find(first) == b'{"a":1}'
            assert await store.remove(first)
            assert not await store.remove(first)
            assert await store.find(first) is None
            await self.wait(0.4)
            assert await store.find(second) is None

        self._run(check)
