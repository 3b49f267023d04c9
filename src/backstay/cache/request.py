"""What one call of get-or-compute asks for, with its options checked and defaults filled in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar

from backstay.errors import InvalidKey

from .codecs import Codec, codec_for
from .envelope import MAX_TAGS
from .freshness import WIDEST_DRAW, Defaults, Lifetime, Ttl, seconds
from .keys import stored_name
from .scopes import check_tag
from .stats import Counts
from .transcode import Decoded

T = TypeVar("T")

_MOST_PLANS = 1000

Compute: TypeAlias = Callable[[], Awaitable[T]] | Callable[[], T]
"""What computes a value: an async function, or a sync one that is quick (it runs on the event loop)."""


@dataclass(frozen=True, slots=True)
class Label(Generic[T]):
    """How a value is written down, whatever it is."""

    codec: Codec[T]
    tags: tuple[str, ...] = ()
    sensitive: bool = False


class Options(TypedDict, Generic[T], total=False):
    """What a caller of get-or-compute may say beside the key, the computation and the ttl."""

    codec: Codec[T] | type[T] | None
    """A codec, or the type to decode into."""
    tags: Sequence[str]
    """Names for `invalidate_tags`. Give the same ones at every call for a key."""
    grace: Ttl | None
    """After the ttl, serve the old value for this long if computing anew *fails*, or takes too long."""
    swr: Ttl | None
    """After the ttl, serve the old value for this long at once and compute anew behind it."""
    early: float | None
    """How eagerly to renew ahead of expiry (XFetch's β); 0 turns it off."""
    jitter: float | None
    """Share of the ttl by which expiries are spread, 0 to 1."""
    negative_ttl: Ttl | None
    """The ttl of a None; 0 does not cache None."""
    cache_if: Callable[[T], bool] | None
    """Store only values for which this is true."""
    lease: Ttl | None
    """How long other processes wait for a computation whose process died."""
    soft_timeout: Ttl | None
    """Serve a value within grace if computing anew takes longer than this; the computation goes on."""
    hard_timeout: Ttl | None
    """Raise ComputeTimeout if computing takes longer than this; the computation goes on."""
    refresh: bool
    """Compute even if a fresh value is there."""
    sensitive: bool
    """Never store it unsealed."""
    local: bool
    """False: ask the backend, whatever this process remembers. Exact on every node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[T]):
    """Options, checked and with defaults filled in. Made once for each set of options, used by many calls."""

    label: Label[T]
    lifetime: Lifetime
    lease: float
    negative_ttl: float | None = None
    cache_if: Callable[[T], bool] | None = None
    soft_timeout: float | None = None
    hard_timeout: float | None = None
    refresh: bool = False
    local: bool = True
    afterlife: float = field(init=False)
    """Seconds for which the backend has to keep an entry past its ttl."""
    widest_draw: float = field(init=False)
    """So many ms per µs of cost before its expiry an entry is surely fresh, whatever XFetch draws."""
    outlives: bool = field(init=False)
    """Whether a computation goes on when its callers have gone."""
    patient: bool = field(init=False)
    """Whether a caller waits for as long as it takes, and takes what is there."""

    def __post_init__(self) -> None:
        """Made once, looked at by every call."""
        object.__setattr__(self, "afterlife", self.lifetime.afterlife)
        object.__setattr__(self, "widest_draw", self.lifetime.beta * WIDEST_DRAW)
        hurried = self.soft_timeout is not None or self.hard_timeout is not None
        object.__setattr__(self, "outlives", hurried)
        object.__setattr__(self, "patient", not hurried and not self.refresh)

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


def plan_for(ttl: Ttl | None, options: Options[T], defaults: Defaults) -> Plan[T]:
    """The plan that the options of a call mean.

    Raises:
        InvalidKey: a tag breaks the rules.
        ConfigError: a duration makes no sense.
        TypeError: there is no such option.
    """
    given: Any = dict(options)
    label: Label[T] = Label(
        codec_for(given.pop("codec", None)), check_tags(given.pop("tags", ())), given.pop("sensitive", False)
    )
    times = {name: given.pop(name, None) for name in ("grace", "swr", "early", "jitter")}
    durations: dict[str, Any] = {
        name: None if value is None else seconds(value, name, zero=name == "negative_ttl")
        for name in ("lease", "negative_ttl", "soft_timeout", "hard_timeout")
        for value in (given.pop(name, None),)
    }
    lease = durations.pop("lease")
    return Plan(
        label=label,
        lifetime=defaults.lifetime(ttl, **times),
        lease=defaults.lease if lease is None else lease,
        **durations,
        **given,
    )


class Plans:
    """The plans of one cache: each made once, then looked up."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self._made: dict[Any, Plan[Any]] = {}

    def of(self, ttl: Ttl | None, options: Options[T]) -> Plan[T]:
        """The plan for these options. Raises as `plan_for`."""
        try:
            asked: Any = (ttl, *options.items()) if options else ttl
            plan = self._made.get(asked)
        except TypeError:  # a list of tags, or the like: made anew each time
            return plan_for(ttl, options, self._defaults)
        if plan is None:
            plan = plan_for(ttl, options, self._defaults)
            if len(self._made) >= _MOST_PLANS:
                self._made.clear()
            self._made[asked] = plan
        return plan


class Request(Generic[T]):
    """One key, how to compute its value, and how to keep it."""

    __slots__ = ("compute", "counts", "key", "name", "old", "plan")

    def __init__(
        self, key: str, compute: Compute[T], plan: Plan[T], counts: Counts, old: Decoded[T] | None = None
    ) -> None:
        self.key = key
        self.counts = counts
        self.compute = compute
        self.plan = plan
        self.old = old
        """What was found and will not do, if it may be shown to the computation."""
        self.name = stored_name(key)
        """What the backend calls the key."""


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags, each once, in order.

    Raises:
        InvalidKey: a tag is none, or there are more than `MAX_TAGS`, or a bare text was given.
    """
    if isinstance(tags, str):
        raise InvalidKey(f"tags is a sequence of texts; write tags=({tags!r},)")
    if len(tags) > MAX_TAGS:
        raise InvalidKey(f"an entry has at most {MAX_TAGS} tags, not {len(tags)}")
    checked = tuple(dict.fromkeys(check_tag(tag) for tag in tags))
    if any(tag.startswith("\0") for tag in checked):
        raise InvalidKey("a tag does not begin with NUL: such are the cache's own")
    return checked
