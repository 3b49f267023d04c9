"""How one schema differs from another: which object, what was expected, what is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .snapshot import Item, Snapshot

_DECLARED: Final = frozenset({"table", "column", "constraint", "index"})
_VERSIONED: Final = frozenset({"view", "materialized view"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One object that is not as expected."""

    object: str
    """Kind and name."""
    expected: str | None
    """Its definition; None for an object that should not be there."""
    found: str | None
    """Its definition; None for an object that is missing."""

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.object} is missing: {self.expected}"
        if self.expected is None:
            return f"{self.object} is there and should not be: {self.found}"
        return f"{self.object} should be {self.expected!r} and is {self.found!r}"


def compare(expected: Snapshot, found: Snapshot) -> tuple[Drift, ...]:
    """What differs, by object. Of a table that is missing, or too many, its parts are not listed as well.

    Between two major versions of a server the bodies of views are not compared: each puts them its own way.
    """
    same_server = (expected.dialect, expected.server) == (found.dialect, found.server)
    return tuple(_differences(expected, found, compare_views=same_server))


def compare_declared(declared: Snapshot, found: Snapshot) -> tuple[Drift, ...]:
    """What differs from SQLAlchemy metadata. A view, a function or a type that it does not know is no drift."""
    known = [item for item in found.items.values() if item.kind in _DECLARED or str(item) in declared.items]
    return compare(declared, Snapshot.of(known, dialect=found.dialect, server=found.server))


def _differences(expected: Snapshot, found: Snapshot, *, compare_views: bool) -> Iterator[Drift]:
    for key in sorted(expected.items.keys() | found.items.keys()):
        wanted, there = expected.items.get(key), found.items.get(key)
        if wanted is None or there is None:
            if not _goes_with_its_table(wanted or there, expected, found):
                yield Drift(object=key, expected=_text(wanted), found=_text(there))
        elif wanted.definition != there.definition and (compare_views or wanted.kind not in _VERSIONED):
            yield Drift(object=key, expected=wanted.definition, found=there.definition)


def _goes_with_its_table(item: Item | None, expected: Snapshot, found: Snapshot) -> bool:
    if item is None or not item.relation or item.kind in ("table", *_VERSIONED):
        return False
    tables = [f"{kind} {item.relation}" for kind in ("table", *_VERSIONED)]
    return not any(table in expected.items and table in found.items for table in tables)


def _text(item: Item | None) -> str | None:
    return None if item is None else item.definition
