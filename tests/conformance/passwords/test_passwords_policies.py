"""Our policies under the suite that anybody can run; broken ones that it must catch; and a third party's glue."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager

import anyio
import pytest

from backstay.passwords import (
    About,
    History,
    PasswordHasher,
    PasswordProblem,
    PasswordVerdict,
    Rules,
    StandardPolicy,
)
from backstay.secret import Secret

pytest.register_assert_rewrite("backstay.testing.passwords")

from backstay.testing.passwords import PasswordPolicySuite  # noqa: E402

PRESETS = {
    "classic": Rules.classic(context=["backstay"]),
    "strong": Rules.strong(),
    "nist": Rules.nist(mfa=False),
    "nist with mfa": Rules.nist(mfa=True),
    "asvs": Rules.asvs(2, context=["backstay"]),
}


class OnePolicy(PasswordPolicySuite):
    def policy(self):
        return StandardPolicy(Rules.strong())

    @asynccontextmanager
    async def open(self):
        yield self.policy()


class TestClassic(OnePolicy):
    def policy(self):
        return StandardPolicy(PRESETS["classic"])


class TestStrong(OnePolicy):
    pass


class TestNist(OnePolicy):
    def policy(self):
        return StandardPolicy(PRESETS["nist"])


class TestNistWithMfa(OnePolicy):
    def policy(self):
        return StandardPolicy(PRESETS["nist with mfa"])


class TestAsvs(OnePolicy):
    def policy(self):
        return StandardPolicy(PRESETS["asvs"])


class TestWithHistory(PasswordPolicySuite):
    @asynccontextmanager
    async def open(self):
        async with PasswordHasher() as hasher:
            yield StandardPolicy(Rules.strong(), history=History(hasher=hasher))


# ---- policies that break one promise each


class AnswersWithATuple(StandardPolicy):
    async def check(self, password, about, /):
        return tuple(await super().check(password, about))


class Raises(StandardPolicy):
    async def check(self, password, about, /):
        verdict = await super().check(password, about)
        if not verdict:
            raise ValueError("refused")
        return verdict


class StumblesOverSurrogates(StandardPolicy):
    async def check(self, password, about, /):
        (password.reveal() if isinstance(password, Secret) else password).encode()
        return await super().check(password, about)


class QuotesThePassword(StandardPolicy):
    async def check(self, password, about, /):
        text = password.reveal() if isinstance(password, Secret) else password
        if await super().check(password, about):
            return PasswordVerdict([])
        return PasswordVerdict([PasswordProblem("bad", text=f"{text[:200]} is a bad password")])


class QuotesTheUser(StandardPolicy):
    async def check(self, password, about, /):
        verdict = await super().check(password, about)
        if verdict or not about.username:
            return verdict
        return PasswordVerdict([PasswordProblem("bad", text=f"it contains {about.username}")])


class LogsThePassword(StandardPolicy):
    async def check(self, password, about, /):
        import logging

        logging.getLogger("third.party").debug("checking %s", password)
        return await super().check(password, about)


class RemembersThePassword(StandardPolicy):
    async def check(self, password, about, /):
        self.last = {"seen": [password]}
        return await super().check(password, about)


class TakesASecretForItsMask(StandardPolicy):
    async def check(self, password, about, /):
        return await super().check(str(password), about)


class DoesNotNormalise(StandardPolicy):
    async def check(self, password, about, /):
        text = password.reveal() if isinstance(password, Secret) else password
        if len(text) > 30 and not await super().check(text[:30], about):
            return PasswordVerdict([PasswordProblem("common")])
        if len(text) % 2 and "\u0308" not in text:
            return PasswordVerdict([PasswordProblem("guessable")])
        return await super().check(password, about)


class SharesUserData(StandardPolicy):
    about = About()

    async def check(self, password, about, /):
        self.about = about
        await anyio.lowlevel.checkpoint()
        return await super().check(password, self.about)


class SwallowsCancellation(StandardPolicy):
    async def check(self, password, about, /):
        try:
            await anyio.lowlevel.checkpoint()
        except BaseException:
            return PasswordVerdict([PasswordProblem("guessable")])
        return await super().check(password, about)


class AcceptsEverything(StandardPolicy):
    async def check(self, password, about, /):
        return PasswordVerdict([])


class AnswersByTurns(StandardPolicy):
    calls = 0

    async def check(self, password, about, /):
        self.calls += 1
        return PasswordVerdict([]) if self.calls % 2 else await super().check(password, about)


BROKEN = [
    AnswersWithATuple,
    Raises,
    StumblesOverSurrogates,
    QuotesThePassword,
    QuotesTheUser,
    LogsThePassword,
    RemembersThePassword,
    TakesASecretForItsMask,
    DoesNotNormalise,
    SharesUserData,
    SwallowsCancellation,
    AcceptsEverything,
    AnswersByTurns,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_policy_that_breaks_a_promise_is_caught(broken):
    class Suite(OnePolicy):
        def policy(self):
            return broken(Rules.strong())

    caught = []
    for name in [name for name in dir(Suite) if name.startswith("test_")]:
        try:
            getattr(Suite(), name)()
        except Exception:
            caught.append(name)
    assert caught


def test_a_suite_without_its_hook_cannot_be_made():
    class Nothing(PasswordPolicySuite):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()


GLUE = """
from contextlib import asynccontextmanager
import pytest
from backstay.passwords import PasswordProblem, PasswordVerdict
pytest.register_assert_rewrite("backstay.testing.passwords")
from backstay.testing.passwords import PasswordPolicySuite
import unicodedata

class Mine:
    async def check(self, password, about, /):
        text = unicodedata.normalize("NFC", getattr(password, "reveal", lambda: password)())
        short = PasswordProblem("too_brief", text="It is too brief", suggestion="Go on.")
        return PasswordVerdict([] if len(text) >= 20 else [short])

class TestMine(PasswordPolicySuite):
    @asynccontextmanager
    async def open(self):
        yield Mine()
"""


def test_a_third_party_runs_it_in_fifteen_lines(tmp_path):
    assert len(GLUE.split("class TestMine")[1].splitlines()) <= 15
    (tmp_path / "test_mine.py").write_text(GLUE, encoding="utf-8")
    quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore"]
    command = [sys.executable, "-m", "pytest", *quiet, "-c", os.devnull, "--rootdir", str(tmp_path)]
    ran = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "9 passed" in ran.stdout
