"""Key rings in a file or an environment variable: a JWK set, each key with its times.

Beside the members of RFC 7517 a key has `signs_from`, `signs_until` and `verifies_until`, as Unix times; what
is absent is open. A file is written for its owner only, and replaced as a whole.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from backstay.clock import Clock
from backstay.errors import ConfigError, KeyRejected

from .jose import JoseKey, import_jwk
from .json import NotStrictJson, parse_object
from .keyring import KeyRing, RingKey

_TIMES = ("signs_from", "signs_until", "verifies_until")


def load_ring(text: str | bytes, /, *, clock: Clock | None = None) -> KeyRing:
    """The ring that a key set stands for.

    Raises:
        KeyRejected: a key is refused, or the text is no key set. The message quotes no key.
    """
    try:
        members: object = parse_object(text.encode() if isinstance(text, str) else text).get("keys")
    except NotStrictJson:
        raise KeyRejected("a key ring is a JSON object with a list named 'keys'") from None
    if not isinstance(members, list):
        raise KeyRejected("a key ring is a JSON object with a list named 'keys'")
    return KeyRing([_entry(member) for member in cast("list[object]", members)], clock=clock)


def dump_ring(entries: Iterable[RingKey], /) -> str:
    """The text of a ring, private halves included. Never log it."""
    keys = [_members(entry) for entry in entries]
    return json.dumps({"keys": keys}, indent=2) + "\n"


def read_ring(path: Path, /, *, clock: Clock | None = None) -> KeyRing:
    """The ring in a file. Raises ConfigError if it cannot be read, and as `load_ring`."""
    try:
        return load_ring(path.read_bytes(), clock=clock)
    except OSError as exc:
        raise ConfigError(f"the key ring {path} cannot be read: {exc.strerror}") from exc


def write_ring(path: Path, entries: Iterable[RingKey], /) -> None:
    """Replace the file at once: a reader sees the old ring or the new one. Mode 0600."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:  # mkstemp makes it for its owner only
            file.write(dump_ring(entries))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def ring_from_env(name: str, /, *, environ: Mapping[str, str] = os.environ, clock: Clock | None = None) -> KeyRing:
    """The ring in the variable `name`, or in the file that ``name_FILE`` names.

    Raises:
        ConfigError: neither is set, or both are.
    """
    text, path = environ.get(name), environ.get(f"{name}_FILE")
    if (text is None) == (path is None):
        raise ConfigError(f"set either {name} or {name}_FILE to a key ring; see 'backstay token keygen'")
    return load_ring(text, clock=clock) if text is not None else read_ring(Path(str(path)), clock=clock)


def _entry(member: object) -> RingKey:
    if not isinstance(member, dict):
        raise KeyRejected("a key of the ring is a JSON object")
    jwk = cast("dict[str, Any]", member)
    key = import_jwk({name: value for name, value in jwk.items() if name not in _TIMES})
    times = {name: _instant(jwk[name]) for name in _TIMES if name in jwk}
    return RingKey(key=key, **times)


def _instant(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 253_402_300_800:
        raise KeyRejected("the times of a key are Unix times")
    return datetime.fromtimestamp(value, UTC)


def _members(entry: RingKey) -> dict[str, object]:
    if not isinstance(entry.key, JoseKey):
        raise KeyRejected(f"key {entry.key.kid!r} is held elsewhere and cannot be written")
    times = {name: getattr(entry, name) for name in _TIMES}
    stated = {name: at.timestamp() for name, at in times.items() if at is not None and at.timestamp() > 0}
    return {**entry.key.private_jwk(), **stated}
