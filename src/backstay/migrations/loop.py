"""The step loop: one step after the other, each tried until it is done, refused, or out of time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from backstay.clock import Clock
from backstay.errors import StepFailed
from backstay.events import Emitter

from .database import Busy, Rejected, Session, Work
from .events import StepBlocked, StepFailedEvent, StepStarted, StepSucceeded
from .files import Script
from .lexer import locate
from .model import Blocker, Direction, EventKind, HistoryEvent, Outcome, Plan, Report, Status, Step
from .python_step import load_step
from .splitting import Statement
from .statements import changes_session, locked_relations, runs_outside_transaction

_POLL = 0.05
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a step may stand in the lock queue, and try to get through it, in seconds."""

    lock_timeout: float
    deadline: float


@dataclass(slots=True, kw_only=True)
class _Effort:
    """What a step has cost so far."""

    step: Step
    clock: Clock
    began: float
    waited: float = 0.0
    attempts: int = 0
    blockers: dict[int, Blocker] = field(default_factory=dict[int, Blocker])
    statement: Statement | None = None
    """The one at hand, for scripts that run statement by statement."""
    done: int = 0

    @property
    def seconds(self) -> float:
        return self.clock.monotonic() - self.began

    def costs(self, event: HistoryEvent) -> HistoryEvent:
        attempts = max(1, self.attempts)
        return replace(event, duration=self.seconds, lock_wait=self.waited, attempts=attempts)

    def outcome(self, status: Status, error: str = "") -> Outcome:
        return Outcome(
            migration=self.step.migration.id,
            status=status,
            duration=self.seconds,
            lock_wait=self.waited,
            attempts=max(1, self.attempts),
            blockers=tuple(self.blockers.values()),
            error=error,
        )


