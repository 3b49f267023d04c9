"""`run_pending_migrations`: the runner of the open Backstay, or the one that is given."""

from __future__ import annotations

from typing import Final

from backstay.ambient import Ambient

from .model import Report
from .protocol import MigrationRunner

open_runners: Final = Ambient[MigrationRunner](
    "migration runners",
    missing="Set BACKSTAY_DATABASE_URL and a directory of migrations, or pass runner=.",
)
"""Where an open Backstay registers its runner."""


async def run_pending_migrations(target: str | None = None, *, runner: MigrationRunner | None = None) -> Report:
    """Apply every pending migration, in order, exactly once however many replicas call this at once.

    Args:
        target: Stop after this one; its id, or the beginning of it up to the number.
        runner: The runner to use; by default that of the open Backstay.

    Returns:
        A mapping from the id of each migration that was run to its status, with durations, lock waits and
        attempts. Empty when there was nothing to do, which costs one query and no lock.

    Raises:
        StepFailed: a step failed; carries the report.
        MigrationError: its other leaves, see `MigrationRunner.run`.
        NotConfiguredError: no runner is open and none was given.
    """
    return await (runner or open_runners.get()).run(target)
