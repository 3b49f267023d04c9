"""What a migration runner promises, and what a Python migration is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .model import Finding, HistoryEvent, Plan, Report


class MigrationConnection(Protocol):
    """The one connection of a step, handed to ``async def up(db)``.

    Everything sent through it belongs to the step's transaction. Not promised: any other connection; a step
    that opens one of its own leaves the transaction, and a crash can then leave half of it behind.
    """

    @property
    def dialect(self) -> str:
        """``postgresql`` or ``sqlite``."""
        ...

    async def execute(self, sql: str, /, *args: object) -> None:
        """Run SQL. Without arguments it may be several statements. Placeholders are the driver's own."""
        ...

    async def fetch(self, sql: str, /, *args: object) -> Sequence[Mapping[str, Any]]:
        """All rows of one statement, each a mapping from column to value."""
        ...

    async def fetchval(self, sql: str, /, *args: object) -> Any:
        """The first column of the first row, or None where there is no row."""
        ...


class MigrationRunner(Protocol):
    """Brings one database to where the migration files say it should be.

    Promised: of any number of runners at once, one works and the others wait and then find nothing to do; a
    step that is a transaction is applied exactly once, together with its entry in the history; one that
    cannot be a transaction is resumed where a crash left it.

    Not promised: that a statement which the server only runs outside transactions is sent exactly once (it
    may be sent again after a crash, and is cleaned up before), or that a migration can be undone.

    Every method may raise `MigrationPlanError`, `InvalidMigration` and `MigrationUnavailable`.
    """

    async def plan(self, target: str | None = None, /) -> Plan:
        """What `run` would do. Reads only: one query, no lock."""
        ...

    async def run(self, target: str | None = None, /) -> Report:
        """Apply what is pending, up to and including `target`. With nothing pending: one query, no lock.

        Raises:
            StepFailed: a step failed and what it did was taken back, or, without a transaction, stands up to
                the statement before. Nothing after it was tried. Carries the report.
            DangerousMigration: the linter refuses a pending file; nothing was run.
            MigrationLockLost: the lock went while working; the step at hand was taken back.

        A cancellation takes the step at hand back and leaves those before it applied.
        """
        ...

    async def rollback(
        self, target: str | None = None, /, *, steps: int | None = None, batch: bool = False
    ) -> Report:
        """Undo, newest first: all after `target`, or the last `steps` (default 1), or the last run.

        Raises as `run` does; before anything is undone if one of them has no down script.
        """
        ...

    async def validate(self) -> tuple[Finding, ...]:
        """How files and history disagree. Empty is good. Reads only."""
        ...

    async def history(self) -> tuple[HistoryEvent, ...]:
        """Everything that was ever written down, oldest first."""
        ...

    async def adopt(self, *migrations: str) -> Report:
        """Take these as applied without running them; of those that are applied, accept a changed file."""
        ...
