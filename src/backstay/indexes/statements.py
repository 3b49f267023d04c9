"""SQL files of this package, by name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return (files("backstay.indexes") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
