"""What a statement is, read from its first words: can it run in a transaction, and what does it lock?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .lexer import Kind, Token
from .quoting import quoted
from .splitting import Statement

# Statements that PostgreSQL refuses inside a transaction block (PreventInTransactionBlock in its source),
# as patterns over the statement's words. ALTER TYPE … ADD VALUE is allowed since version 12.
_OUTSIDE: Final = "|".join(
    (
        r"CREATE (UNIQUE )?INDEX CONCURRENTLY\b",
        r"DROP INDEX CONCURRENTLY\b",
        r"REINDEX (\([^)]*\bCONCURRENTLY\b(?! (FALSE|OFF)\b)[^)]*\) )?(TABLE|INDEX) CONCURRENTLY\b",
        r"REINDEX \([^)]*\bCONCURRENTLY\b(?! (FALSE|OFF)\b)[^)]*\) ",
        r"REINDEX (\([^)]*\) )?(SCHEMA|DATABASE|SYSTEM)\b",
        r"ALTER TABLE .* DETACH PARTITION \S+( \. \S+)? (CONCURRENTLY|FINALIZE)$",
        r"VACUUM\b",
        r"CLUSTER( \([^)]*\))?( VERBOSE)?$",
        r"ALTER SYSTEM\b",
        r"(CREATE|DROP) (DATABASE|TABLESPACE)\b",
        r"ALTER DATABASE .* SET TABLESPACE\b",
        r"(CREATE|DROP) SUBSCRIPTION\b",
        r"ALTER SUBSCRIPTION .* (REFRESH PUBLICATION|SET PUBLICATION|ADD PUBLICATION|DROP PUBLICATION)\b",
        r"COMMIT PREPARED\b",
        r"ROLLBACK PREPARED\b",
    )
)
_MAY_BE_OUTSIDE: Final = frozenset(
    ["CREATE", "DROP", "REINDEX", "ALTER", "VACUUM", "CLUSTER", "COMMIT", "ROLLBACK"]
)
_SQLITE_OUTSIDE: Final = r"(VACUUM|ATTACH|DETACH|PRAGMA (JOURNAL_MODE|FOREIGN_KEYS|SYNCHRONOUS|AUTO_VACUUM))\b"
_CONTROLS: Final = frozenset(["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE"])
_TRANSACTION_CONTROL: Final = (
    r"(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|PREPARE TRANSACTION)"
    r"( (TRANSACTION|WORK)\b.*| AND .*)?$"
    r"|BEGIN (ISOLATION|READ|DEFERRABLE|NOT|IMMEDIATE|EXCLUSIVE|DEFERRED)\b"
)


def head(statement: Statement, limit: int = 24) -> str:
    """The first tokens, separated by single blanks, keywords and plain names in upper case."""
    pairs = zip(statement.words[:limit], statement.tokens, strict=False)
    return " ".join(word or token.text for word, token in pairs)


def runs_outside_transaction(statement: Statement, *, dialect: str = "postgresql") -> bool:
    """Whether the server refuses the statement inside a transaction block."""
    if dialect == "sqlite":
        return re.match(_SQLITE_OUTSIDE, head(statement, 3)) is not None
    if statement.words[0] not in _MAY_BE_OUTSIDE:
        return False
    text = head(statement, 40)
    return re.match(_OUTSIDE, text) is not None


def controls_transaction(statement: Statement) -> bool:
    """Whether the statement begins or ends a transaction, which is the runner's business alone."""
    if statement.words[0] not in _CONTROLS:
        return False
    text = head(statement, 8)
    return re.match(_TRANSACTION_CONTROL, text) is not None and not text.startswith("ROLLBACK TO")


