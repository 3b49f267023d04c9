"""What a computation may say about the value that it makes, and what it is told of the old one."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, final

from backstay.errors import NotConfiguredError

from .freshness import Ttl, seconds
from .request import check_tags
from .results import MISSING
from .scopes import check_tag
from .transcode import Decoded

_ETAG: Final = "\0etag:"  # kept among the tags, where no caller's can be: theirs do not begin with NUL


@final
class Computation:
    """The computation under way. Get it with `computation()`; what is set counts once the value is returned."""

    __slots__ = ("_tags", "_ttl", "cost", "etag", "key", "old")

    def __init__(self, key: str, old: Decoded[Any] | None) -> None:
        self.key = key
        self.old = old
        """What was found under the key and will not do."""
        self.cost = 0.0
        """Seconds that it took, once the value is made."""
        self.etag: str | None = None
        """What the source calls this version, up to 200 bytes."""
        self._ttl: float | None = None
        self._tags: tuple[str, ...] = ()

    @property
    def stale(self) -> Any:
        """The value that was there, however old; `MISSING` if there is none, or it was invalidated."""
        return MISSING if self.old is None else self.old.value

    @property
    def stale_etag(self) -> str | None:
        """The `etag` that was set when that value was made."""
        return None if self.old is None else _etag_in(self.old.tags)

    @property
    def ttl(self) -> float | None:
        """Seconds for which the value is fresh; None is what the caller asked for, and 0 does not store it."""
        return self._ttl

    @ttl.setter
    def ttl(self, ttl: Ttl | None) -> None:
        self._ttl = None if ttl is None else seconds(ttl, "ttl", zero=True)

    @property
    def tags(self) -> tuple[str, ...]:
        """Those added here."""
        return self._tags

    def add_tags(self, *tags: str) -> None:
        """Tag the value, beside what the caller did. Raises InvalidKey."""
        self._tags = check_tags((*self._tags, *tags))

    def not_modified(self) -> Any:
        """The old value, to be returned: it is good for another ttl, and keeps its etag.

        Raises:
            NotConfiguredError: there is no old value; look at `stale` first.
        """
        if self.stale is MISSING:
            raise NotConfiguredError(f"there is no old value of {self.key!r} that could be not modified")
        self.etag = self.stale_etag
        return self.stale

    def labels(self, given: tuple[str, ...]) -> tuple[str, ...]:
        """All that goes among the tags of the entry."""
        etag = () if self.etag is None else (check_tag(_ETAG + self.etag),)
        return tuple(dict.fromkeys((*given, *self._tags, *etag)))


def visible(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The tags that callers gave."""
    return tuple(tag for tag in tags if not tag.startswith("\0"))


def _etag_in(tags: tuple[str, ...]) -> str | None:
    return next((tag.removeprefix(_ETAG) for tag in tags if tag.startswith(_ETAG)), None)


under_way: Final[ContextVar[Computation]] = ContextVar("backstay.computation")


def computation() -> Computation:
    """The computation that the running code is part of.

    ::

        async def rates():
            this = computation()
            answer = await fetch(etag=this.stale_etag)
            if answer.status == 304:
                return this.not_modified()
            this.etag, this.ttl = answer.etag, answer.max_age
            return answer.rates

    Raises:
        NotConfiguredError: the code was not called by the cache.
    """
    try:
        return under_way.get()
    except LookupError:
        raise NotConfiguredError("computation() is for functions that the cache calls to compute a value") from None
