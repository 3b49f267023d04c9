"""The SQL that the runners send on their own behalf: one file, one statement."""

from __future__ import annotations

from functools import cache
from pkgutil import get_data


@cache
def text(name: str) -> str:
    """The statement in ``<name>.sql``."""
    # Not importlib.resources: importing it costs more than everything that is read through it here.
    data = get_data(__name__, f"{name}.sql")
    if data is None:
        raise FileNotFoundError(f"{__name__}/{name}.sql")
    return data.decode()
