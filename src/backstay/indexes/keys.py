"""Keys of an index from the subjects of conditions and sorts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .conditions import SortKey
from .declared import Key


def key_of(subject: str, is_column: bool, **options: object) -> Key:
    """A key for a column or an expression."""
    if is_column:
        return Key(column=subject, **options)  # type: ignore[arg-type]
    return Key(expression=subject, **options)  # type: ignore[arg-type]


def order_keys(order: Sequence[SortKey]) -> tuple[Key, ...]:
    """The keys of an order, ascending where reading backwards gives the same."""
    backward = all(key.desc and key.nulls_first for key in order)
    if backward:
        return tuple(key_of(key.subject, key.is_column) for key in order)
    return tuple(key_of(key.subject, key.is_column, desc=key.desc, nulls=_nulls(key)) for key in order)


def _nulls(key: SortKey) -> str | None:
    if key.desc == key.nulls_first:
        return None
    return "first" if key.nulls_first else "last"
