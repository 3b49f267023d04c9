"""What a statement was seen to do when it ran, and what that says about the linter's verdict. Pure.

Static rules read grammar: they cannot see that a function in a default is volatile, what a DO block executes, or
that a CHECK makes a scan unnecessary. A trace has run the statement, where nobody else is, and has looked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .lint import Level, Verdict
from .lint_rules import Found, excused

STRONG: Final = frozenset({"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"})
"""Lock modes that keep writers out, and the last one readers too."""

# Verdicts that rest on a rewrite or on a scan, and fall if neither is seen. Not those on indexes, whose build is
# short on the empty tables of a trace, and not those on what a running version expects.
_RESTS_ON_WORK: Final = frozenset(
    {
        "adding-column-with-volatile-default",
        "adding-generated-column",
        "attaching-partition",
        "changing-column-type",
        "rewriting-table",
        "setting-not-null",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What one statement did to relations that were there before its file. Names as the server puts them."""

    file: str
    line: int
    column: int
    sql: str
    locks: tuple[str, ...] = ()
    """``mode on relation``, for locks that keep writers out."""
    rewritten: tuple[str, ...] = ()
    """Relations whose storage was written anew."""
    scanned: tuple[str, ...] = ()
    """Tables that were read whole while such a lock was held on them."""
    allow: Mapping[str, str] = field(default_factory=dict[str, str])
    """Dangers that the file takes on, and why."""

    @property
    def is_quick(self) -> bool:
        """Whether the time it takes does not depend on how many rows there are."""
        return not self.rewritten and not self.scanned


def judged_with(verdicts: Iterable[Verdict], observations: Sequence[Observed]) -> list[Verdict]:
    """The verdicts, less those that what was seen refutes, plus those that only it could show."""
    seen = {(one.file, one.line, one.column): one for one in observations}
    kept = [one for one in verdicts if not _refuted(one, seen.get((one.file, one.line, one.column)))]
    known = {(one.file, one.line, one.column) for one in kept if one.level is Level.DANGER}
    return kept + [_verdict(one) for place, one in seen.items() if not one.is_quick and place not in known]


def _refuted(verdict: Verdict, seen: Observed | None) -> bool:
    return seen is not None and seen.is_quick and verdict.rule in _RESTS_ON_WORK


def _verdict(seen: Observed) -> Verdict:
    if seen.rewritten:
        rule, what = "observed-rewrite", f"it was seen to write {', '.join(seen.rewritten)} anew"
    else:
        rule, what = "observed-scan", f"it was seen to read {', '.join(seen.scanned)} whole"
    message = f"{what}, holding {', '.join(seen.locks)}"
    found: Found = excused(rule, message, seen.sql, why="the table is small, or nobody uses it now")
    return Verdict(
        rule=found.rule,
        level=found.level,
        message=found.message,
        rewrite=found.rewrite,
        file=seen.file,
        line=seen.line,
        column=seen.column,
        allowed=seen.allow.get(found.rule),
    )
