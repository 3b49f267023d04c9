"""The conformance suite of `PasswordPolicy`, for ours and for anybody's.

::

    class TestMine(PasswordPolicySuite):
        accepted = "a password that my policy takes"

        @asynccontextmanager
        async def open(self):
            yield MyPolicy()

Call ``pytest.register_assert_rewrite("backstay.testing.passwords")`` before the import to have failures explained.
"""

# ruff: noqa: S101 - to assert is what a suite is for

from __future__ import annotations

import gc
import json
import logging
import pickle
import secrets
import types
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Iterator, Sized
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Final, cast

import anyio

from backstay.passwords import LOCALES, About, PasswordPolicy, PasswordProblem, PasswordVerdict
from backstay.secret import Secret

HOSTILE: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "x\udfff" * 40,
    "\u202e\u200b\u2066",
    "\ufdfa" * 200,
    "a\u0301" * 500,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 20,
    "%s {0} {password} $x",
    "' OR 1=1 --",
    "\r\nSet-Cookie: a=b",
    "4@8({[</369&#!1|0$5+7%2" * 40,
    "x" * 1_000_000,
)
"""Texts that broke something somewhere. Whatever a policy thinks of them, it says so in a verdict."""


class PasswordPolicySuite(ABC):
    """What every policy promises, whatever it demands."""

    accepted: str = "plover-Cranberry-7-hinge-saxophone"
    """A password that the policy takes."""

    refused: str = "password"
    """One that it does not take."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[PasswordPolicy]:
        """A policy to try."""

    def _run(self, check: Callable[[PasswordPolicy], Awaitable[None]]) -> None:
        async def main() -> None:
            async with self.open() as policy:
                await check(policy)

        anyio.run(main)

    # ---- the verdict

    def test_an_accepted_password_gives_a_true_pair_without_errors(self) -> None:
        """It unpacks, and its truth is its first half."""

        async def check(policy: PasswordPolicy) -> None:
            verdict = await policy.check(self.accepted, About())
            assert isinstance(verdict, PasswordVerdict)
            is_valid, errors = verdict
            assert (is_valid, bool(verdict), errors) == (True, True, [])

        self._run(check)

    def test_a_refused_password_gives_a_false_pair_with_reasons(self) -> None:
        """A sentence, a code, and what to do, in every language; and the meter is ready for JSON."""

        async def check(policy: PasswordPolicy) -> None:
            verdict = await policy.check(self.refused, About())
            assert isinstance(verdict, PasswordVerdict)
            is_valid, errors = verdict
            assert (is_valid, bool(verdict)) == (False, False)
            assert errors
            assert ", ".join(errors)
            assert len(set(verdict.codes)) == len(errors)
            assert 0 <= verdict.score <= 4
            for problem in errors:
                assert isinstance(problem, PasswordProblem)
                assert problem.code.isidentifier()
                assert all(problem.translated(locale) for locale in LOCALES)
                again: PasswordProblem = pickle.loads(pickle.dumps(problem))  # noqa: S301 - our own, made here
                assert (again, again.code, again.params) == (problem, problem.code, problem.params)
            for locale in LOCALES:
                assert json.loads(json.dumps(verdict.meter(locale)))["valid"] is False

        self._run(check)

    def test_any_text_gets_a_verdict_and_no_exception(self) -> None:
        """Hostile ones as well, with and without user data that is hostile itself."""

        async def check(policy: PasswordPolicy) -> None:
            for text in HOSTILE:
                short = text[:1000]
                about = About(username=short, email=f"{short}@{short}", names=(short,), context=(short, ""))
                for known in (About(), about):
                    verdict = await policy.check(text, known)
                    assert verdict[0] is (not verdict[1])

        self._run(check)

    def test_a_secret_and_its_text_are_judged_alike(self) -> None:
        """And the same one twice."""

        async def check(policy: PasswordPolicy) -> None:
            for text in (self.accepted, self.refused, *HOSTILE[:12]):
                first = await policy.check(text, About())
                assert await policy.check(Secret(text), About()) == first
                assert await policy.check(text, About()) == first

        self._run(check)

    def test_canonically_equal_texts_are_judged_alike(self) -> None:
        """They are one password to the hasher, so they are one to the policy."""

        async def check(policy: PasswordPolicy) -> None:
            for text in (self.accepted + "\u00e4\u00f6\u1e69", "\uac00\u00e9" * 4, "\u00e4" * 8):
                other = unicodedata.normalize("NFD", text)
                assert other != text
                assert await policy.check(other, About()) == await policy.check(text, About())

        self._run(check)

    # ---- many at once

    def test_verdicts_at_once_are_those_one_after_the_other(self) -> None:
        """What is known of one user is never used for another."""

        async def check(policy: PasswordPolicy) -> None:
            users = [f"zq{secrets.token_hex(5)}" for _ in range(20)]
            asked = [(f"{name}-1", About(username=other)) for name in users for other in (name, users[0])]
            alone = [await policy.check(password, about) for password, about in asked]
            together: dict[int, PasswordVerdict] = {}

            async def ask(at: int) -> None:
                await anyio.lowlevel.checkpoint()
                together[at] = await policy.check(*asked[at])

            async with anyio.create_task_group() as group:
                for at in range(len(asked)):
                    group.start_soon(ask, at)
            assert [together[at] for at in range(len(asked))] == alone

        self._run(check)

    def test_a_cancelled_check_leaves_nothing_behind(self) -> None:
        """The policy answers as before, and the cancellation is not swallowed."""

        async def check(policy: PasswordPolicy) -> None:
            before = await policy.check(self.accepted, About())
            finished: list[PasswordVerdict] = []

            async def ask() -> None:
                await anyio.lowlevel.checkpoint()
                finished.append(await policy.check(self.accepted, About()))
                await anyio.sleep_forever()

            for turns in range(4):
                with anyio.fail_after(30):
                    async with anyio.create_task_group() as group:
                        for _ in range(5):
                            group.start_soon(ask)
                        for _ in range(turns):
                            await anyio.lowlevel.checkpoint()
                        group.cancel_scope.cancel()
            assert all(verdict == before for verdict in finished)
            assert await policy.check(self.accepted, About()) == before

        self._run(check)

    # ---- secrecy

    def test_no_password_and_no_user_data_is_told_to_anybody(self) -> None:
        """Not in the errors, their parameters, the meter, a repr, or a log record."""

        async def check(policy: PasswordPolicy) -> None:
            canary, name, word = (f"zq{secrets.token_hex(6)}" for _ in range(3))
            about = About(username=name, email=f"{name}@example.org", names=(name,), context=(word,))
            with _recorded() as records:
                verdicts = [
                    await policy.check(password, about)
                    for password in (canary, canary * 40, canary + "\ud800", name, word + "1", canary + name)
                ]
            for verdict in verdicts:
                told = [repr(verdict), str(verdict), json.dumps(verdict.meter()), repr(about)]
                told += [f"{problem!r}{problem.params!r}{problem.suggestion}" for problem in verdict[1]]
                told += [f"{record.getMessage()}{vars(record)!r}" for record in records]
                for text in told:
                    assert not [each for each in (canary, name, word) if each in text.lower()]

        self._run(check)

    def test_no_password_is_kept(self) -> None:
        """Nothing that the policy refers to holds it once the verdict is out."""

        async def check(policy: PasswordPolicy) -> None:
            canary = f"zq{secrets.token_hex(12)}"
            for password in (canary, canary + "-Aa1!"):
                await policy.check(password, About())
                await policy.check(Secret(password), About(current=Secret(password + "2")))
            assert not list(_holding(policy, canary))

        self._run(check)


class _Recorder(logging.Handler):
    """Keeps every record, whatever its level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def _recorded() -> Generator[list[logging.LogRecord]]:
    """What any logger says in the block."""
    recorder, root = _Recorder(), logging.getLogger()
    level = root.level
    root.addHandler(recorder)
    root.setLevel(logging.DEBUG)
    try:
        yield recorder.records
    finally:
        root.removeHandler(recorder)
        root.setLevel(level)


_NOT_FOLLOWED: Final = (type, types.ModuleType, types.FunctionType, types.CodeType, types.FrameType)


def _holding(root: object, canary: str) -> Iterator[object]:
    """What the object refers to, over any number of steps, that holds the text."""
    seen: set[int] = set()
    todo: list[Any] = [root]
    while todo and len(seen) < 100_000:
        found = todo.pop()
        if id(found) in seen or isinstance(found, _NOT_FOLLOWED):
            continue
        seen.add(id(found))
        if isinstance(found, str | bytes | bytearray):
            text = found if isinstance(found, str) else bytes(found).decode("latin-1")
            if canary in text:
                yield found
        elif not _is_plain(found):
            todo.extend(gc.get_referents(found))


def _is_plain(found: object) -> bool:
    # A word list has a million entries and was there before the password came.
    if type(found) in {dict, set, frozenset}:
        return len(cast("Sized", found)) > 5_000
    return isinstance(found, int | float | complex)
