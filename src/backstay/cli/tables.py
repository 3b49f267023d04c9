"""Rows as a table for people, or as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from enum import Enum

from backstay.errors import MissingExtraError

try:
    import click
except ImportError as exc:
    raise MissingExtraError("cli", "backstay") from exc


def show(header: Sequence[str], rows: Sequence[Sequence[str]], *, as_json: bool) -> None:
    """Print rows; as wide as the terminal, or as COLUMNS says where there is none."""
    if as_json:
        click.echo(json.dumps([dict(zip(header, row, strict=True)) for row in rows], default=_plain, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*header)
    for row in rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "200"))).print(table)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return (
        dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)
    )
