"""One computation for many keys: who is granted a key's lease waits until all keys have had their answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import anyio

from .results import MISSING, Missing

T = TypeVar("T")

ComputeMany = Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]
"""Computes the values of those keys. A key that is not in the answer has no value and is not cached."""


class Together(Generic[T]):
    """Collects the keys whose computation fell to this call, and computes them in one go.

    `answered` is called once per key, when it is known whether this call computes it. A key that is granted only
    later (the process that held its lease died) is computed alone.
    """

    def __init__(self, compute: ComputeMany[T], expected: int) -> None:
        self._compute = compute
        self._unanswered = expected
        self._all_answered = anyio.Event()
        self._keys: list[str] = []
        self._began = False
        self._landed = anyio.Event()
        self._values: Mapping[str, T] = {}
        self._error: Exception | None = None

    def answered(self) -> None:
        """One more key has had its first answer."""
        self._unanswered -= 1
        if self._unanswered <= 0:
            self._all_answered.set()

    async def value(self, key: str) -> T | Missing:
        """The key's value. What stands behind each key's flight."""
        if self._began:
            return (await self._compute([key])).get(key, MISSING)
        leads = not self._keys
        self._keys.append(key)
        await self._all_answered.wait()
        if leads:
            await self._compute_all()
        else:
            await self._landed.wait()
        if self._error is not None:
            raise self._error
        return self._values.get(key, MISSING)

    async def _compute_all(self) -> None:
        self._began = True
        self._error = InterruptedError("the computation that was to serve this key was cancelled")
        try:
            self._values = await self._compute(list(self._keys))
            self._error = None
        except Exception as exc:  # noqa: BLE001 - raised for every key that waits
            self._error = exc
        finally:
            self._landed.set()