class StepLoop:
    """Carries out a plan in a session. One object per run."""

    def __init__(
        self,
        session: Session,
        *,
        dialect: str,
        stamp: HistoryEvent,
        limits: Limits,
        clock: Clock,
        emit: Emitter,
    ) -> None:
        """`stamp` is what all entries of this run have in common."""
        self._session = session
        self._dialect = dialect
        self._stamp = stamp
        self._limits = limits
        self._clock = clock
        self._emit = emit

    async def carry_out(self, plan: Plan, *, sources: str = "") -> Report:
        """Run every step in order; the last one's entry says `sources`, see `HistoryEvent.sources`.

        Raises StepFailed with the report at the first step that fails.
        """
        outcomes: list[Outcome] = []
        for number, step in enumerate(plan.steps):
            effort = _Effort(step=step, clock=self._clock, began=self._clock.monotonic())
            self._emit(StepStarted(migration=step.migration.id, direction=step.direction))
            try:
                last = number == len(plan.steps) - 1
                outcomes.append(await self._step(effort, sources=sources if last else ""))
            except (Busy, Rejected) as exc:
                failed = await self._failed(effort, exc)
                skipped = [
                    Outcome(migration=s.migration.id, status=Status.SKIPPED) for s in plan.steps[number + 1 :]
                ]
                report = Report((*outcomes, failed, *skipped), runner_wait=self._session.waited)
                raise StepFailed(failed.error, migration=step.migration.id, report=report) from exc
        return Report(tuple(outcomes), runner_wait=self._session.waited)

    async def _step(self, effort: _Effort, *, sources: str) -> Outcome:
        step = effort.step
        done = EventKind.SUCCEEDED if step.direction is Direction.UP else EventKind.ROLLED_BACK
        event = self.event(step, done, sources=sources)
        if step.script.in_transaction(self._dialect):
            await self._transact(effort, self.work(step), event)
        else:
            await self._bit_by_bit(effort)
            await self._session.record(effort.costs(event))
        outcome = effort.outcome(Status.APPLIED if step.direction is Direction.UP else Status.ROLLED_BACK)
        self._emit(
            StepSucceeded(
                migration=step.migration.id,
                direction=step.direction,
                duration=outcome.duration,
                lock_wait=outcome.lock_wait,
                attempts=outcome.attempts,
            )
        )
        return outcome

    async def _transact(self, effort: _Effort, work: Work, event: HistoryEvent) -> None:
        """One transaction, tried again as a whole for as long as only locks stand in its way."""
        relations = _relations(work, effort)
        while True:
            await self._look_before_queueing(effort, relations)
            effort.attempts += 1
            if effort.attempts > 1 or effort.waited:
                event = replace(event, lock_wait=effort.waited, attempts=effort.attempts)
            try:
                await self._session.transact(work, event)
            except Busy:
                await self._back_off(effort, relations)
            else:
                return

    async def _bit_by_bit(self, effort: _Effort) -> None:
        """What cannot be one transaction: each statement is written down as it is completed."""
        step, script = effort.step, effort.step.script
        await self._session.record(self.event(step, EventKind.STARTED))
        if script.is_python:
            await self._session.run_python(load_step(script, step.direction))
            return
        effort.done = step.resume_after
        for number, statement in enumerate(script.statements[step.resume_after :], start=step.resume_after + 1):
            effort.statement = statement
            event = replace(self.event(step, EventKind.STATEMENT), statement=number, digests="")
            if runs_outside_transaction(statement, dialect=self._dialect):
                # Only the first statement after the last one written down may have been completed unseen.
                await self._alone(effort, statement, resumed=step.resumes and number == step.resume_after + 1)
                await self._session.record(event)
            else:
                await self._transact(effort, replace(self.work(step), sql=statement.text), event)
            effort.done = number

    async def _alone(self, effort: _Effort, statement: Statement, *, resumed: bool) -> None:
        while True:
            effort.attempts += 1
            try:
                await self._session.send_alone(statement, resumed=resumed)
            except Busy:
                resumed = True
                await self._back_off(effort, ())
            else:
                return

    async def _look_before_queueing(self, effort: _Effort, relations: Sequence[str]) -> None:
        """Wait outside the queue while somebody holds the relations for longer than a lock timeout.

        Whoever queues for a strong lock makes every later reader queue behind it; whoever looks does not.
        """
        older_than = self._limits.lock_timeout
        while relations and (found := await self._session.blockers(relations, older_than=older_than)):
            effort.blockers |= {blocker.pid: blocker for blocker in found}
            waited = effort.waited
            self._emit(StepBlocked(migration=effort.step.migration.id, blockers=tuple(found), waited=waited))
            await self._pause(effort, _POLL)

    async def _back_off(self, effort: _Effort, relations: Sequence[str]) -> None:
        found = await self._session.blockers(relations, older_than=0.0) if relations else ()
        effort.blockers |= {blocker.pid: blocker for blocker in found}
        # Full jitter, so that two runners of two histories do not meet again and again.
        longest = min(_LONGEST_PAUSE, 0.02 * 2 ** min(effort.attempts, 10))
        await self._pause(effort, random.uniform(longest / 2, longest))  # noqa: S311 - no secret depends on it

    async def _pause(self, effort: _Effort, seconds: float) -> None:
        if effort.seconds + seconds > self._limits.deadline:
            raise Busy(f"its locks were not free within {self._limits.deadline:g} s")
        await self._clock.sleep(seconds)
        effort.waited += seconds

    async def _failed(self, effort: _Effort, exc: Busy | Rejected) -> Outcome:
        """Write the failure down and put it in words: which step, where, what was said, what stands."""
        step = effort.step
        message = f"{_place(effort, exc)}: {exc}"
        if isinstance(exc, Rejected) and exc.hint:
            message += f" (hint: {exc.hint})"
        for blocker in effort.blockers.values() if isinstance(exc, Busy) else ():
            message += f"; {blocker}"
        if step.script.in_transaction(self._dialect):
            message += ". The step was taken back; those before it stand"
        else:
            total = len(step.script.statements)
            message += f". {effort.done} of its {total} statements stand, and the next run goes on after them"
        outcome = effort.outcome(Status.FAILED, f"{step.migration.id} {step.direction}: {message}")
        event = self.event(step, EventKind.FAILED)
        await self._session.record(effort.costs(replace(event, detail=message)))
        code = exc.code if isinstance(exc, Rejected) else ""
        self._emit(
            StepFailedEvent(
                migration=step.migration.id, direction=step.direction, duration=outcome.duration, code=code
            )
        )
        return outcome

    def work(self, step: Step) -> Work:
        """What the step's one transaction runs."""
        script = step.script
        lock_timeout = script.directives.lock_timeout
        make = partial(
            Work,
            lock_timeout=self._limits.lock_timeout if lock_timeout is None else lock_timeout,
            statement_timeout=script.directives.statement_timeout,
        )
        if script.is_python:
            return make(python=load_step(script, step.direction), leaves_settings=True)
        return make(sql=script.text, leaves_settings=any(map(changes_session, script.statements)))

    def event(self, step: Step, kind: EventKind, *, sources: str = "") -> HistoryEvent:
        """An entry of the history about the step."""
        return stamped(self._stamp, step, kind, sources=sources)


def stamped(stamp: HistoryEvent, step: Step, kind: EventKind, *, sources: str = "") -> HistoryEvent:
    """An entry about a step, with what all entries of the run have in common."""
    return replace(
        stamp,
        migration=step.migration.id,
        generation=step.generation,
        direction=step.direction,
        kind=kind,
        checksum=step.script.checksum,
        raw_checksum=step.script.raw_checksum,
        digests=",".join(step.script.digests),
        sources=sources,
    )


def _relations(work: Work, effort: _Effort) -> tuple[str, ...]:
    if work.python is not None:
        return ()
    statements = (effort.statement,) if effort.statement else effort.step.script.statements
    return tuple(dict.fromkeys(name for statement in statements for name in locked_relations(statement)))


def _place(effort: _Effort, exc: Busy | Rejected) -> str:
    """File, line and column of what failed, as well as it is known."""
    script: Script = effort.step.script
    offset = exc.offset if isinstance(exc, Rejected) else None
    start = effort.statement.start if effort.statement else 0
    if offset is None and effort.statement is None:
        return script.name
    line, column = locate(script.text, start + (offset or 0))
    return f"{script.name}:{line}:{column}"
