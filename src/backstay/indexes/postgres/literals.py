"""Parameter values as SQL constants, for EXECUTE, which takes no bound parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from backstay.errors import WorkloadError


def literal(value: Any) -> str:
    """The value as a constant whose type the statement's parameter decides.

    Raises:
        WorkloadError: a value of a type without a text form here. Names the type, never the value.
    """
    if value is None:
        return "null"
    return quoted(_text(value))


def quoted(text: str) -> str:
    """The text as a string constant (with standard_conforming_strings, the default since PostgreSQL 9.1)."""
    return "'" + text.replace("\0", "").replace("'", "''") + "'"


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float() | Decimal() | UUID():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return f"{value.total_seconds()} seconds"
        case bytes() | bytearray():
            return "\\x" + value.hex()
        case dict():
            return json.dumps(value)
        case list() | tuple() | set() | frozenset():
            return _array(list(value))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            raise WorkloadError(f"a parameter of type {type(value).__name__} cannot be written as an SQL constant")


def _array(values: Sequence[Any]) -> str:
    items = ["null" if item is None else _element(item) for item in values]
    return "{" + ",".join(items) + "}"


def _element(item: Any) -> str:
    if isinstance(item, (list, tuple)):
        return _array(item)  # pyright: ignore[reportUnknownArgumentType]
    text = _text(item).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
