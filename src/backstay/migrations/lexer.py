"""SQL text to tokens: just enough of PostgreSQL's lexical rules to know where a statement ends.

The rules are those of the manual's "Lexical Structure" chapter with ``standard_conforming_strings`` on:
quotes, ``E''``, ``U&''``, dollar tags, comments that nest. SQLite's text passes too. What only the client
``psql`` understands (backslash commands, ``:'variables'``) is no SQL and is refused by name.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from typing import Final, NamedTuple


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    """A keyword or an unquoted identifier."""
    QUOTED = "quoted"
    """A quoted identifier."""
    STRING = "string"
    """A literal in any of the quoting styles, dollar quoting excepted."""
    DOLLAR = "dollar"
    """A dollar-quoted literal, which is most often the body of a function."""
    NUMBER = "number"
    """A numeric literal or a parameter such as ``$1``."""
    MARK = "mark"
    """One character of punctuation or of an operator."""
    COMMENT = "comment"
    """A comment of either style."""


class Token(NamedTuple):
    """A piece of the text that `tokenize` was given."""

    kind: Kind
    text: str
    start: int

    @property
    def upper(self) -> str:
        """The text of a word in upper case; empty for all else, so that no literal passes for a keyword."""
        return self.text.upper() if self.kind is Kind.WORD else ""


class SqlTextError(ValueError):
    """A text that cannot be cut into tokens or statements. `offset` counts characters from 0."""

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


# Possessive quantifiers throughout: a text without its closing quote must fail in linear time.
_MORE = r"(?:[ \t\f\v]*+(?:--[^\r\n]*+)?[\r\n](?:\s|--[^\r\n]*+[\r\n])*+'"  # a literal goes on after a line end
_PLAIN = r"(?:[^']|'')*+'"
_ESCAPED = r"(?:[^'\\]|''|\\.)*+'"
_GRAMMAR: Final = rf"""
      (?P<space>\s++)
    | (?P<line>--[^\r\n]*+)
    | (?P<block>/\*)
    | (?P<string>[eE]'{_ESCAPED}{_MORE}{_ESCAPED})*+ | (?:[uU]&|[bBxXnN])?'{_PLAIN}{_MORE}{_PLAIN})*+ )
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*+")
    | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*+)?\$)
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*+)
    | (?P<number>\$\d++|\d\w*+(?:\.(?!\.)\w*+)?|\.\d\w*+)
    | (?P<open>["'])
    | (?P<meta>\\)
    | (?P<variable>:['"])
    | (?P<mark>[^\x00])
    """
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_BY_GROUP: Final = {
    "string": Kind.STRING,
    "quoted": Kind.QUOTED,
    "word": Kind.WORD,
    "number": Kind.NUMBER,
    "mark": Kind.MARK,
    "line": Kind.COMMENT,
}


@cache
def _pattern() -> re.Pattern[str]:
    """Compiled when there is something to read: a start with nothing pending should not pay for it."""
    return re.compile(_GRAMMAR, re.VERBOSE | re.DOTALL | re.ASCII)


def tokenize(sql: str) -> list[Token]:
    """Every token of a text, comments included, white space left out.

    Raises:
        SqlTextError: a quote, comment or dollar tag that is not closed, a NUL, or something that only psql
            understands.
    """
    tokens: list[Token] = []
    position, size = 0, len(sql)
    match = _pattern().match
    while position < size:
        found = match(sql, position)
        if found is None:
            raise SqlTextError("a NUL character cannot stand in SQL", offset=position)
        group = found.lastgroup or ""
        end = found.end()
        if group != "space":
            kind = _BY_GROUP.get(group)
            if kind is None:
                kind, end = _special(sql, group, position, end)
            tokens.append(Token(kind, sql[position:end], position))
        position = end
    return tokens


def _special(sql: str, group: str, start: int, end: int) -> tuple[Kind, int]:
    """The tokens whose end a regular expression cannot find, and those that are no SQL."""
    match group:
        case "block":
            return Kind.COMMENT, _end_of_comment(sql, start)
        case "dollar":
            closing = sql.find(sql[start:end], end)
            if closing < 0:
                raise SqlTextError(f"the dollar quote {sql[start:end]} is not closed", offset=start)
            return Kind.DOLLAR, closing + end - start
        case "open":
            what = "quoted identifier" if sql[start] == '"' else "string"
            raise SqlTextError(f"the {what} that begins here is not closed", offset=start)
        case "meta":
            word = re.match(r"\\\S*", sql[start : start + 20])
            raise SqlTextError(
                f"{word.group() if word else chr(92)} is a psql command, which the server does not know; "
                "write it as SQL or leave it out",
                offset=start,
            )
        case _:
            raise SqlTextError("a psql variable, which the server does not know; write the value", offset=start)


def _end_of_comment(sql: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise SqlTextError("the comment that begins here is not closed", offset=start)


def locate(sql: str, offset: int) -> tuple[int, int]:
    """Line and column of a character, both counted from 1 as editors do."""
    line = sql.count("\n", 0, offset) + 1
    return line, offset - (sql.rfind("\n", 0, offset) + 1) + 1
