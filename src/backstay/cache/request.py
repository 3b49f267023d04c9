"""What one call of get-or-compute asks for, with its options checked and defaults filled in."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from backstay.errors import InvalidKey

from .codecs import Codec
from .envelope import MAX_TAGS
from .freshness import Lifetime
from .keys import stored_name
from .scopes import check_tag

T = TypeVar("T")

Compute: TypeAlias = Callable[[], Awaitable[T]] | Callable[[], T]
"""What computes a value: an async function, or a sync one that is quick (it runs on the event loop)."""


@dataclass(frozen=True, slots=True)
class Label(Generic[T]):
    """How a value is written down, whatever it is."""

    codec: Codec[T]
    tags: tuple[str, ...] = ()
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """One key, how to compute its value, and how long that is good for."""

    key: str
    compute: Compute[T]
    label: Label[T]
    lifetime: Lifetime
    lease: float
    negative_ttl: float | None
    cache_if: Callable[[T], bool] | None

    @property
    def name(self) -> str:
        """What the backend calls the key."""
        return stored_name(self.key)

    def ttl_of(self, value: T) -> float:
        """The ttl for this value, spread; None may have one of its own."""
        if value is None and self.negative_ttl is not None:
            return self.negative_ttl
        return self.lifetime.spread()

    def wanted(self, value: T) -> bool:
        """Whether the value should be stored."""
        if value is None and self.negative_ttl == 0:
            return False
        return self.cache_if is None or self.cache_if(value)


async def call(compute: Compute[T]) -> T:
    """Run the computation, whichever kind it is."""
    result: Any = compute()
    value: T = (await result) if inspect.isawaitable(result) else result
    return value


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags, each once, in order.

    Raises:
        InvalidKey: a tag is none, or there are more than `MAX_TAGS`, or a bare text was given.
    """
    if isinstance(tags, str):
        raise InvalidKey(f"tags is a sequence of texts; write tags=({tags!r},)")
    if len(tags) > MAX_TAGS:
        raise InvalidKey(f"an entry has at most {MAX_TAGS} tags, not {len(tags)}")
    return tuple(dict.fromkeys(check_tag(tag) for tag in tags))
