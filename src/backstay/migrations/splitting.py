"""A text of SQL into its statements. Pure; judged against PostgreSQL's own parser in the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .lexer import Kind, SqlTextError, Token, locate, tokenize


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement, from its first token to its last, without the semicolon."""

    text: str
    start: int
    """Where it begins in the text it was cut from, in characters from 0."""
    line: int
    column: int
    tokens: tuple[Token, ...]
    """Its tokens, comments left out."""
    words: tuple[str, ...]
    """Its words in upper case, with an empty string for every token that is no word."""


def split(sql: str) -> list[Statement]:
    """The statements of a text; semicolons in bodies and in parentheses do not count.

    Raises:
        SqlTextError: as `tokenize`, and for the data that follows ``COPY … FROM stdin``.
    """
    statements: list[Statement] = []
    gathered: list[Token] = []
    body = _Body()
    for token in tokenize(sql):
        if token.kind is Kind.COMMENT:
            continue
        if token.text == ";" and not body.is_open:
            if gathered:
                statements.append(_statement(sql, gathered))
            gathered, body = [], _Body()
        else:
            gathered.append(token)
            body.note(gathered)
    if gathered:
        statements.append(_statement(sql, gathered))
    return statements


class _Body:
    """Whether a semicolon stands inside parentheses, a ``BEGIN ATOMIC`` body, or an SQLite trigger."""

    def __init__(self) -> None:
        self._parentheses = 0
        self._blocks = 0
        self._routine: str | None = None

    def note(self, gathered: Sequence[Token]) -> None:
        token = gathered[-1]
        if token.kind is Kind.MARK:
            self._parentheses += {"(": 1, ")": -1}.get(token.text, 0)
        elif token.kind is Kind.WORD:
            self._note_word(token.text.upper(), gathered)

    def _note_word(self, word: str, gathered: Sequence[Token]) -> None:
        if self._routine is None:
            self._routine = _routine(gathered)
        before = gathered[-2] if len(gathered) > 1 else None
        # After AS or a dot even a reserved word is only a name.
        if not self._routine or (before is not None and (before.upper == "AS" or before.text == ".")):
            return
        opens_body = (word == "ATOMIC" and before is not None and before.upper == "BEGIN") or (
            self._routine == "TRIGGER" and word == "BEGIN"
        )
        if (opens_body and not self._blocks) or (word == "CASE" and self._blocks):
            self._blocks += 1
        elif word == "END" and self._blocks:
            self._blocks -= 1

    @property
    def is_open(self) -> bool:
        return self._parentheses > 0 or self._blocks > 0


_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "TRIGGER"})
_BEFORE_ROUTINE = frozenset({"OR", "REPLACE", "CREATE", "TEMP", "TEMPORARY", "CONSTRAINT"})


def _routine(gathered: Sequence[Token]) -> str | None:
    """What kind of routine the statement creates, "" if none, None while it cannot be told."""
    if gathered[0].upper != "CREATE":
        return ""
    word = gathered[-1].upper
    if word in _ROUTINES:
        return word
    return None if word in _BEFORE_ROUTINE else ""


def _copies_from_client(tokens: Sequence[Token]) -> bool:
    words = [token.upper for token in tokens]
    return any(word == "FROM" and words[i + 1 : i + 2] == ["STDIN"] for i, word in enumerate(words))


def _statement(sql: str, tokens: Sequence[Token]) -> Statement:
    if tokens[0].upper == "COPY" and _copies_from_client(tokens):
        raise SqlTextError(
            "COPY FROM stdin reads its data from the client; write INSERT, or a Python step that copies",
            offset=tokens[0].start,
        )
    start = tokens[0].start
    end = tokens[-1].start + len(tokens[-1].text)
    line, column = locate(sql, start)
    return Statement(
        text=sql[start:end],
        start=start,
        line=line,
        column=column,
        tokens=tuple(tokens),
        words=tuple(token.upper for token in tokens),
    )
