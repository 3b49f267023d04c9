"""What the definition of a column says, and what of it will be regretted."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from .lexer import Kind, Token
from .lint_rules import Found, source, style
from .splitting import Statement
from .statements import identifier

# Functions whose value may differ from row to row: as a default of a new column they rewrite the table. now()
# and its kin are the same for all rows of a statement, and do not.
_STABLE: Final = frozenset(
    [
        "NOW",
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "LOCALTIMESTAMP",
        "LOCALTIME",
        "TRANSACTION_TIMESTAMP",
        "STATEMENT_TIMESTAMP",
        "CURRENT_USER",
        "SESSION_USER",
        "CURRENT_SCHEMA",
        "CURRENT_DATABASE",
        "JSONB_BUILD_OBJECT",
        "JSON_BUILD_OBJECT",
        "JSONB_BUILD_ARRAY",
        "ARRAY",
        "LOWER",
        "UPPER",
        "COALESCE",
        "TO_TIMESTAMP",
        "MAKE_INTERVAL",
        "VARCHAR",
        "NUMERIC",
        "DECIMAL",
        "CHAR",
        "CHARACTER",
        "VARYING",
        "TIMESTAMP",
        "TIMESTAMPTZ",
        "INTERVAL",
        "BIT",
        "DATE_TRUNC",
        "TIMEZONE",
        "CURRENT_SETTING",
        "INT4RANGE",
        "INT8RANGE",
        "TSTZRANGE",
        "DATERANGE",
        "MD5",
        "LENGTH",
        "ROUND",
        "CAST",
        "CONCAT",
        "REPLACE",
        "POINT",
    ]
)


def volatile_default(tokens: Sequence[Token]) -> str | None:
    """The first function in a DEFAULT that may differ from row to row, as far as its name tells."""
    words = [token.upper for token in tokens]
    if "DEFAULT" not in words:
        return None
    rest = tokens[words.index("DEFAULT") + 1 :]
    for token, following in itertools.pairwise(rest):
        if token.upper in ("REFERENCES", "CHECK", "CONSTRAINT"):
            return None
        if following.text == "(" and token.kind in (Kind.WORD, Kind.QUOTED) and token.upper not in _STABLE:
            return token.text
    return None


_AFTER_TYPE: Final = frozenset(
    [
        "DEFAULT",
        "NOT",
        "NULL",
        "REFERENCES",
        "CONSTRAINT",
        "CHECK",
        "UNIQUE",
        "PRIMARY",
        "GENERATED",
        "COLLATE",
    ]
)


def type_in(statement: Statement, tokens: Sequence[Token]) -> str:
    """The type, as it was written."""
    end = next((i for i, token in enumerate(tokens) if token.upper in _AFTER_TYPE), len(tokens))
    return source(statement, tokens[:end])


def default_in(statement: Statement, tokens: Sequence[Token]) -> str:
    """The expression behind DEFAULT, as it was written."""
    words = [token.upper for token in tokens]
    begin = end = words.index("DEFAULT") + 1
    depth = 0
    while end < len(tokens):
        depth += {"(": 1, ")": -1}.get(tokens[end].text, 0)
        if depth == 0 and words[end] in (
            "NOT",
            "NULL",
            "REFERENCES",
            "CHECK",
            "CONSTRAINT",
            "UNIQUE",
            "PRIMARY",
        ):
            break
        end += 1
    return source(statement, tokens[begin:end])


class ColumnCheck(NamedTuple):
    """A CHECK in a column's definition: its name if it has one, its text, and the definition without it."""

    name: str
    text: str
    rest: str


def check_in(statement: Statement, tokens: Sequence[Token]) -> ColumnCheck | None:
    """The first CHECK among the tokens of a column's definition."""
    words = [token.upper for token in tokens]
    if "CHECK" not in words:
        return None
    begin = end = words.index("CHECK")
    depth = 0
    while end < len(tokens):
        depth += {"(": 1, ")": -1}.get(tokens[end].text, 0)
        end += 1
        if depth == 0 and tokens[end - 1].text == ")":
            break
    named = begin >= 2 and words[begin - 2] == "CONSTRAINT"
    before = tokens[: begin - 2 if named else begin]
    rest = f"{source(statement, before)} {source(statement, tokens[end:])}".strip()
    name = identifier(tokens[begin - 1]) if named else ""
    return ColumnCheck(name, source(statement, tokens[begin:end]), rest)


def column_style(definition: str) -> Iterator[Found]:
    """Types that will be regretted, at the start of a column's definition."""
    if re.match(r"(CHAR|CHARACTER|BPCHAR)\b(?! VARYING)", definition):
        yield style("char-column", "char(n) pads with blanks; use text")
    elif re.match(r"(VARCHAR|CHARACTER VARYING) \(", definition):
        yield style("varchar-limit", "a longer limit later changes the column's type; use text with a CHECK")
    elif re.match(r"TIMESTAMP\b(?! (\( \d+ \) )?WITH TIME ZONE)", definition):
        yield style(
            "timestamp-without-zone",
            "an instant without a zone means something else to everybody; use timestamptz",
        )
    elif re.match(r"(SMALL|BIG)?SERIAL", definition):
        yield style(
            "serial-column", "a serial's sequence has an owner and rights of its own; use an identity column"
        )
    elif re.match(r"JSON\b", definition):
        yield style("json-type", "json has no equality, so DISTINCT and GROUP BY fail; use jsonb")
    if re.match(r"(INT|INTEGER|INT4|SMALLINT|INT2|SERIAL|SMALLSERIAL)\b.*(PRIMARY KEY|GENERATED)", definition):
        yield style("small-key", "a key of 32 bits runs out, and widening it later rewrites the table; use bigint")
