"""The values that the migration packages hand to each other and to the caller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a start that finds nothing to do loads none of what reads SQL
    from .files import Migration, Script


class Direction(StrEnum):
    """Which of a migration's two scripts a step runs."""

    UP = "up"
    DOWN = "down"


class EventKind(StrEnum):
    """What an entry of the history says. Entries are only ever added."""

    STARTED = "started"
    """A step that is not one transaction was begun."""
    STATEMENT = "statement"
    """One of its statements was completed."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    """The down script was completed."""
    ADOPTED = "adopted"
    """Taken as applied without being run: a baseline, or another tool's history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """One entry of the history. Instants are the database's, durations this process's, in seconds."""

    migration: str
    generation: int
    """How often the migration has been applied, this time included; from 1."""
    direction: Direction
    kind: EventKind
    statement: int | None = None
    """For STATEMENT, its number from 1."""
    checksum: str = ""
    """Of the script's tokens, see `Script.checksum`."""
    raw_checksum: str = ""
    """Of the script's bytes."""
    digests: str = ""
    """Of each statement, joined by commas, so that a later change can be named."""
    duration: float = 0.0
    lock_wait: float = 0.0
    attempts: int = 1
    app_version: str = ""
    host: str = ""
    run: str = ""
    """Which run wrote it: what `rollback` takes for a batch."""
    detail: str = ""
    sources: str = ""
    """The digest of all files, if nothing of them was pending after this entry; see `sources.digest`."""
    at: datetime | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the history says of one migration, folded over its events."""

    applied: bool = False
    adopted: bool = False
    generation: int = 0
    checksum: str = ""
    raw_checksum: str = ""
    digests: str = ""
    run: str = ""
    unfinished: Direction | None = None
    """The direction of a step that was begun and never completed; only steps without a transaction can be."""
    statements_done: int = 0
    unfinished_digests: str = ""
    order: int = 0
    """Position among all that is applied, oldest first."""


class Problem(StrEnum):
    """What `validate` may find. The names are part of the contract."""

    CHANGED = "changed-after-apply"
    REFORMATTED = "reformatted-after-apply"
    """Only comments, white space, line ends or a byte-order mark changed: nothing to do."""
    MISSING = "missing"
    AHEAD = "ahead"
    """Applied, unknown here, and newer than all that is known: an older build of the application runs."""
    OUT_OF_ORDER = "out-of-order"
    DIRTY = "dirty"
    """Begun and never completed. The next run resumes it, unless its completed statements changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that `validate` has to say. `blocks` tells whether a run is refused because of it."""

    problem: Problem
    migration: str
    message: str
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One migration to run in one direction."""

    migration: Migration
    direction: Direction
    generation: int
    resumes: bool = False
    """Whether an earlier run has begun and not completed it."""
    resume_after: int = 0
    """Statements of it that an earlier run has completed."""

    @property
    def script(self) -> Script:
        """What is run: the up or the down script."""
        return self.migration.down or self.migration.up if self.direction is Direction.DOWN else self.migration.up


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do, in order, and what speaks against it."""

    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings because of which a run is refused."""
        return tuple(finding for finding in self.findings if finding.blocks)


class Status(StrEnum):
    """What became of one migration in one run."""

    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    ADOPTED = "adopted"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not reached, because one before it failed."""
    HELD_BACK = "held-back"
    """A contract migration, or one after it, that waits until older versions of the application are gone."""
    PLANNED = "planned"
    """A dry run."""
    REHEARSED = "rehearsed"
    """Run on the database and rolled back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A backend that stood in the way of a lock."""

    pid: int
    application: str
    seconds: float
    """Age of its transaction."""
    query: str
    relation: str

    def __str__(self) -> str:
        return (
            f"pid {self.pid} ({self.application or 'no application name'}) has a lock on {self.relation} "
            f"for {self.seconds:.1f} s with: {self.query}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one migration, with its costs in seconds."""

    migration: str
    status: Status
    duration: float = 0.0
    lock_wait: float = 0.0
    attempts: int = 0
    blockers: tuple[Blocker, ...] = ()
    locks: tuple[str, ...] = ()
    """Of a rehearsal: ``mode on relation``, strongest first."""
    sql: str = ""
    """Of a dry run or a rehearsal: what would be sent."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Report(Mapping[str, Status]):
    """``{migration id: status}`` of what a run touched; empty when there was nothing to do."""

    outcomes: tuple[Outcome, ...] = ()
    runner_wait: float = field(default=0.0, kw_only=True)
    """Seconds spent waiting for another runner."""

    def __getitem__(self, migration: str) -> Status:
        return self.outcome(migration).status

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(outcome.migration for outcome in self.outcomes))

    def __len__(self) -> int:
        return len({outcome.migration for outcome in self.outcomes})

    def outcome(self, migration: str) -> Outcome:
        """What is known of a migration's part in the run; the last, where it had several. Raises KeyError."""
        for outcome in reversed(self.outcomes):
            if outcome.migration == migration:
                return outcome
        raise KeyError(migration)

    @property
    def duration(self) -> float:
        """Seconds that the steps took together, waiting for locks included."""
        return sum(outcome.duration for outcome in self.outcomes)


def fold(events: Sequence[HistoryEvent]) -> dict[str, State]:
    """The state of every migration that the history knows. Events come in the order they were written."""
    states: dict[str, State] = {}
    for order, event in enumerate(events):
        before = states.get(event.migration, _UNKNOWN)
        states[event.migration] = _after(before, event, order)
    return states


_UNKNOWN = State()


def _after(before: State, event: HistoryEvent, order: int) -> State:
    match event.kind:
        case EventKind.SUCCEEDED | EventKind.ADOPTED:
            return State(
                applied=True,
                adopted=event.kind is EventKind.ADOPTED,
                generation=event.generation,
                checksum=event.checksum,
                raw_checksum=event.raw_checksum,
                digests=event.digests,
                run=event.run,
                order=order,
            )
        case EventKind.ROLLED_BACK:
            return State(generation=event.generation)
        case EventKind.STARTED if before.unfinished is event.direction:
            return before  # begun again after a crash: what was completed stays completed
        case EventKind.STARTED:
            return _with(before, event, done=0)
        case EventKind.STATEMENT:
            return _with(before, event, done=event.statement or 0)
        case EventKind.FAILED:
            return before


def _with(before: State, event: HistoryEvent, *, done: int) -> State:
    return State(
        applied=before.applied,
        adopted=before.adopted,
        generation=before.generation,
        checksum=before.checksum,
        raw_checksum=before.raw_checksum,
        digests=before.digests,
        run=before.run,
        order=before.order,
        unfinished=event.direction,
        statements_done=done,
        unfinished_digests=event.digests or before.unfinished_digests,
    )
