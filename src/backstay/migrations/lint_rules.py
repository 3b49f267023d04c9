"""What the linter's rules share: the values they yield, and what is known from the statements before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .lexer import Token
from .splitting import Statement
from .statements import identifier, relation_name


class Level(StrEnum):
    """How bad it is."""

    DANGER = "danger"
    """Blocks readers or writers, breaks the version that still runs, or loses data."""
    STYLE = "style"
    """Will be regretted later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A rule that a statement breaks."""

    rule: str
    message: str
    rewrite: str = ""
    level: Level = Level.DANGER


def danger(rule: str, message: str, *rewrite: str, separate: bool = False) -> Found:
    """A danger, with the statements to write instead; `separate` makes each a transaction of its own."""
    header = "-- backstay: no-transaction\n" if separate else ""
    return Found(rule=rule, message=message, rewrite=header + "\n".join(f"{one};" for one in rewrite))


def excused(rule: str, message: str, sql: str, *, why: str) -> Found:
    """A danger whose safe form is the same statement at the right time, said to be so."""
    return Found(
        rule=rule,
        message=message,
        rewrite=f"-- backstay: phase contract\n-- backstay: allow {rule}: {why}\n{sql};",
    )


def style(rule: str, message: str) -> Found:
    """A matter of style."""
    return Found(rule=rule, message=message, level=Level.STYLE)


class Known:
    """Tables that nobody uses yet, and constraints that make a later statement harmless."""

    def __init__(self) -> None:
        self._new: set[str] = set()
        self._checked: dict[tuple[str, str], str] = {}
        self._validated: set[tuple[str, str]] = set()
        self._values: set[str] = set()
        self._touched: set[str] = set()
        self.separate = True

    def begin_file(self, *, separate: bool) -> None:
        """`separate` says that each statement of the file is a transaction of its own."""
        self.separate = separate
        self._values, self._touched = set(), set()

    def locked(self, table: str) -> bool:
        """Whether an earlier statement of the same file has altered the table."""
        return table in self._touched

    def is_new(self, table: str) -> bool:
        """Whether the table was created by the statements before."""
        return table in self._new

    def is_checked(self, table: str, column: str) -> bool:
        """Whether a validated CHECK says that the column is not null."""
        name = self._checked.get((table, column))
        return name is not None and (table, name) in self._validated

    def uses_new_value(self, statement: Statement) -> str | None:
        """An enum value that the same transaction added and the statement uses."""
        if self.separate:
            return None
        return next((token.text for token in statement.tokens if token.text in self._values), None)

    def learn(self, statement: Statement) -> None:
        """Take note of what the statement creates or validates."""
        words = statement.words
        text = canonical(statement.tokens)
        if match := re.match(
            r"CREATE (?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED) )*(?:TABLE|MATERIALIZED VIEW) "
            r"(IF NOT EXISTS )?",
            text,
        ):
            self._new.add(relation_name(statement.tokens[match[0].count(" ") :]))
        if words[:2] == ("ALTER", "TYPE") and "ADD" in words and "VALUE" in words:
            self._values |= {token.text for token in statement.tokens if token.text.startswith("'")}
        if words[:2] == ("ALTER", "TABLE"):
            self._learn_constraint(statement, text)

    def _learn_constraint(self, statement: Statement, text: str) -> None:
        table = relation_name(table_tokens(statement))
        words = statement.words
        self._touched.add(table)
        if "VALIDATE" in words:
            name = identifier(statement.tokens[words.index("VALIDATE") + 2])
            self._validated.add((table, name))
        if re.search(r"ADD CONSTRAINT \S+ CHECK \( \S+ IS NOT NULL \)", text):
            at = words.index("CONSTRAINT")
            name, column = identifier(statement.tokens[at + 1]), identifier(statement.tokens[at + 4])
            self._checked[table, column] = name
            if "NOT VALID" not in text:
                self._validated.add((table, name))


def canonical(tokens: Sequence[Token]) -> str:
    """The tokens with single blanks between them, keywords and plain names in upper case."""
    return " ".join(token.upper or token.text for token in tokens)


def table_tokens(statement: Statement) -> Sequence[Token]:
    """The tokens of an ALTER TABLE from the table's name on, without what may be there: ``ONLY (t)``, ``t *``."""
    start = 2
    while start < len(statement.tokens) and statement.words[start] in ("IF", "EXISTS", "ONLY"):
        start += 1
    tokens = list(statement.tokens[start:])
    if tokens and tokens[0].text == "(":
        del tokens[0]
    end = 1
    while end + 1 < len(tokens) and tokens[end].text == ".":
        end += 2
    if end < len(tokens) and tokens[end].text in (")", "*"):
        del tokens[end]
    return tokens


def source(statement: Statement, tokens: Sequence[Token]) -> str:
    """The text of a run of the statement's tokens, as it was written."""
    if not tokens:
        return ""
    end = tokens[-1].start + len(tokens[-1].text)
    return statement.text[tokens[0].start - statement.start : end - statement.start]
