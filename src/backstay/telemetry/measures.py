"""What the metrics say of an event: a few words from closed lists, and durations. No driver is imported here.

A label costs one time series for each of its values, and whoever reads a metric is seldom allowed to read what
the metric is about. So nothing that a caller chose (a key, a user, a token, a migration's or a table's name, an
error's text) becomes a label: every outcome comes from a list that is written here, and is `OTHER` if it is not
in it. The one exception is the namespace of a cache key, which `Namespaces` keeps bounded.

Round trips to a database or to Redis are not measured: their drivers' instrumentations do that, as ``db.*``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, final

from backstay.cache import namespace_of
from backstay.cache.envelope import Doubt
from backstay.cache.events import (
    BackendFailed,
    ComputationFailed,
    Computed,
    Doubted,
    Invalidated,
    NotStored,
)
from backstay.errors import ConfigError, TokenReason
from backstay.events import Event
from backstay.indexes.events import IndexBuildWaiting, IndexSettled
from backstay.indexes.protocol import Action
from backstay.migrations.backfill import Progress
from backstay.migrations.events import RunStarted, StepFailedEvent, StepStarted, StepSucceeded
from backstay.migrations.model import Direction
from backstay.passwords.events import (
    AttemptAdmitted,
    AttemptRefused,
    BreachLookedUp,
    BreachSourceFailed,
    HashComputed,
    PasswordChecked,
    PasswordVerified,
)
from backstay.tokens.events import KeySetRefreshed, TokenRefreshed, TokenRefused

OTHER: Final = "other"
"""What stands for every value that no list has."""

MAX_NAMESPACES: Final = 100
"""How many namespaces a listener tells apart if it was not told which ones there are."""

COUNTER: Final = "backstay.events"
"""The counter of all events, by subject, event, outcome and namespace."""

_SUBJECTS = frozenset({"cache", "tokens", "passwords", "migrations", "indexes"})
_MAX_NAMESPACE_LENGTH = 64
_OPERATIONS = ("read", "acquire", "hold", "fill", "put", "bump", "probe")
_SHORT = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LONG = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


@dataclass(frozen=True, slots=True)
class Duration:
    """A histogram of seconds."""

    name: str
    """With dots, as OpenTelemetry has it; Prometheus has underscores and ``_seconds``."""
    about: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]
    """Upper bounds in seconds, ascending; the last one, infinity, is not among them."""


COMPUTATION: Final = Duration("backstay.cache.computation.duration", "A computation", ("namespace",), _SHORT)
HASH: Final = Duration("backstay.passwords.hash.duration", "Hashing, the wait for a thread included", (), _SHORT)
BREACH: Final = Duration("backstay.passwords.breach.duration", "A look-up of a breach", ("outcome",), _SHORT)
RUN_WAIT: Final = Duration("backstay.migrations.run.wait", "The wait for the runners' lock", (), _LONG)
STEP: Final = Duration("backstay.migrations.step.duration", "A migration's step", ("event", "outcome"), _LONG)
LOCK_WAIT: Final = Duration("backstay.migrations.lock.wait", "A step's wait for locks", ("outcome",), _LONG)
BATCH: Final = Duration("backstay.migrations.batch.duration", "One batch of a backfill", (), _SHORT)
ENSURE: Final = Duration("backstay.indexes.ensure.duration", "Ensuring one index", ("outcome",), _LONG)

DURATIONS: Final = (COMPUTATION, HASH, BREACH, RUN_WAIT, STEP, LOCK_WAIT, BATCH, ENSURE)
"""Every histogram that there is."""


@dataclass(frozen=True, slots=True)
class Measures:
    """One event, in the words and numbers that metrics may have."""

    subject: str
    event: str
    outcome: str
    """Empty for an event that has only one."""
    namespace: str
    """Empty for an event that is not about one cache key."""
    durations: tuple[tuple[Duration, float], ...]

    def label(self, name: str) -> str:
        """The value of the label `name`: ``subject``, ``event``, ``outcome`` or ``namespace``."""
        return str(getattr(self, name))


@final
class Namespaces:
    """Which namespaces of cache keys become labels. All others are `OTHER`.

    Args:
        known: the namespaces, as `cache_key` is given them. If not given: the first `MAX_NAMESPACES` that come
            up, of at most 64 characters, of keys that consist of more than a namespace. This is bounded, but it
            trusts that callers build keys with `cache_key`: of a key such as ``f"{user}:profile"`` it would
            show the user.

    Raises:
        ConfigError: `known` is a text, which would be taken for a list of its letters.
    """

    __slots__ = ("_known", "_seen")

    def __init__(self, known: Collection[str] | None = None) -> None:
        if isinstance(known, str):
            raise ConfigError(f"namespaces is a collection of texts, not one text: write [{known!r}]")
        self._known = None if known is None else frozenset(known)
        self._seen: set[str] = set()

    def label(self, key: str) -> str:
        """The label for a key."""
        namespace = namespace_of(key)
        if self._known is not None:
            return namespace if namespace in self._known else OTHER
        if namespace in self._seen:
            return namespace
        # A key without a colon may be anything that somebody cached something under.
        full = len(self._seen) >= MAX_NAMESPACES
        if full or namespace == key or not 0 < len(namespace) <= _MAX_NAMESPACE_LENGTH:
            return OTHER
        self._seen.add(namespace)
        return namespace


@dataclass(frozen=True, slots=True)
class _Rule:
    outcome: Callable[[Any], str] = lambda _event: ""
    durations: tuple[tuple[Duration, str], ...] = ()
    """Each with the event's field that has the seconds."""


