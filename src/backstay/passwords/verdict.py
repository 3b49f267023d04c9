"""What a validation says: a pair that unpacks, and that is false when the password is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Never, SupportsIndex, final

from .messages import suggestion_for, text_for


@final
class PasswordProblem(str):
    """One reason for refusing a password: a sentence, with a code for machines and a suggestion for people.

    It is a `str`, so that ``", ".join(errors)`` works. Neither the text nor the parameters hold the password,
    or the value of an attribute that was found in it.
    """

    __slots__ = ("_code", "_locale", "_params", "_suggestion")
    _code: str
    _locale: str
    _params: Mapping[str, int]
    _suggestion: str | None

    def __new__(
        cls,
        code: str,
        params: Mapping[str, int] | None = None,
        *,
        locale: str = "en",
        text: str | None = None,
        suggestion: str | None = None,
    ) -> PasswordProblem:
        """The problem `code`, worded in `locale` (English where there is no such catalogue).

        Args:
            code: one of `CODES`, or one of your own together with its `text`.
            params: the numbers of the sentence.
            locale: the language, as in ``de`` or ``de-AT``.
            text: for a code of your own, its sentence; the same in every language.
            suggestion: for a code of your own, what to do about it.

        Raises:
            ConfigError: a code that is in no catalogue, without a text.
        """
        problem = super().__new__(cls, text_for(code, params or {}, locale) if text is None else text)
        problem._code = code
        problem._locale = locale
        problem._params = MappingProxyType(dict(params or {}))
        problem._suggestion = suggestion if text is None or suggestion is not None else ""
        return problem

    @property
    def code(self) -> str:
        """What is wrong, in one word that never changes: ``too_short``, ``common``, ``breached``, …."""
        return self._code

    @property
    def params(self) -> Mapping[str, int]:
        """The numbers of the sentence, such as ``minimum``."""
        return self._params

    @property
    def suggestion(self) -> str:
        """What to do about it, in English."""
        return self.suggested("en")

    def suggested(self, locale: str) -> str:
        """What to do about it, in that language; English where the language is not known."""
        return suggestion_for(self._code, locale) if self._suggestion is None else self._suggestion

    def translated(self, locale: str) -> PasswordProblem:
        """The same problem in another language; one with a text of its own keeps it."""
        if self._suggestion is not None:
            return self
        return PasswordProblem(self._code, self._params, locale=locale)

    def __getnewargs_ex__(self) -> tuple[tuple[str, dict[str, int]], dict[str, str]]:
        if self._suggestion is None:
            return (self._code, dict(self._params)), {"locale": self._locale}
        return (self._code, dict(self._params)), {"text": str(self), "suggestion": self._suggestion}

    def __getstate__(self) -> None:
        """Nothing beyond the arguments."""


@final
class PasswordVerdict(tuple[bool, "list[PasswordProblem]"]):
    """``is_valid, errors``, and false when invalid, so that ``if not await validate_password(…)`` means it.

    Holds nothing from which the password could be read: codes, counts, and an estimate.
    """

    _log10_guesses: float
    _score: int
    _warnings: tuple[PasswordProblem, ...]

    def __new__(
        cls,
        problems: Iterable[PasswordProblem],
        *,
        log10_guesses: float = 0.0,
        score: int = 0,
        warnings: Iterable[PasswordProblem] = (),
    ) -> PasswordVerdict:
        """Valid when there is no problem; warnings do not refuse."""
        errors = list(problems)
        verdict = super().__new__(cls, (not errors, errors))
        verdict._log10_guesses = log10_guesses
        verdict._score = score
        verdict._warnings = tuple(warnings)
        return verdict

    def __bool__(self) -> bool:
        return self[0]

    @property
    def is_valid(self) -> bool:
        """Whether the password is accepted."""
        return self[0]

    @property
    def errors(self) -> list[PasswordProblem]:
        """Why it is refused; empty when it is not."""
        return self[1]

    @property
    def warnings(self) -> tuple[PasswordProblem, ...]:
        """What is known against it without refusing it, such as an unknown breach state."""
        return self._warnings

    @property
    def log10_guesses(self) -> float:
        """The decimal logarithm of the guesses that the password is estimated to survive."""
        return self._log10_guesses

    @property
    def score(self) -> int:
        """0 to 4, for a meter."""
        return self._score

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the errors, in order."""
        return tuple(problem.code for problem in self[1])

    def meter(self, locale: str = "en") -> dict[str, object]:
        """What a form needs, ready for JSON: ``valid``, ``score`` of 0–4, and translated problems."""
        return {
            "valid": self[0],
            "score": self._score if self[0] else min(self._score, 2),
            "guesses_log10": round(self._log10_guesses, 1),
            "errors": [_payload(problem, locale) for problem in self[1]],
            "warnings": [_payload(problem, locale) for problem in self._warnings],
        }

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("a verdict is not pickled; send its meter() payload")


def _payload(problem: PasswordProblem, locale: str) -> dict[str, object]:
    return {
        "code": problem.code,
        "params": dict(problem.params),
        "message": str(problem.translated(locale)),
        "suggestion": problem.suggested(locale),
    }
