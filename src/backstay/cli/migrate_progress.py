"""What is shown while migrations run: on a terminal a line for each step that moves, elsewhere lines for a log."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from backstay.events import Event
from backstay.migrations import Progress
from backstay.migrations.events import StepBlocked, StepFailedEvent, StepStarted, StepSucceeded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


def say_lines(event: Event) -> None:
    """One line on stderr for each event: what a log keeps."""
    match event:
        case StepStarted(migration=migration, direction=direction):
            click.echo(f"{migration} {direction} …", err=True)
        case StepBlocked(blockers=blockers, waited=waited):
            click.echo(f"  waited {waited:.1f} s: {blockers[0]}", err=True)
        case StepSucceeded(migration=migration, duration=duration, lock_wait=lock_wait):
            click.echo(f"  done in {duration:.3f} s (waited {lock_wait:.3f} s for locks)", err=True)
        case Progress(rows=rows, of=of, batch=batch, seconds=seconds):
            click.echo(f"  {rows} of about {of} rows; {batch} in {seconds:.3f} s", err=True)
        case _:
            pass


class LiveProgress:
    """A `Listener` for terminals: the step at hand, how long it takes, and who is in its way just now."""

    def __init__(self, console: Console) -> None:
        # rich is loaded when there is a terminal to draw on.
        from rich.progress import Progress as Bars
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        # markup=False: the text of a query is nobody's markup.
        self._bars = Bars(
            SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False), console=console
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show it. Events that are no step's are left to the log."""
        match event:
            case StepStarted(migration=migration, direction=direction):
                self._task = self._bars.add_task(f"{migration} {direction}", total=1)
            case StepBlocked(migration=migration, blockers=blockers):
                self._show(f"{migration} waits: {blockers[0]}")
            case StepSucceeded(migration=migration, duration=duration, lock_wait=lock_wait):
                self._show(
                    f"{migration} done in {duration:.3f} s, of which {lock_wait:.3f} s for locks", ended=True
                )
            case StepFailedEvent(migration=migration):
                self._show(f"{migration} failed", ended=True)
            case Progress(name=name, rows=rows, of=of, finished=finished):
                if self._task is None:
                    self._task = self._bars.add_task(name, total=None)
                self._show(f"{name}: {rows} of about {of} rows", ended=finished)
            case _:
                pass

    def _show(self, words: str, *, ended: bool = False) -> None:
        if self._task is not None:
            self._bars.update(self._task, description=words, completed=1 if ended else 0, total=1)
