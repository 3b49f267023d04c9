"""Events as records of the standard library's logging."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from backstay.events import Event, Listener


class LogListener:
    """Writes each event to its subject's logger: ``backstay.cache``, ``backstay.tokens`` and so on.

    The level is the event's own (`Event.level`). The message is the event's name and its fields as
    ``name=repr``, so that a line feed in a key stays one record on one line; the fields are also in the record's
    ``backstay`` attribute, for handlers that write structured logs.
    """

    def __call__(self, event: Event, /) -> None:
        """Write the record, if anyone would read it."""
        kind = type(event)
        logger = logging.getLogger(".".join(kind.__module__.split(".")[:2]))
        if not logger.isEnabledFor(kind.level):
            return
        fields = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
        text = " ".join(f"{name}={value!r}" for name, value in fields.items())
        logger.log(kind.level, "%s %s", kind.__name__, text, extra={"backstay": {"event": kind.__name__, **fields}})


if TYPE_CHECKING:
    _: type[Listener] = LogListener
