"""What an index planner promises, and the values that it speaks in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from .catalog import CatalogIndex
from .declared import Index
from .gate import Gate

if TYPE_CHECKING:
    from .health import HealthReport


class Status(Enum):
    """How a wanted index stands in the catalogue."""

    PRESENT = "present"
    OTHER_NAME = "present under another name"
    MISSING = "missing"
    INVALID = "invalid"
    IN_PROGRESS = "in progress"
    CONFLICT = "same name, other definition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One wanted index beside what the catalogue has for it: by definition first, by name second."""

    wanted: Index
    status: Status
    found: CatalogIndex | None = None

    @property
    def satisfied(self) -> bool:
        """Whether nothing needs to be done."""
        return self.status in (Status.PRESENT, Status.OTHER_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDiff:
    """Every wanted index compared, and what the tables concerned have beyond that.

    `superfluous` leaves out whatever backs a constraint or the replica identity.
    """

    comparisons: tuple[Comparison, ...]
    superfluous: tuple[CatalogIndex, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every wanted index stands."""
        return all(comparison.satisfied for comparison in self.comparisons)


class Action(Enum):
    """What `ensure` did about one index."""

    KEPT = "kept"
    CREATED = "created"
    REBUILT = "rebuilt"
    REPLACED = "replaced"
    AWAITED = "awaited"
    DROPPED = "dropped"
    FAILED = "failed"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A session that a build waits for: who it is, never what it asks.

    `ours` says that it has the application name, user and address of our own connections: most likely a
    connection of this very pool that was left inside a transaction.
    """

    pid: int
    user: str
    application: str
    state: str
    waiting_since: float
    ours: bool

    def __str__(self) -> str:
        owner = " (a connection of this application: look for a transaction left open)" if self.ours else ""
        name = self.application or "unnamed"
        return f"pid {self.pid} of {self.user}, {name}, {self.state} for {self.waiting_since:.1f} s{owner}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one index, how long it took (seconds), and why if it failed."""

    index: str
    table: str
    action: Action
    seconds: float = 0.0
    attempts: int = 1
    reason: str = ""
    blockers: tuple[Blocker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureReport:
    """The outcome for each wanted index, in the order they were given, then what was pruned."""

    outcomes: tuple[Outcome, ...]

    def of(self, *actions: Action) -> tuple[Outcome, ...]:
        """The outcomes with one of these actions."""
        return tuple(outcome for outcome in self.outcomes if outcome.action in actions)

    @property
    def changed(self) -> bool:
        """Whether anything was created, rebuilt, replaced or dropped."""
        return bool(self.of(Action.CREATED, Action.REBUILT, Action.REPLACED, Action.DROPPED))

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing was put off."""
        return not self.of(Action.FAILED, Action.DEFERRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureOptions:
    """How `ensure` goes about it. Durations are seconds.

    `lock_timeout` bounds each wait of a build for other sessions; a concurrent build that ran into it tries
    again up to `retries` times, waiting twice as long each time (it blocks no writer while it waits).
    `deadline` bounds the whole call. `prune` drops superfluous indexes once everything wanted stands, `replace`
    swaps an index that has the wanted name and another definition. `strict` raises at the end if anything
    failed; otherwise the report says so.
    """

    concurrently: bool = True
    lock_timeout: float = 5.0
    deadline: float | None = None
    retries: int = 5
    gate: Gate | None = None
    prune: bool = False
    replace: bool = False
    strict: bool = True

    def __post_init__(self) -> None:
        if self.lock_timeout <= 0 or self.retries < 0 or (self.deadline is not None and self.deadline <= 0):
            raise ValueError("lock_timeout and deadline are above zero, retries zero or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """One build in flight, as the server tells it. `eta` is in seconds, None while it cannot be told."""

    pid: int
    table: str
    index: str
    phase: str
    done: int
    total: int
    blockers: tuple[Blocker, ...] = ()
    eta: float | None = None

    @property
    def fraction(self) -> float:
        """The part of this phase that is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class IndexPlanner(Protocol):
    """Makes a database have the indexes that are wanted, and says which of those it has earn their keep.

    Not promised: that two calls see the same catalogue (others may change it between them); that a build is
    quick; or that an index once found healthy stays so. Definitions are compared as the server understands
    them, so a planner needs a server that may be written to (a temporary table), except for `health`.
    """

    async def diff(self, wanted: Iterable[Index], /) -> IndexDiff:
        """Compare what is wanted with the catalogue, by definition. Changes nothing.

        Raises:
            InvalidIndex: a definition that its table cannot have; names table and reason.
            IndexServerUnavailable: the server did not answer.
        """
        ...

    async def ensure(self, wanted: Iterable[Index], /, *, options: EnsureOptions | None = None) -> EnsureReport:
        """Make the catalogue contain what is wanted. Idempotent; safe from many workers at once.

        Cancellation stops the build under way and removes what it left, unless others are in the way; a process
        that is killed leaves at most an invalid index, or a replacement under its interim name. The next call
        mends either.

        Raises:
            InvalidIndex: as in `diff`; nothing was built.
            IndexBuildFailed: something could not be built and ``options.strict`` holds. Everything else was.
            IndexBuildTimeout: the deadline passed; names whom the build waited for.
            IndexServerUnavailable: the server did not answer.
        """
        ...

    async def drop(self, names: Iterable[str], /, *, lock_timeout: float = 5.0) -> tuple[str, ...]:
        """Drop indexes by name, without blocking writers where the server can. Returns the undo statements.

        A name that does not exist is passed over. Raises IndexBuildFailed for one that backs a constraint, or
        that could be any of several.
        """
        ...

    async def health(
        self, *, min_stats_age: timedelta = timedelta(days=14), replicas: Sequence[str] = ()
    ) -> HealthReport:
        """Find duplicate, redundant, invalid, unused, bloated and missing foreign-key indexes.

        `replicas` are connection strings of standbys, whose scans count as use. Changes nothing.

        Raises:
            IndexServerUnavailable: the server, or one of the replicas, did not answer.
        """
        ...


class SupportsProgress(Protocol):
    """A planner whose server tells how far a build is."""

    def progress(self, *, interval: float = 0.5) -> AsyncIterator[tuple[BuildProgress, ...]]:
        """The builds in flight in this database, every `interval` seconds, until there are none."""
        ...