def changes_session(statement: Statement) -> bool:
    """Whether a setting may outlive the transaction: ``SET x``, or ``set_config(…)`` as pg_dump writes."""
    first = statement.tokens[0].upper
    if first in ("SET", "RESET", "DISCARD"):
        return statement.tokens[1:2] == () or statement.tokens[1].upper not in (
            "LOCAL",
            "TRANSACTION",
            "CONSTRAINTS",
        )
    return first in ("SELECT", "PERFORM", "DO") and any(t.text.lower() == "set_config" for t in statement.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexName:
    """The index that a CONCURRENTLY statement builds or drops, as written."""

    verb: str
    """CREATE, DROP or REINDEX."""
    name: str
    schema: str | None
    table: str | None
    """For CREATE: the table, as written and possibly qualified."""


def concurrent_index(statement: Statement) -> IndexName | None:
    """The index of a CREATE, DROP or REINDEX … CONCURRENTLY; None for all else or where it has no name."""
    words = statement.words
    verb = words[0]
    if verb not in ("CREATE", "DROP", "REINDEX") or "CONCURRENTLY" not in words[:8]:
        return None
    rest = list(statement.tokens[words.index("CONCURRENTLY") + 1 :])
    while rest and rest[0].upper in ("IF", "NOT", "EXISTS"):
        rest.pop(0)
    if verb == "REINDEX":
        if "INDEX" not in words[:8]:
            return None
        while rest and (rest[0].text == ")" or rest[0].upper in ("INDEX", "CONCURRENTLY")):
            rest.pop(0)
    parts = _name(rest)
    if not parts or (verb == "CREATE" and rest[0].upper == "ON"):
        return None
    table = None
    if verb == "CREATE" and "ON" in words:
        after = list(statement.tokens[words.index("ON") + 1 :])
        if after and after[0].upper == "ONLY":
            after.pop(0)
        table = ".".join(quoted(part) for part in _name(after)) or None
    return IndexName(verb=verb, name=parts[-1], schema=parts[-2] if len(parts) > 1 else None, table=table)


def _name(tokens: Sequence[Token]) -> list[str]:
    """A possibly qualified name at the start of the tokens, folded as the server folds it."""
    parts: list[str] = []
    for i in range(0, len(tokens), 2):
        if tokens[i].kind not in (Kind.WORD, Kind.QUOTED):
            break
        parts.append(identifier(tokens[i]))
        if i + 1 >= len(tokens) or tokens[i + 1].text != ".":
            break
    return parts


def identifier(token: Token) -> str:
    """The name that a token stands for: unquoted ones in lower case."""
    if token.kind is Kind.QUOTED:
        return token.text[1:-1].replace('""', '"') if token.text.startswith('"') else token.text
    return token.text.lower()


_ALTERS: Final = frozenset({"ALTER", "DROP", "TRUNCATE", "CREATE", "LOCK", "CLUSTER"})
_SKIPPED: Final = frozenset(
    {"TABLE", "ONLY", "IF", "EXISTS", "MATERIALIZED", "VIEW", "SEQUENCE", "FOREIGN", "INDEX"}
)


def locked_relations(statement: Statement) -> tuple[str, ...]:
    """The existing relations that the statement takes a strong lock on, as names for ``to_regclass``.

    A guess from its words, used only to look before entering the queue: a relation that it misses is waited
    for in the queue, for no longer than the lock timeout.
    """
    tokens, words = statement.tokens, statement.words
    if words[0] not in _ALTERS:
        return ()
    found: list[str] = []
    if words[0] != "CREATE" and words[1:2] and (set(words[1:3]) & _SKIPPED or words[0] in ("TRUNCATE", "LOCK")):
        start = 1
        while start < len(words) and words[start] in _SKIPPED:
            start += 1
        found.append(relation_name(tokens[start:]))
    for position, word in enumerate(words):
        referenced = word == "REFERENCES"
        indexed = (
            word == "ON" and words[0] in ("CREATE", "DROP") and {"INDEX", "TRIGGER", "POLICY"} & set(words[:4])
        )
        if referenced or indexed:
            rest = tokens[position + 1 :]
            found.append(relation_name(rest[1:] if rest and rest[0].upper == "ONLY" else rest))
    return tuple(dict.fromkeys(name for name in found if name))


def relation_name(tokens: Sequence[Token]) -> str:
    """The possibly qualified name that the tokens begin with, in double quotes."""
    return ".".join(quoted(part) for part in _name(tokens))
