"""One answer put together of many: values that several servers have, in the order in which they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_USUAL: Final = frozenset({bytes, type(None)})


class Gathering:
    """The values of one reading, and how many parts of it are still to come."""

    __slots__ = ("_deliver", "_missing", "_values")

    def __init__(self, size: int, parts: int, deliver: Callable[[list[Any]], None]) -> None:
        self._values: list[Any] = [None] * size
        self._missing = parts
        self._deliver = deliver

    def put(self, places: list[int], answers: list[Any]) -> None:
        """The answers of one part: values, or in the place of one the exception that came instead."""
        values = self._values
        for place, answer in zip(places, answers, strict=True):
            values[place] = answer
        self._missing -= 1
        if not self._missing:
            self._deliver(values)


class Part:
    """What one node is asked for. Its answers come in the order of its commands."""

    __slots__ = ("answers", "names", "packed", "places")

    def __init__(self) -> None:
        self.places: list[int] = []
        self.names: list[bytes] = []
        self.packed: list[bytes] = []
        self.answers: list[Any] = []

    @property
    def usual(self) -> bool:
        """Whether all answers are values."""
        return _USUAL.issuperset(map(type, self.answers))
