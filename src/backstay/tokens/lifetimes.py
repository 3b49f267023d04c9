"""How long tokens and their sessions last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long things last.

    `grace` is how long a refresh token that has just been used is answered again with the same successor:
    for racing tabs and lost answers. Whoever replays a stolen token within it gets what the client gets, and
    is found out when their uses part.
    """

    access: timedelta = timedelta(minutes=10)
    idle: timedelta = timedelta(days=14)
    absolute: timedelta = timedelta(days=90)
    grace: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if not timedelta(0) < self.access <= self.idle <= self.absolute:
            raise ValueError("lifetimes grow from access over idle to absolute, and are above zero")
        if not timedelta(0) <= self.grace <= timedelta(minutes=5):
            raise ValueError("the grace is between zero and five minutes")
