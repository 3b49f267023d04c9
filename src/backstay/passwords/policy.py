"""The policy that applications use: rules, then breach data, then history; and the call that finds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import anyio.to_thread

from backstay.ambient import Ambient
from backstay.events import Emitter
from backstay.secret import Secret

from .breach import BreachChecker, BreachOutcome
from .events import PasswordChecked
from .history import History, is_similar
from .protocol import About, PasswordPolicy
from .rules import Rules
from .strength import Estimator, Lexicon
from .strength import lexicon as lexicons
from .verdict import PasswordProblem, PasswordVerdict


class StandardPolicy:
    """A set of rules with everything that needs I/O beside them.

    Breach data and history are asked only about passwords that the rules accept: what is refused anyway
    need not
    leave the process. Not promised: an answer within a fixed time; each part bounds its own.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        breach: BreachChecker | None = None,
        offline: BreachChecker | None = None,
        when_unknown: Literal["open", "closed"] = "open",
        history: History | None = None,
        lexicon: Lexicon | None = None,
        emitter: Emitter | None = None,
    ) -> None:
        """A policy of parts; each is optional.

        Args:
            rules: a preset or your own; `Rules.classic` by default.
            breach: where to look a password up.
            offline: asked when `breach` does not know.
            when_unknown: whether a password is accepted (with a warning) or refused when nobody knows.
            history: compares with earlier hashes given in `About.history`.
            lexicon: other word lists than the shipped ones.
            emitter: told of every verdict.
        """
        self.rules = rules if rules is not None else Rules.classic()
        self._breach = breach
        self._offline = offline
        self._closed = when_unknown == "closed"
        self._history = history
        self._lexicon = lexicon
        self._estimator: Estimator | None = None
        self._emit = emitter if emitter is not None else Emitter()

    async def check(self, password: str | Secret, about: About, /) -> PasswordVerdict:
        """The verdict of all parts; see `PasswordPolicy.check`."""
        secret = password = Secret.of(password)
        verdict = (await self._ready()).judge(self.rules, secret, about)
        if verdict:
            problems, warnings = await self._beyond_rules(secret, about)
            verdict = PasswordVerdict(
                problems, log10_guesses=verdict.log10_guesses, score=verdict.score, warnings=warnings
            )
        self._emit(PasswordChecked(valid=bool(verdict), codes=verdict.codes, score=verdict.score))
        return verdict

    def describe(self) -> str:
        """The policy as text, one rule a line: for users, auditors, and the documents that ASVS 5.0 asks for."""
        lines = [self.rules.describe()]
        if self._breach is not None or self._offline is not None:
            unknown = "refused" if self._closed else "accepted with a warning"
            lines.append(f"- Is in no known data breach; while that cannot be found out, it is {unknown}.")
        if self._history is not None:
            lines.append(f"- Is none of the last {self._history.last} passwords of this user.")
        lines.append("- At a change: is not the current password with small changes.")
        lines.append("- Never expires; must be changed when it is found in a breach.")
        return "\n".join(lines)

    async def must_change(self, password: str | Secret) -> bool:
        """Whether a password that was just used to log in is known to be compromised and has to be changed.

        Not knowing is no evidence: then the answer is no.
        """
        secret = password = Secret.of(password)
        return (await self._look_up(secret)).state == "breached"

    async def _ready(self) -> _Judge:
        if self._estimator is None:
            # Reading the lists takes half a second: once, and not on the event loop.
            lexicon = self._lexicon or await anyio.to_thread.run_sync(lexicons.shared)
            self._estimator = Estimator(lexicon)
        return _Judge(self._estimator)

    async def _beyond_rules(
        self, secret: Secret, about: About
    ) -> tuple[list[PasswordProblem], list[PasswordProblem]]:
        problems: list[PasswordProblem] = []
        warnings: list[PasswordProblem] = []
        if about.current is not None and is_similar(secret, about.current):
            problems.append(PasswordProblem("too_similar"))
        if self._breach is not None or self._offline is not None:
            outcome = await self._look_up(secret)
            if outcome.state == "breached":
                problems.append(PasswordProblem("breached", {"count": outcome.count}))
            elif outcome.state == "unknown":
                (problems if self._closed else warnings).append(PasswordProblem("breach_unknown"))
        worth_asking = not problems and self._history is not None and about.history
        if worth_asking and self._history and await self._history.has(secret, about.history):
            problems.append(PasswordProblem("reused"))
        return problems, warnings

    async def _look_up(self, secret: Secret) -> BreachOutcome:
        outcome = BreachOutcome(state="unknown")
        for source in (self._breach, self._offline):
            if source is not None and outcome.state == "unknown":
                outcome = await source.look_up(secret)
        return outcome


class _Judge:
    """Keeps the revealed text in one short frame."""

    __slots__ = ("_estimator",)

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator

    def judge(self, rules: Rules, secret: Secret, about: About) -> PasswordVerdict:
        return rules.check(secret.reveal(), about, estimator=self._estimator)


_process_wide: list[PasswordPolicy] = []


def _default() -> PasswordPolicy:
    if not _process_wide:
        _process_wide.append(StandardPolicy())
    return _process_wide[0]


ambient_policy: Final = Ambient[PasswordPolicy]("password policy", default=_default)
"""The policy that module-level calls use; the container enters its own."""


async def validate_password(
    password: str | Secret,
    username: str | None = None,
    email: str | None = None,
    context: Iterable[str] = (),
    *,
    about: About | None = None,
    policy: PasswordPolicy | None = None,
) -> PasswordVerdict:
    """Say whether a password may be set, as a pair that unpacks: is it valid, and if not, why not.

    The result is false when the password is refused, so ``if not await validate_password(…)`` means it.
    Errors are strings with a ``code``.

    Args:
        password: the password; nothing of it is kept or logged.
        username: the user's name or handle.
        email: the user's address.
        context: words of the service, which nobody should build a password on.
        about: all of that and more (names, history, the current password), instead of the three above.
        policy: another policy than the innermost open one; by default the classic rules.

    Raises:
        HasherBusy: where the policy compares with a history, and there was no time for it.
    """
    password = Secret.of(password)
    chosen = policy if policy is not None else ambient_policy.get()
    known = about if about is not None else About.user(username, email, context)
    return await chosen.check(password, known)


_: type[PasswordPolicy] = StandardPolicy
