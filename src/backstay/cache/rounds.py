"""Of each kind, at most one asking for a key's lease at a time, shared by all who came before it began.

An answer that was asked for before a caller came may be older than what that caller has a right to. So who comes
while one is under way boards the flight that asks next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .flights import Flight


class Rounds:
    """The flights that ask, or are about to, by the name of their key."""

    def __init__(self, ask: Callable[[Flight[Any]], None]) -> None:
        """`ask` asks for a flight's lease; once it is answered, `over` is to be called."""
        self._ask = ask
        self._first: dict[str, Flight[Any]] = {}

    def open_to_all(self, name: str) -> Flight[Any] | None:
        """The flight for this key that has not asked yet and will, if there is one."""
        flight = self._first.get(name)
        if flight is not None and flight.asked:
            flight = flight.later
        return None if flight is None or flight.unwanted else flight

    def add(self, flight: Flight[Any], *, at_once: bool) -> None:
        """It asks now, or at `begin`; or else after the one that has asked already."""
        name = flight.request.name
        ahead = self._first.get(name)
        if ahead is not None and ahead.asked:
            ahead.later = flight
            return
        self._first[name] = flight
        if at_once:
            flight.asked = True
            self._ask(flight)

    def begin(self, flight: Flight[Any]) -> None:
        """Ask, unless it has, or its turn has not come."""
        if not flight.asked and self._first.get(flight.request.name) is flight:
            flight.asked = True
            self._ask(flight)

    def over(self, flight: Flight[Any]) -> None:
        """It has its answer, or will not ask. Who came since asks now."""
        name = flight.request.name
        if self._first.get(name) is not flight:
            return
        later = flight.later
        if later is None or later.unwanted:
            del self._first[name]
        else:
            self._first[name] = later
            self.begin(later)
