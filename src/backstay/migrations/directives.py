"""The header of a migration: comments of the form ``-- backstay: directive value``, above everything else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from backstay.errors import InvalidMigration


class Phase(StrEnum):
    """On which side of a roll-out a migration belongs."""

    EXPAND = "expand"
    """Before: the running version can live with it."""
    CONTRACT = "contract"
    """After: it takes away what only older versions use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """What a header asks for. Durations in seconds; None leaves the runner's own setting."""

    no_transaction: bool = False
    repeatable: bool = False
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    phase: Phase | None = None
    after: tuple[str, ...] = ()
    allow: Mapping[str, str] = field(default_factory=dict[str, str])
    """Dangers that the author takes on, and why: rule name to reason."""


_DURATION: Final = r"(\d+(?:\.\d+)?)\s*(ms|s|min)?"
_SCALE: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, None: 1.0}
_KNOWN: Final = (
    "no-transaction",
    "repeatable",
    "lock-timeout",
    "statement-timeout",
    "phase",
    "after",
    "allow",
)


def read_directives(text: str, *, name: str, comment: str) -> Directives:
    """Read the header: leading blank lines and comments, up to the first line that is neither.

    Raises:
        InvalidMigration: an unknown directive or a value that it cannot have, with its line.
    """
    values: dict[str, list[str]] = {}
    marker = re.compile(rf"\s*{re.escape(comment)}\s*backstay:\s*(.*)")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(comment):
            break
        if found := marker.match(line):
            directive, value = _parse(found[1].strip(), where=f"{name}:{number}:{found.start(1) + 1}")
            values.setdefault(directive, []).append(value)
    return _build(values, name=name)


def _parse(words: str, *, where: str) -> tuple[str, str]:
    directive, value = [*re.split(r"\s*[:=]\s*|\s+", words, maxsplit=1), ""][:2]
    if directive not in _KNOWN:
        from difflib import get_close_matches

        near = get_close_matches(directive, _KNOWN, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_KNOWN)}"
        raise InvalidMigration(f"{where}: unknown directive {directive!r}; {hint}")
    if directive == "phase" and value not in tuple(Phase):
        raise InvalidMigration(f"{where}: phase is expand or contract, not {value!r}")
    if directive.endswith("-timeout") and not re.fullmatch(_DURATION, value):
        raise InvalidMigration(f"{where}: {directive} takes a duration such as 200ms, 2s or 1min, not {value!r}")
    if directive == "allow" and not all(_allowed(value)):
        raise InvalidMigration(
            f"{where}: allow takes a rule and why it is fine here: allow drop-column: unused since 2.3"
        )
    if directive == "after" and not value:
        raise InvalidMigration(f"{where}: after takes the id of a migration, such as auth:0003")
    return directive, value


def _build(values: Mapping[str, list[str]], *, name: str) -> Directives:
    for directive, given in values.items():
        if len(given) > 1 and directive not in ("after", "allow"):
            raise InvalidMigration(f"{name}: {directive} is given {len(given)} times; once is enough")
    return Directives(
        no_transaction="no-transaction" in values,
        repeatable="repeatable" in values,
        lock_timeout=_seconds(values.get("lock-timeout")),
        statement_timeout=_seconds(values.get("statement-timeout")),
        phase=Phase(values["phase"][0]) if "phase" in values else None,
        after=tuple(part.strip("\"' ") for value in values.get("after", ()) for part in value.split(",")),
        allow=dict(_allowed(value) for value in values.get("allow", ())),
    )


def _allowed(value: str) -> tuple[str, str]:
    rule, reason = [*re.split(r"\s*[:=,]\s*|\s+because\s+|\s+", value, maxsplit=1), ""][:2]
    return rule, reason.strip()


def _seconds(given: list[str] | None) -> float | None:
    found = re.fullmatch(_DURATION, given[0]) if given else None
    return float(found[1]) * _SCALE[found[2]] if found else None
