"""How a module-level function finds the object it works on.

``await get_cached_or_compute(...)`` names no cache. It means the innermost one that is open where it is
called. A `ContextVar` alone cannot tell: an ASGI server runs the lifespan and each request in tasks of their
own, so what the lifespan set is not seen by a request. Hence three steps, in this order:

1. what the current context entered (`Ambient.entered`);
2. else the one that is open in this thread, when exactly one is;
3. else the process-wide default, where the subject has one.

Several open ones and none in the context is an error and not a guess.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Generic, TypeVar

from .errors import NotConfiguredError

T = TypeVar("T")


class Ambient(Generic[T]):
    """The open objects of one kind, and the way to the one that is meant."""

    def __init__(self, what: str, *, default: Callable[[], T] | None = None, missing: str = "") -> None:
        """`what` names the kind in errors; `default` makes the process-wide one; `missing` is the remedy."""
        self._what = what
        self._missing = missing
        self._default = default
        self.variable: ContextVar[T] = ContextVar(f"backstay.{what}")
        """Set in the context of an open one. `get` also finds one that was opened outside this context."""
        self._open: list[tuple[int, T]] = []

    def get(self) -> T:
        """The object that a call in this context means.

        Raises:
            NotConfiguredError: none is open and there is no default, or several are open and none of them
                in this context.
        """
        try:
            return self.variable.get()
        except LookupError:
            return self._outside_context()

    def _outside_context(self) -> T:
        thread = threading.get_ident()
        here = [value for opened_in, value in self._open if opened_in == thread]
        if len(here) == 1:
            return here[0]
        if here:
            raise NotConfiguredError(
                f"{len(here)} of {self._what} are open and none in this context: pass the one you mean"
            )
        if self._default is None:
            raise NotConfiguredError(f"no {self._what} is open. {self._missing}".strip())
        return self._default()

    @contextmanager
    def entered(self, value: T) -> Generator[T]:
        """Make `value` the one that is meant, until the block ends."""
        mark = (threading.get_ident(), value)
        self._open.append(mark)
        token = self.variable.set(value)
        try:
            yield value
        finally:
            self._open = [other for other in self._open if other is not mark]
            # ValueError: closed from another context than it was opened in (pytest fixtures do so). That
            # context never saw the variable set, so there is nothing to take back.
            with suppress(ValueError):
                self.variable.reset(token)