def _among(field: str, known: Collection[str]) -> Callable[[Any], str]:
    value_of, words = attrgetter(field), frozenset(known)

    def outcome(event: Any) -> str:
        value = str(value_of(event))
        return value if value in words else OTHER

    return outcome


def _whether(field: str, yes: str, no: str) -> Callable[[Any], str]:
    value_of = attrgetter(field)
    return lambda event: yes if value_of(event) else no


_DIRECTION = _among("direction", [direction.value for direction in Direction])
_RULES: dict[type[Event], _Rule] = {
    Computed: _Rule(durations=((COMPUTATION, "seconds"),)),
    ComputationFailed: _Rule(_whether("served_stale", "stale", "raised")),
    NotStored: _Rule(_among("reason", ("refused", "unavailable", "too-large", "unencodable", "unsealed"))),
    Doubted: _Rule(_among("doubt", [doubt.value for doubt in Doubt])),
    Invalidated: _Rule(_whether("queued", "queued", "applied")),
    BackendFailed: _Rule(_among("operation", _OPERATIONS)),
    TokenRefreshed: _Rule(_whether("replayed", "replayed", "succeeded")),
    TokenRefused: _Rule(_among("reason", [reason.value for reason in TokenReason])),
    KeySetRefreshed: _Rule(_whether("failed", "failed", "fetched")),
    PasswordChecked: _Rule(_whether("valid", "valid", "invalid")),
    HashComputed: _Rule(durations=((HASH, "seconds"),)),
    PasswordVerified: _Rule(_whether("ok", "ok", "wrong")),
    BreachLookedUp: _Rule(_among("state", ("breached", "clear", "unknown")), ((BREACH, "seconds"),)),
    BreachSourceFailed: _Rule(_whether("open", "open", "closed")),
    AttemptRefused: _Rule(_among("bucket", ("pair", "account", "ip", "device"))),
    AttemptAdmitted: _Rule(_whether("known_device", "known-device", "new-device")),
    RunStarted: _Rule(durations=((RUN_WAIT, "waited"),)),
    StepStarted: _Rule(_DIRECTION),
    StepSucceeded: _Rule(_DIRECTION, ((STEP, "duration"), (LOCK_WAIT, "lock_wait"))),
    StepFailedEvent: _Rule(_DIRECTION, ((STEP, "duration"),)),
    Progress: _Rule(_whether("finished", "finished", "going-on"), ((BATCH, "seconds"),)),
    IndexBuildWaiting: _Rule(_whether("ours", "ours", "others")),
    IndexSettled: _Rule(_among("action", [action.value for action in Action]), ((ENSURE, "seconds"),)),
}
_PLAIN = _Rule()
_ABOUT_ONE_KEY = (Computed, ComputationFailed, NotStored, Doubted)


def measures_of(event: Event, namespaces: Namespaces) -> Measures:
    """What the metrics say of `event`. An event that is not backstay's own is `OTHER`, and only counted."""
    kind = type(event)
    rule = _RULES.get(kind, _PLAIN)
    subject, name = _names(kind)
    return Measures(
        subject=subject,
        event=name,
        outcome=rule.outcome(event),
        namespace=namespaces.label(event.key) if isinstance(event, _ABOUT_ONE_KEY) else "",
        durations=tuple((duration, getattr(event, field)) for duration, field in rule.durations),
    )


def _names(kind: type[Event]) -> tuple[str, str]:
    match kind.__module__.split("."):
        case ["backstay", subject, *_] if subject in _SUBJECTS:
            return subject, kind.__name__
        case _:
            return OTHER, OTHER
