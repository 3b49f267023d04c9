"""The rules a password may have to keep, as data, and the presets made of them.

A rule is a frozen value with a `find` method. A new rule is a class here, a row in each catalogue of
`messages`, and, where a preset should have it, its name in that preset.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from backstay.errors import ConfigError

from .protocol import About
from .strength import Estimate, Estimator, fold, known_tokens, short_tokens
from .verdict import PasswordProblem, PasswordVerdict

MAX_LENGTH: Final = 1_024
"""Code points that a password may have by default. Longer ones are refused, never cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A password under examination, with what is known about it. Shows nothing of itself."""

    text: str
    about: About
    estimate: Estimate
    short_tokens: frozenset[str]

    def __repr__(self) -> str:
        return "Candidate(***)"


class Rule(Protocol):
    """One thing to find fault with."""

    def find(self, candidate: Candidate, /) -> PasswordProblem | None:
        """The fault, or None. Sync, without I/O, and quick."""
        ...

    def describe(self) -> str:
        """The rule in one sentence of English."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Bounds in code points after NFC (NIST SP 800-63B-4, 3.1.1.2)."""

    minimum: int = 8
    maximum: int = MAX_LENGTH

    def find(self, candidate: Candidate, /) -> PasswordProblem | None:
        """``empty``, ``too_short`` or ``too_long``."""
        if not candidate.text:
            return PasswordProblem("empty")
        if len(candidate.text) < self.minimum:
            return PasswordProblem("too_short", {"minimum": self.minimum})
        if len(candidate.text) > self.maximum:
            return PasswordProblem("too_long", {"maximum": self.maximum})
        return None

    def describe(self) -> str:
        """Both bounds."""
        return f"At least {self.minimum} and at most {self.maximum} characters."


