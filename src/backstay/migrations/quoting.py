"""Names and texts as they stand in SQL."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name in double quotes, safe in any statement."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal. NUL cannot be stored and is left out."""
    return "'" + text.replace("\x00", "").replace("'", "''") + "'"
