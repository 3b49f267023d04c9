"""Which values several callers may hold at once."""

from dataclasses import dataclass
from datetime import date
from enum import Enum

import msgspec
import pytest

from backstay.cache.shareable import shareable


@dataclass(frozen=True)
class Frozen:
    inner: object


@dataclass
class Open:
    inner: object


class Struct(msgspec.Struct):
    inner: object


class FrozenStruct(msgspec.Struct, frozen=True):
    inner: object


class Colour(Enum):
    RED = 1


class Text(str):
    """A subclass may carry anything."""


@pytest.mark.parametrize(
    "value",
    [None, 1, 1.5, True, "text", b"bytes", date(2026, 1, 1), (), (1, ("a", None)), frozenset({1}), Frozen(1),
     FrozenStruct((1, 2)), Colour.RED],
)  # fmt: skip
def test_what_nobody_can_change_is_shared(value):
    assert shareable(value)


@pytest.mark.parametrize(
    "value",
    [[], {}, set(), bytearray(b"x"), ([],), Frozen([]), Open(1), Struct(1), FrozenStruct({}), Text("x"), object()],
)
def test_what_somebody_could_change_is_not(value):
    assert not shareable(value)
