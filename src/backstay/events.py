"""What happened, told to whoever listens.

Events are the only way that observability gets into backstay: logging, OpenTelemetry and Prometheus are all
`Listener`s. Each subject defines its own events beside its code (`backstay.cache.events`, …); this module has
what they share. An event is frozen, and carries names, counts and durations: never a value, a password, a
token, or a connection string.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

_log = logging.getLogger("backstay.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all events."""

    level: ClassVar[int] = logging.DEBUG
    """How loudly to log it, in the standard library's levels."""


class Listener(Protocol):
    """Whatever can be called with an event.

    It is called on the event loop, in the middle of what it is told about: it must return at once and must
    not block. What it raises is logged to ``backstay.events`` and goes no further.
    """

    def __call__(self, event: Event, /) -> None:
        """Take note of the event."""
        ...


class Emitter:
    """Hands each event to every listener; a listener that fails disturbs neither the others nor the work."""

    __slots__ = ("_listeners", "listening")

    def __init__(self, listeners: Iterable[Listener] = ()) -> None:
        self._listeners: tuple[Listener, ...] = tuple(listeners)
        self.listening = bool(self._listeners)
        """Whether anyone listens: lets a hot path skip the making of an event."""

    def __call__(self, event: Event, /) -> None:
        """Hand the event on. Never raises."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception as exc:  # noqa: BLE001 - the work that the event tells of must go on
                # Only the type: a listener's message may quote what it was handling.
                _log.error(
                    "listener %s failed on %s: %s", _name(listener), type(event).__name__, type(exc).__name__
                )


def _name(listener: Listener | Callable[..., object]) -> str:
    return getattr(listener, "__qualname__", type(listener).__qualname__)
