"""Which values may be handed to several callers: those that none of them can change (pure)."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

import msgspec

_ATOMS: Final = frozenset(
    {str, bytes, int, float, bool, complex, type(None), date, datetime, time, timedelta, Decimal, UUID}
)


def shareable(value: Any) -> bool:
    """Whether nothing in the value can be changed by who holds it.

    Atoms; tuples and frozen sets of such; frozen dataclasses and frozen msgspec Structs of such. Whoever reaches
    behind `frozen` (``object.__setattr__``) knows what they do.
    """
    kind: Any = value.__class__
    if kind in _ATOMS:
        return True
    if kind is tuple or kind is frozenset:
        return all(map(shareable, value))
    if isinstance(value, Enum):
        return True
    if isinstance(value, msgspec.Struct):
        return value.__struct_config__.frozen and all(
            shareable(getattr(value, name)) for name in value.__struct_fields__
        )
    if dataclasses.is_dataclass(value):
        params: Any = getattr(kind, "__dataclass_params__")  # noqa: B009 - not in the type
        return bool(params.frozen) and all(
            shareable(getattr(value, field.name)) for field in dataclasses.fields(value)
        )
    return False
