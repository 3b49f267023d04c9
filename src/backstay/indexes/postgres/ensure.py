"""One run of `ensure`: settles each wanted index in turn, then prunes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio

from backstay.clock import Clock
from backstay.errors import IndexBuildFailed, IndexBuildTimeout, IndexServerUnavailable, InvalidIndex
from backstay.events import Emitter
from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.declared import Index, quote_identifier
from backstay.indexes.events import IndexGateClosed, IndexSettled
from backstay.indexes.gate import Activity
from backstay.indexes.protocol import (
    Action,
    Blocker,
    Comparison,
    EnsureOptions,
    EnsureReport,
    Outcome,
    Status,
)
from backstay.indexes.statements import statement

from .builder import REFUSALS, Builder, BuildRefused, qualified, refusal
from .connect import Connection
from .definitions import UNHURRIED, read_named
from .partitions import build_partitioned

_SWAP = "backstay_swap_"


@dataclass(slots=True, kw_only=True)
class EnsureRun:
    """The state of one call: what is settled so far."""

    builder: Builder
    clock: Clock
    emit: Emitter
    options: EnsureOptions
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    superfluous: tuple[CatalogIndex, ...] = ()

    @property
    def connection(self) -> Connection:
        """The connection that builds."""
        return self.builder.connection

    async def settle_all(self, wanted: Sequence[Index]) -> EnsureReport:
        """Make all of them stand, within the deadline."""
        with anyio.move_on_after(self.options.deadline) as scope:
            await self._settle_each(wanted)
        if scope.cancelled_caught:
            return self._overdue(wanted)
        return self._finished()

    async def _settle_each(self, wanted: Sequence[Index]) -> None:
        try:
            diff = await self.builder.compare_all(wanted)
        except BuildRefused as exc:
            for index in wanted:
                self._note_refusal(index, exc)
            return
        self.superfluous = diff.superfluous if self.options.prune else ()
        if self.superfluous or not diff.clean or any(map(_half_swapped, diff.comparisons)):
            await self.connection.execute(UNHURRIED)
        for comparison in diff.comparisons:
            await self._settle(comparison)
        await self._prune()

    async def _settle(self, comparison: Comparison) -> None:
        wanted, found = comparison.wanted, comparison.found
        if comparison.satisfied and not _half_swapped(comparison):
            self._note(wanted, Action.KEPT, name=found.name if found else None)
            return
        if not await self._gate_opens(wanted):
            return
        began = self.clock.monotonic()
        try:
            action, attempts = await self._make(wanted)
        except (BuildRefused, InvalidIndex) as exc:
            self._note_refusal(wanted, exc, self.clock.monotonic() - began)
            self._check_connection(wanted, exc)
        else:
            self._note(wanted, action, self.clock.monotonic() - began, attempts)

    def _note_refusal(self, wanted: Index, exc: BuildRefused | InvalidIndex, seconds: float = 0.0) -> None:
        if isinstance(exc, BuildRefused):
            self._note(wanted, Action.FAILED, seconds, exc.attempts, reason=exc.reason, blockers=exc.blockers)
        else:  # it fitted its table when the run began: the table was changed or dropped since
            self._note(wanted, Action.FAILED, seconds, 0, reason=str(exc))

    def _check_connection(self, wanted: Index, exc: Exception) -> None:
        if self.connection.is_closed():
            raise IndexServerUnavailable(
                f"the connection was lost while {wanted.effective_name} was built on {wanted.table}: {exc}; "
                "if it is left invalid, the next run rebuilds it"
            ) from exc

    async def _make(self, wanted: Index) -> tuple[Action, int]:
        """Bring one index about, holding this worker's turn on the table."""
        table = await self.connection.fetchrow(_TABLE, wanted.qualified_table)
        if table is None:
            raise BuildRefused(f"the table {wanted.table} is gone", attempts=0)
        async with self.builder.turn(table["oid"], wanted.effective_name, wanted.table):
            # What stood in the first comparison may be another worker's doing by now.
            comparison = await self.builder.compare(wanted)
            if _half_swapped(comparison) and comparison.found is not None:
                return await self._finish_swap(wanted, comparison.found.name, table["schema"], Action.KEPT)
            if comparison.satisfied:
                return Action.AWAITED, 1
            if table["partitioned"]:
                return Action.CREATED, await build_partitioned(self.builder, wanted, table["oid"], table["schema"])
            return await self._resolve(comparison, table["schema"])

    async def _resolve(self, comparison: Comparison, schema: str) -> tuple[Action, int]:
        wanted, found = comparison.wanted, comparison.found
        if comparison.status is Status.CONFLICT and found is not None:
            return await self._replace(wanted, found, schema)
        if comparison.status is Status.INVALID and found is not None:
            return await self._rebuild(wanted, found, schema)
        return Action.CREATED, await self.builder.create(wanted, schema)

    async def _rebuild(self, wanted: Index, found: CatalogIndex, schema: str) -> tuple[Action, int]:
        if found.protected is not None:
            raise BuildRefused(f"{found.qualified} is invalid and not rebuilt: {found.protected}", attempts=0)
        # Read a second time before it is dropped: a build that ended between the catalogue's snapshot and the
        # look at builds in flight had looked like a leftover, and is a good index by now.
        await self.builder.clear(found.schema, found.name, wanted)
        again = await self.builder.compare(wanted)
        if again.satisfied:
            return Action.AWAITED, 1
        if again.status is Status.INVALID and again.found is not None and again.found.oid != found.oid:
            return await self._rebuild(wanted, again.found, schema)  # a run that was killed twice left two of them
        return Action.REBUILT, await self.builder.create(wanted, schema)

    async def _replace(self, wanted: Index, found: CatalogIndex, schema: str) -> tuple[Action, int]:
        if not self.options.replace:
            raise BuildRefused(f"{found.qualified} exists with another definition: {found.ddl}", attempts=0)
        if found.protected is not None:
            raise BuildRefused(f"{found.qualified} is not replaced: {found.protected}", attempts=0)
        # The new one first: no query is ever without one of the two.
        interim = wanted.named(f"{_SWAP}{found.oid}")
        await self.builder.drop_leftover(schema, interim.effective_name, interim)
        attempts = await self.builder.create(interim, schema)
        action, _ = await self._finish_swap(wanted, interim.effective_name, schema, Action.REPLACED)
        return action, attempts

    async def _finish_swap(self, wanted: Index, interim: str, schema: str, otherwise: Action) -> tuple[Action, int]:
        """Drop the old index, if it is still there, and give its name to the new one.

        A run that was killed, or was refused a lock, in between is taken up here by the next one. An old index that
        is valid is only dropped if that is still wanted.
        """
        name = wanted.effective_name
        old = await read_named(self.connection, wanted.qualified_table, name)
        if old is not None:
            if old.valid and not self.options.replace:
                return otherwise, 1
            await self._drop(old)
        rename = f"alter index {qualified(schema, interim)} rename to {quote_identifier(name)}"
        try:
            await self.builder.execute(rename, name, wanted.table, self.options.lock_timeout)
        except REFUSALS as exc:
            reason = f"it stands as {interim} and could not be renamed yet: {refusal(exc, wanted)}"
            raise BuildRefused(reason, attempts=1, blockers=self.builder.waiting_for) from exc
        return Action.REPLACED, 1

    async def _drop(self, index: CatalogIndex) -> None:
        self.builder.forget()
        try:
            await self.builder.drop(index, self.options.lock_timeout)
        except (*REFUSALS, IndexBuildFailed) as exc:
            waited = f"; it waited for {self.builder.names()}" if self.builder.waiting_for else ""
            reason = f"{index.qualified} could not be dropped: {exc}{waited}; the next run tries again"
            raise BuildRefused(reason, attempts=1, blockers=self.builder.waiting_for) from exc

    async def _prune(self) -> None:
        """Drop what nobody wants, unless something that is wanted does not stand: the old one may serve for it."""
        late = [outcome.index for outcome in self.outcomes if outcome.action in (Action.FAILED, Action.DEFERRED)]
        while self.superfluous:
            index = self.superfluous[0]
            outcome: Outcome | None = Outcome(
                index=index.name,
                table=index.table,
                action=Action.DEFERRED,
                reason=f"not dropped before {', '.join(late)} stands",
            )
            if not late:
                outcome = await self._pruned(index)
            self.superfluous = self.superfluous[1:]
            if outcome is not None:
                self._keep(outcome)

    async def _pruned(self, index: CatalogIndex) -> Outcome | None:
        """Drop it; None if another worker did, who may have made another one of that name."""
        outcome = Outcome(index=index.name, table=index.table, action=Action.DROPPED, reason=index.ddl)
        async with self.builder.turn(index.table_oid, index.name, index.table):
            found = await read_named(self.connection, qualified(index.schema, index.table), index.name)
            if found is None or found.oid != index.oid:
                return None
            try:
                await self._drop(index)
            except BuildRefused as exc:
                return replace(outcome, action=Action.FAILED, reason=exc.reason, blockers=exc.blockers)
        return outcome

    async def _gate_opens(self, wanted: Index) -> bool:
        """Wait for the gate as long as its patience lasts; otherwise put the build off."""
        gate = self.options.gate
        if gate is None:
            return True
        until = self.clock.monotonic() + gate.patience
        before: tuple[int, float] | None = None
        while True:
            activity, before = await self._activity(before)
            verdict = gate.verdict(self.clock.now(), activity)
            if verdict.open:
                return True
            if self.clock.monotonic() >= until:
                self.emit(IndexGateClosed(index=wanted.effective_name, table=wanted.table, reasons=verdict.reasons))
                self._note(wanted, Action.DEFERRED, reason="; ".join(verdict.reasons))
                return False
            await self.clock.sleep(gate.poll)

    async def _activity(self, before: tuple[int, float] | None) -> tuple[Activity, tuple[int, float]]:
        row = await self.connection.fetchrow(statement("activity"))
        assert row is not None  # noqa: S101 - an aggregate without GROUP BY always has its one row
        now = (int(row["transactions"]), self.clock.monotonic())
        rate = None
        if before is not None and now[1] > before[1]:
            rate = (now[0] - before[0]) / (now[1] - before[1])
        activity = Activity(
            active_sessions=row["active_sessions"],
            replica_lag=row["replica_lag"],
            transactions_per_second=rate,
        )
        return activity, now

    def _note(
        self,
        wanted: Index,
        action: Action,
        seconds: float = 0.0,
        attempts: int = 1,
        *,
        name: str | None = None,
        reason: str = "",
        blockers: tuple[Blocker, ...] = (),
    ) -> None:
        self._keep(
            Outcome(
                index=name or wanted.effective_name,
                table=wanted.table,
                action=action,
                seconds=seconds,
                attempts=attempts,
                reason=reason,
                blockers=blockers,
            )
        )

    def _keep(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.emit(
            IndexSettled(
                index=outcome.index, table=outcome.table, action=outcome.action.value, seconds=outcome.seconds
            )
        )

    def _finished(self) -> EnsureReport:
        report = EnsureReport(outcomes=tuple(self.outcomes))
        failed = report.of(Action.FAILED)
        if failed and self.options.strict:
            reasons = "; ".join(f"{outcome.index} on {outcome.table}: {outcome.reason}" for outcome in failed)
            raise IndexBuildFailed(f"{len(failed)} of {len(report.outcomes)} indexes could not be built: {reasons}")
        return report

    def _overdue(self, wanted: Sequence[Index]) -> EnsureReport:
        limit, blockers = f"the deadline of {self.options.deadline} s passed", self.builder.waiting_for
        for index in wanted[len(self.outcomes) :]:
            self._note(index, Action.FAILED, reason=limit, blockers=blockers)
        missing = [outcome.index for outcome in self.outcomes if outcome.action is Action.FAILED]
        left = [extra.name for extra in self.superfluous]
        for extra in self.superfluous:
            reason = f"{limit} before it was dropped"
            failed = Action.FAILED
            self._keep(
                Outcome(index=extra.name, table=extra.table, action=failed, reason=reason, blockers=blockers)
            )
        if self.options.strict:
            names = "; ".join(map(str, blockers)) or "nobody in particular"
            what = f"{', '.join(missing)} stood" if missing else f"{', '.join(left)} was dropped"
            raise IndexBuildTimeout(f"{limit} before {what}; it waited for {names}")
        return EnsureReport(outcomes=tuple(self.outcomes))


def _half_swapped(comparison: Comparison) -> bool:
    """Whether the index stands, but under the name that a replacement has until the old one is dropped."""
    found = comparison.found
    return found is not None and found.valid and comparison.satisfied and found.name.startswith(_SWAP)


_TABLE = """
select c.oid, n.nspname::text as schema, c.relkind = 'p' as partitioned
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)::oid
"""
