"""`lint`: which statements would hurt a database that is in use, and what to write instead. Pure.

The rules are those that Squawk and strong_migrations have found worth having, and the ones that the
runner's own way of working adds. Each verdict on a danger carries the safe way as SQL that is ready to
run and lints clean. Static rules read grammar and cannot see what a function hides: a rehearsal shows the
locks that are really taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .files import Migration, Script
from .lint_alter import alter_table
from .lint_rules import Found, Known, Level
from .lint_statements import other_statement
from .splitting import Statement

__all__ = ["Level", "Verdict", "danger_checker", "lint", "lint_migrations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the linter says of one statement."""

    rule: str
    level: Level
    message: str
    """What would happen."""
    rewrite: str
    """What to write instead, as a whole file; empty for matters of style."""
    file: str
    line: int
    column: int
    allowed: str | None = None
    """The reason that the file gives for doing it all the same."""

    def __str__(self) -> str:
        said = f"{self.file}:{self.line}:{self.column}: [{self.rule}] {self.message}"
        return f"{said}\n  write instead:\n{_indented(self.rewrite)}" if self.rewrite else said


def _indented(sql: str) -> str:
    return "\n".join(f"    {line}" for line in sql.splitlines())


def lint(
    sql: str, *, file: str = "<sql>", allow: Mapping[str, str] | None = None, known: Known | None = None
) -> list[Verdict]:
    """Judge a text. What is done to a table that the text itself creates is no danger: nobody reads it yet.

    Raises:
        InvalidMigration: the text cannot be read; with line and column.
    """
    script = Script(sql.encode(), name=file)
    excuses = {**script.directives.allow, **(allow or {})}
    separate = not script.in_transaction()
    return list(_judge(script.statements, file=file, allow=excuses, known=known or Known(), separate=separate))


def lint_migrations(migrations: Iterable[Migration]) -> list[Verdict]:
    """Judge the up scripts of migrations that run one after the other. Python steps cannot be judged."""
    known, verdicts = Known(), list[Verdict]()
    for migration in migrations:
        script: Script = migration.up
        allow = script.directives.allow
        separate = not script.in_transaction()
        verdicts += _judge(script.statements, file=script.name, allow=allow, known=known, separate=separate)
    return verdicts


def danger_checker(migrations: Sequence[Migration]) -> list[str]:
    """A `Checker` for a runner: every danger that its file does not excuse, with the rewrite."""
    verdicts = lint_migrations(migrations)
    return [
        f"{verdict}\n  or say in the file why it is fine:\n    -- backstay: allow {verdict.rule}: <why>"
        for verdict in verdicts
        if verdict.level is Level.DANGER and verdict.allowed is None
    ]


def _judge(
    statements: Iterable[Statement],
    *,
    file: str,
    allow: Mapping[str, str],
    known: Known,
    separate: bool,
) -> Iterator[Verdict]:
    known.begin_file(separate=separate)
    for statement in statements:
        judge = alter_table if statement.words[:2] == ("ALTER", "TABLE") else other_statement
        found: list[Found] = list(judge(statement, known))
        known.learn(statement)
        for one in found:
            yield Verdict(
                rule=one.rule,
                level=one.level,
                message=one.message,
                rewrite=one.rewrite,
                file=file,
                line=statement.line,
                column=statement.column,
                allowed=allow.get(one.rule),
            )
