"""The Lua scripts, by name. Each touches one slot; see the files for what each takes and answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

NAMES: Final = ("acquire", "hold", "fill", "put", "bump", "sync", "lock", "unlock")

SOURCES: Final = {name: files(__package__ or "").joinpath(f"{name}.lua").read_text() for name in NAMES}

DIGESTS: Final = {name: sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in SOURCES.items()}
"""What EVALSHA calls them."""


def call(script: str, keys: Sequence[bytes], *arguments: Any) -> tuple[Any, ...]:
    """The command that runs a script."""
    return (b"EVALSHA", DIGESTS[script], len(keys), *keys, *arguments)
