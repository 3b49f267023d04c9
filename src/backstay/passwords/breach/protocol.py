"""What a source of breached passwords answers, and the two small things that the online one is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from backstay.secret import Secret

State: TypeAlias = Literal["breached", "clear", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachOutcome:
    """Three states, since "could not find out" is neither of the other two."""

    state: State
    count: int = 0
    """How often it was seen; 1 where the source keeps no counts, 0 when it is not breached."""


CLEAR: Final = BreachOutcome(state="clear")
UNKNOWN: Final = BreachOutcome(state="unknown")


class BreachChecker(Protocol):
    """A source of breached passwords.

    Not promised: that a password which is clear was never breached.
    """

    async def look_up(self, password: Secret, /) -> BreachOutcome:
        """What the source knows. A source that does not answer gives ``unknown`` and raises nothing.

        Raises:
            BreachDataError: a local database is damaged.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer, as far as a range query needs it."""

    status: int
    body: bytes
    retry_after: float | None = None


class Transport(Protocol):
    """One GET request. Bring your own HTTP client in three lines, or take `UrllibTransport`."""

    async def get(self, url: str, /, *, headers: dict[str, str], timeout: float, limit: int) -> Response:
        """The answer, whatever its status; redirects are not followed.

        Raises:
            OSError: no answer within `timeout` seconds (a TimeoutError), none at all, a cut one, or more than
                `limit` bytes.
        """
        ...


class RangeCache(Protocol):
    """Where answers are kept between queries. They are public data. Any cache of bytes fits."""

    async def get(self, key: str, /) -> bytes | None:
        """The value, or None when missing or expired."""
        ...

    async def set(self, key: str, value: bytes, /, *, ttl: float) -> None:
        """Keep the value for `ttl` seconds, or shorter."""
        ...
