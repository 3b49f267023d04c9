"""One computation for many keys: who is granted a key's lease waits until all keys have had their answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import anyio

from .results import MISSING, Missing

T = TypeVar("T")

ComputeMany = Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]
"""Computes the values of those keys. A key that is not in the answer has no value and is not cached."""


class _Seat(Generic[T]):
    """One flight's claim to a value.

    A later flight for the same key has another: what was computed for the first may be older than what the
    second stands for.
    """

    __slots__ = ("error", "key", "served", "value")

    def __init__(self, key: str) -> None:
        self.key = key
        self.served = False
        self.value: T | Missing = MISSING
        self.error: Exception | None = None


class Together(Generic[T]):
    """Collects the keys whose computation fell to this call, and computes them in one go.

    `decided` is called once per key, when it is known whether this call computes it. A key that is granted only
    later (the process that held its lease died) is computed alone.
    """

    def __init__(self, compute: ComputeMany[T], expected: int) -> None:
        self._compute = compute
        self._undecided = expected
        self._all_decided = anyio.Event()
        self._turn = anyio.Lock()
        self._aboard: dict[_Seat[T], None] = {}

    def decided(self) -> None:
        """It is known of one more key."""
        self._undecided -= 1
        if self._undecided <= 0:
            self._all_decided.set()

    def no_more(self) -> None:
        """It will be known of no further key: whoever is aboard is served now."""
        self._all_decided.set()

    async def value(self, key: str) -> T | Missing:
        """The key's value. What stands behind each key's flight.

        The first one computes for all. If it is cancelled, because nobody waits for *its* key any more, the next
        one does: callers of the other keys may have come from elsewhere.
        """
        seat = _Seat[T](key)
        self._aboard[seat] = None
        try:
            await self._all_decided.wait()
            async with self._turn:
                if not seat.served:
                    await self._serve()
        finally:
            self._aboard.pop(seat, None)
        if seat.error is not None:
            raise seat.error
        return seat.value

    async def _serve(self) -> None:
        """Compute for all who are aboard and have not been served."""
        seats = [seat for seat in self._aboard if not seat.served]
        error: Exception | None = None
        values: Mapping[str, T] = {}
        try:
            values = await self._compute([seat.key for seat in seats])
        except Exception as exc:  # noqa: BLE001 - raised for every key that waits
            error = exc
        for seat in seats:
            seat.served, seat.error, seat.value = True, error, values.get(seat.key, MISSING)