_Class = Literal["upper", "lower", "digit", "special"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains:
    """At least one character of a class. Only for presets that must: NIST and ASVS forbid such rules."""

    kind: _Class

    def find(self, candidate: Candidate, /) -> PasswordProblem | None:
        """``no_upper``, ``no_lower``, ``no_digit`` or ``no_special``."""
        return None if any(map(_IN_CLASS[self.kind], candidate.text)) else PasswordProblem(f"no_{self.kind}")

    def describe(self) -> str:
        """Which class."""
        names = {"upper": "an uppercase letter", "lower": "a lowercase letter", "digit": "a digit"}
        return f"Contains {names.get(self.kind, 'a special character')}."


def _is_special(char: str) -> bool:
    return not char.isalnum()


_IN_CLASS: Mapping[str, Callable[[str], bool]] = {
    "upper": str.isupper,
    "lower": str.islower,
    "digit": str.isdigit,
    "special": _is_special,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotGuessable:
    """A floor of guesses. Codes: ``common`` where a listed word is most of it, else ``guessable``."""

    min_log10_guesses: float

    def find(self, candidate: Candidate, /) -> PasswordProblem | None:
        """``common``, ``user_info`` or ``guessable``; which one follows from the piece that gives it away."""
        estimate = candidate.estimate
        if not candidate.text or estimate.log10_guesses >= self.min_log10_guesses:
            return None
        if estimate.weakness == "user":
            return PasswordProblem("user_info")
        common = estimate.weakness == "word" and estimate.coverage >= 0.5
        return PasswordProblem("common" if common else "guessable")

    def describe(self) -> str:
        """The floor, as a power of ten."""
        return (
            "Is not a common password or a small change of one, and is estimated to survive at least "
            f"10^{self.min_log10_guesses:g} guesses."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoUserInfo:
    """No name, address, or word of the service as a large part of the password."""

    def find(self, candidate: Candidate, /) -> PasswordProblem | None:
        """``user_info`` when such a text covers a third of the password, or is all its letters."""
        letters = fold("".join(char for char in candidate.text if char.isalpha()))
        estimate = candidate.estimate
        if letters and letters in candidate.short_tokens and len(candidate.text) < 12:
            return PasswordProblem("user_info")
        known = estimate.weakness == "user" and estimate.coverage >= 1 / 3
        return PasswordProblem("user_info") if known and estimate.log10_guesses < 12 else None

    def describe(self) -> str:
        """What may not be in it."""
        return "Is not made of the user's name or address, or of words of this service."


@dataclass(frozen=True, slots=True, kw_only=True)
class Storable:
    """No lone surrogates: they have no UTF-8 form, so no hash could be made of them."""

    def find(self, candidate: Candidate, /) -> PasswordProblem | None:
        """``unusable``."""
        lone = any("\ud800" <= char <= "\udfff" for char in candidate.text)
        return PasswordProblem("unusable") if lone else None

    def describe(self) -> str:
        """What may not be in it."""
        return "Is valid Unicode."


FLOOR: Final = 8.7
"""log10 guesses of `strong`, `nist` and `asvs`.

Stops what people make up, keeps what a machine draws at random.
"""

CLASSIC_FLOOR: Final = 4.0
"""log10 guesses of `classic`, whose own example ``Strong@Pass1`` would not reach `FLOOR`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A named set of rules. Sync, pure, and usable without anything else: ``Rules.strong().check("…")``."""

    name: str
    rules: tuple[Rule, ...]
    context: tuple[str, ...] = ()
    """Words of the service, looked for in every password in addition to the user's own data."""

    @classmethod
    def classic(cls, *, context: Iterable[str] = ()) -> Rules:
        """Length 8, four character classes, no common password in disguise, no user data. The default.

        Composition rules are what many systems still have to show. They are a poor policy; see `strong`.
        """
        classes: tuple[_Class, ...] = ("upper", "lower", "digit", "special")
        contains = tuple(Contains(kind=kind) for kind in classes)
        return cls(
            name="classic",
            rules=(
                Length(),
                *contains,
                Storable(),
                NoUserInfo(),
                NotGuessable(min_log10_guesses=CLASSIC_FLOOR),
            ),
            context=tuple(context),
        )

    @classmethod
    def strong(cls, *, minimum: int = 8, floor: float = FLOOR, context: Iterable[str] = ()) -> Rules:
        """No composition rules; a floor of guesses that stops made-up passwords and keeps random ones."""
        return cls(name="strong", rules=_guess_based(minimum, floor), context=tuple(context))

    @classmethod
    def nist(cls, *, mfa: bool, context: Iterable[str] = ()) -> Rules:
        """NIST SP 800-63B-4, 3.1.1.2: 15 characters where the password is the only factor, else 8."""
        name = "nist(mfa=True)" if mfa else "nist(mfa=False)"
        return cls(name=name, rules=_guess_based(8 if mfa else 15, FLOOR), context=tuple(context))

    @classmethod
    def asvs(cls, level: int, *, minimum: int = 8, context: Iterable[str] = ()) -> Rules:
        """OWASP ASVS 5.0, chapter V6.2, at level 1, 2 or 3.

        The rules are the same at every level; from level 2 on, give `context` (6.2.11) and a breach check
        to the
        policy (6.2.12). The standard asks for 8 characters and strongly recommends 15.

        Raises:
            ConfigError: no such level.
        """
        if level not in {1, 2, 3}:
            raise ConfigError(f"ASVS has the levels 1, 2 and 3, and no level {level!r}")
        return cls(name=f"asvs({level})", rules=_guess_based(max(minimum, 8), FLOOR), context=tuple(context))

    def check(
        self, password: str, about: About | None = None, *, estimator: Estimator | None = None
    ) -> PasswordVerdict:
        """The verdict of these rules alone. Blocks for about 0.5 s on its first call, to read the lists.

        Args:
            password: compared after NFC; nothing of it is kept.
            about: what is known of the user.
            estimator: another one than the shared, with lists of your own.
        """
        about = about if about is not None else About()
        # Nothing that is too long for any rule is looked at beyond what its length check needs.
        text = unicodedata.normalize("NFC", password) if len(password) <= 4 * MAX_LENGTH else password
        estimate = (estimator or Estimator()).estimate(text[: 2 * MAX_LENGTH], self._tokens(about))
        candidate = Candidate(
            text=text,
            about=about,
            estimate=estimate,
            short_tokens=short_tokens(about.username, about.email, *about.names, *about.context, *self.context),
        )
        return PasswordVerdict(
            _unique(self._problems(candidate)), log10_guesses=estimate.log10_guesses, score=estimate.score
        )

    def describe(self) -> str:
        """The policy as text, one rule a line, for users and auditors."""
        lines = [f"Password policy {self.name}:"]
        lines.extend(f"- {rule.describe()}" for rule in self.rules)
        if self.context:
            lines.append(f"- Words of this service that are refused: {', '.join(sorted(self.context))}.")
        return "\n".join(lines)

    def passwordrules(self) -> str:
        """The value of the HTML attribute ``passwordrules``, which password managers obey."""
        parts: list[str] = []
        for rule in self.rules:
            if isinstance(rule, Length):
                parts += [f"minlength: {max(rule.minimum, 8)}", f"maxlength: {min(rule.maximum, 128)}"]
            elif isinstance(rule, Contains):
                parts.append(f"required: {rule.kind}")
        if not any(part.startswith("required") for part in parts):
            parts.append("allowed: ascii-printable")
        return "; ".join(parts) + ";"

    def html_attributes(self) -> Mapping[str, str]:
        """Attributes for the ``<input>``: they let managers fill and paste (ASVS 5.0, 6.2.7)."""
        length = next((rule for rule in self.rules if isinstance(rule, Length)), Length())
        return {
            "type": "password",
            "autocomplete": "new-password",
            "minlength": str(length.minimum),
            "maxlength": str(length.maximum),
            "passwordrules": self.passwordrules(),
        }

    def _tokens(self, about: About) -> dict[str, float]:
        return known_tokens(
            username=about.username,
            email=about.email,
            names=about.names,
            context=(*about.context, *self.context),
        )

    def _problems(self, candidate: Candidate) -> Iterator[PasswordProblem]:
        for rule in self.rules:
            problem = rule.find(candidate)
            if problem is not None:
                yield problem


def _guess_based(minimum: int, floor: float) -> tuple[Rule, ...]:
    return (Length(minimum=minimum), Storable(), NoUserInfo(), NotGuessable(min_log10_guesses=floor))


def _unique(problems: Iterable[PasswordProblem]) -> Iterator[PasswordProblem]:
    seen: set[str] = set()
    for problem in problems:
        if problem.code not in seen:
            seen.add(problem.code)
            yield problem


PRESETS: Final[Mapping[str, Callable[[tuple[str, ...]], Rules]]] = {
    "classic": lambda context: Rules.classic(context=context),
    "strong": lambda context: Rules.strong(context=context),
    "nist": lambda context: Rules.nist(mfa=False, context=context),
    "nist-mfa": lambda context: Rules.nist(mfa=True, context=context),
    "asvs-1": lambda context: Rules.asvs(1, context=context),
    "asvs-2": lambda context: Rules.asvs(2, context=context),
    "asvs-3": lambda context: Rules.asvs(3, context=context),
}
"""The presets by the names that settings and commands use, made with the words of the service."""


def preset(name: str, *, context: Iterable[str] = ()) -> Rules:
    """The preset of that name.

    Raises:
        ConfigError: no such preset; names those there are.
    """
    if name not in PRESETS:
        raise ConfigError(f"{name!r} is none of the presets {', '.join(PRESETS)}")
    return PRESETS[name](tuple(context))
