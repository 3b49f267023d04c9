"""`StepRunner`: plan, take the lock, plan again, carry it out. The same for every database."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from backstay.clock import Clock, SystemClock
from backstay.errors import DangerousMigration, MigrationPlanError
from backstay.events import Emitter, Listener

from .database import Busy, Database, DoneByAnother, Rejected, Session
from .directives import Phase
from .files import Migration
from .model import Direction, EventKind, Finding, HistoryEvent, Outcome, Plan, Report, Status, Step, fold
from .plan import find, ordered, plan_down, plan_up, refuse, validate
from .sources import Loaded, Source, digest

if TYPE_CHECKING:  # most starts find nothing to do, in every replica: the step loop is loaded when there is
    from .loop import StepLoop
    from .snapshot import Snapshot
    from .versions import RunningVersion

DEFAULT_LOCK_TIMEOUT: Final = 0.1
DEFAULT_DEADLINE: Final = 600.0

Checker = Callable[[Sequence[Migration]], Sequence[str]]
"""Looks at the migrations that are about to run and returns what speaks against it, ready to be read."""


def refuse_dangers(migrations: Sequence[Migration]) -> Sequence[str]:
    """The `Checker` that lints. The linter is loaded only when there is something to lint."""
    from .lint import danger_checker

    return danger_checker(migrations)


_Planner = Callable[[Sequence[HistoryEvent]], Plan]


class StepRunner:
    """Runs the migrations of some sources on one database. Implements `MigrationRunner`."""

    def __init__(
        self,
        database: Database,
        sources: Sequence[Source],
        *,
        lock_timeout: float = DEFAULT_LOCK_TIMEOUT,
        deadline: float = DEFAULT_DEADLINE,
        out_of_order: bool = False,
        phase: Phase | None = None,
        checker: Checker | None = None,
        app_version: str = "",
        clock: Clock | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        """A runner; nothing is read or connected yet.

        Args:
            database: The database.
            sources: Where the migrations come from.
            lock_timeout: Seconds that a step stands in the lock queue, with everybody behind it, before it
                steps out and tries again. A file's ``lock-timeout`` goes before it.
            deadline: Seconds that one step may take to get its locks, all attempts together.
            out_of_order: Whether a migration may run that belongs before one which is already applied.
            phase: EXPAND stops before the first contract migration.
            checker: What may refuse a run, see `Checker`; None refuses nothing.
            app_version: Written into the history.
            clock: Where time comes from.
            listeners: Told of every step.
        """
        self._database = database
        self._sources = tuple(sources)
        self._lock_timeout = lock_timeout
        self._deadline = deadline
        self._out_of_order = out_of_order
        self._phase = phase
        self._checker = checker
        self._app_version = app_version
        self._clock = clock or SystemClock()
        self._emit = Emitter(listeners)

    @cached_property
    def migrations(self) -> tuple[Migration, ...]:
        """All migrations in the order in which they run. Read once."""
        return ordered(self._loaded)

    @cached_property
    def _loaded(self) -> tuple[Loaded, ...]:
        return tuple(map(Loaded, self._sources))

    @cached_property
    def _digest(self) -> str:
        """Of all that decides whether something is pending, the history excepted."""
        return digest(self._loaded, self._phase, self._out_of_order)

    async def plan(self, target: str | None = None, /) -> Plan:
        """What `run` would do. One query, no lock."""
        return self._up(target)(await self._database.history())

    async def run(self, target: str | None = None, /) -> Report:
        """Apply what is pending. See `MigrationRunner.run`."""
        files = self._digest if target is None else ""
        history = await self._database.history(unless=files or None)
        if files and history and history[-1].sources == files:
            return Report()  # every byte is as it was when a run left nothing pending
        plan = self._up(target)(history)
        older = await self._older_versions(plan)
        if not older:
            return await self._carry_out(self._up(target), history, leaves_nothing=files)
        expand = self._up(target, phase=Phase.EXPAND)
        report = await self._carry_out(expand, history)
        return Report((*report.outcomes, *_held_back(plan, expand(history), older)), runner_wait=report.runner_wait)

    async def _older_versions(self, plan: Plan) -> list[RunningVersion]:
        """Who is in the way of the plan's contract migrations."""
        if not any(step.migration.directives.phase is Phase.CONTRACT for step in plan.steps):
            return []
        from .sql import text
        from .versions import ALIVE_FOR, TABLE, RunningVersion, is_older

        if not await self._database.columns([TABLE]):
            return []
        rows = await self._database.rows(text(f"{_FILES[self._database.dialect]}_versions_alive"))
        seen = [RunningVersion(**row) for row in rows if row["seconds"] <= ALIVE_FOR]
        return [one for one in seen if is_older(one.version, than=self._app_version)]

    async def rollback(
        self, target: str | None = None, /, *, steps: int | None = None, batch: bool = False
    ) -> Report:
        """Undo, newest first. See `MigrationRunner.rollback`."""
        planned = self._down(target, steps=steps, batch=batch)
        return await self._carry_out(planned, await self._database.history())

    async def redo(self, steps: int = 1, /) -> Report:
        """Undo the last migrations and apply them again; a failure of the second half leaves them undone."""
        undone = await self.rollback(steps=steps)
        if not undone:
            return undone
        again = await self.run(next(iter(undone)))
        return Report(undone.outcomes + again.outcomes, runner_wait=undone.runner_wait + again.runner_wait)

    async def to(self, target: str, /) -> Report:
        """Up or down until exactly `target` and what comes before it are applied."""
        down = await self.rollback(target)
        up = await self.run(target)
        return Report(down.outcomes + up.outcomes, runner_wait=down.runner_wait + up.runner_wait)

    async def validate(self) -> tuple[Finding, ...]:
        """How files and history disagree. See `Problem`."""
        states = fold(await self._database.history())
        return validate(self.migrations, states, out_of_order=self._out_of_order)

    async def snapshot(self) -> Snapshot:
        """The schema as it stands, without the tables of migration tools."""
        from .snapshot import OWN_TABLES

        return (await self._database.snapshot()).without(OWN_TABLES)

    async def history(self) -> tuple[HistoryEvent, ...]:
        """Everything that was ever written down, oldest first."""
        return tuple(await self._database.history())

    async def adopt(self, *migrations: str) -> Report:
        """Take migrations as applied, as their files stand now, without running them."""
        chosen = [find(self.migrations, reference) for reference in migrations]
        async with self._database.exclusively() as session:
            states, loop = fold(await session.history()), self._loop(session)
            events: list[HistoryEvent] = []
            for migration in chosen:
                state = states.get(migration.id)
                if state and state.applied and state.raw_checksum == migration.up.raw_checksum:
                    continue
                generation = (state.generation if state else 0) + 1
                step = Step(migration=migration, direction=Direction.UP, generation=generation)
                events.append(loop.event(step, EventKind.ADOPTED))
            await session.record(*events)
        adopted = tuple(Outcome(migration=event.migration, status=Status.ADOPTED) for event in events)
        return Report(adopted, runner_wait=session.waited)

    async def baseline(self, target: str, /) -> Report:
        """Take everything up to and including `target` as applied: for a database that was there first."""
        last = find(self.migrations, target)
        up_to = itertools.takewhile(lambda migration: migration is not last, self.migrations)
        return await self.adopt(*[migration.id for migration in up_to if not migration.repeatable], last.id)

    async def adopt_history(self) -> Report:
        """Take over what another tool has applied here; `backstay.migrations.foreign` lists the tools.

        Raises:
            MigrationPlanError: there is no such history or more than one, it is dirty, or it names a
            migration
                that has no file here.
        """
        from .foreign import TOOLS, applied_by, detect

        tools = detect(await self._database.columns([tool.table for tool in TOOLS]))
        if len(tools) != 1:
            found = ", ".join(tool.name for tool in tools) or "none"
            raise MigrationPlanError(f"one other tool's history can be adopted; found here: {found}")
        rows = await self._database.rows(tools[0].sql)
        return await self.adopt(*[m.id for m in applied_by(tools[0], rows, self.migrations)])

    async def dry_run(self, target: str | None = None, /) -> Report:
        """What `run` would send, without sending it."""
        plan = await self.plan(target)
        return Report(
            tuple(
                Outcome(migration=step.migration.id, status=Status.PLANNED, sql=step.script.text)
                for step in plan.steps
            )
        )

    async def rehearse(self, target: str | None = None, /) -> Report:
        """Run every pending migration in a transaction of its own and take it back; reports time and locks.

        Each is tried on the database as it stands, so one that builds on a pending one before it fails here.
        Migrations that cannot be a transaction are reported as planned. While one is tried its locks are
        held.
        """
        async with self._database.exclusively() as session:
            plan = self._up(target)(await session.history())
            loop = self._loop(session)
            return Report(tuple([await self._rehearsed(session, loop, step) for step in plan.steps]))

    async def _rehearsed(self, session: Session, loop: StepLoop, step: Step) -> Outcome:
        outcome = partial(Outcome, migration=step.migration.id, sql=step.script.text)
        if not step.script.in_transaction(self._database.dialect):
            return outcome(status=Status.PLANNED)
        try:
            seconds, locks = await session.rehearse(loop.work(step))
        except (Busy, Rejected) as exc:
            return outcome(status=Status.FAILED, error=str(exc))
        return outcome(status=Status.REHEARSED, duration=seconds, locks=locks, attempts=1)

    async def _carry_out(
        self, planned: _Planner, history: Sequence[HistoryEvent], *, leaves_nothing: str = ""
    ) -> Report:
        """`leaves_nothing` is the digest to write with the last step, if nothing is pending after it."""
        plan = planned(history)
        refuse(plan)
        if not plan.steps:
            return Report()
        self._refuse_dangers(plan)
        try:
            async with self._database.exclusively(done=self._nothing_left if leaves_nothing else None) as session:
                return await self._carry_out_alone(planned, session, leaves_nothing)
        except DoneByAnother:
            return Report()

    async def _carry_out_alone(self, planned: _Planner, session: Session, leaves_nothing: str) -> Report:
        from .events import RunStarted

        # Another runner may have worked while this one waited: only what is seen under the lock counts.
        plan = planned(await session.history())
        refuse(plan)
        self._emit(RunStarted(steps=len(plan.steps), waited=session.waited))
        return await self._loop(session).carry_out(plan, sources=leaves_nothing)

    async def _nothing_left(self) -> bool:
        """Whether the newest entry was written by a run that left nothing of these files pending."""
        history = await self._database.history(unless=self._digest)
        return bool(history) and history[-1].sources == self._digest

    def _refuse_dangers(self, plan: Plan) -> None:
        pending = [step.migration for step in plan.steps if step.direction is Direction.UP]
        if self._checker and (dangers := self._checker(pending)):
            raise DangerousMigration("\n".join(dangers))

    def _loop(self, session: Session) -> StepLoop:
        from .loop import Limits, StepLoop

        return StepLoop(
            session,
            dialect=self._database.dialect,
            stamp=self._stamp(),
            limits=Limits(lock_timeout=self._lock_timeout, deadline=self._deadline),
            clock=self._clock,
            emit=self._emit,
        )

    def _stamp(self) -> HistoryEvent:
        return replace(
            _BLANK,
            app_version=self._app_version,
            host=f"{socket.gethostname()}:{os.getpid()}",
            run=secrets.token_hex(6),
        )

    def _up(self, target: str | None, *, phase: Phase | None = None) -> _Planner:
        held = phase or self._phase
        return lambda events: plan_up(
            self.migrations, fold(events), target=target, phase=held, out_of_order=self._out_of_order
        )

    def _down(self, target: str | None, *, steps: int | None, batch: bool) -> _Planner:
        return lambda events: plan_down(self.migrations, fold(events), target=target, steps=steps, batch=batch)


def _held_back(whole: Plan, expand: Plan, older: Sequence[RunningVersion]) -> list[Outcome]:
    """What of the whole plan waits for older versions, and for which."""
    done = {step.migration.id for step in expand.steps}
    why = f"an older version still runs: {'; '.join(map(str, older[:3]))}"
    held = [step.migration.id for step in whole.steps if step.migration.id not in done]
    return [Outcome(migration=one, status=Status.HELD_BACK, error=why) for one in held]


_FILES: Final = {"postgresql": "postgres", "sqlite": "sqlite"}
_BLANK: Final = HistoryEvent(migration="", generation=0, direction=Direction.UP, kind=EventKind.STARTED)
