"""One run of `ensure`: settles each wanted index in turn, then prunes."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import asyncpg

from backstay.clock import Clock
from backstay.errors import IndexBuildFailed, IndexBuildTimeout
from backstay.events import Emitter
from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.declared import Index
from backstay.indexes.events import IndexGateClosed, IndexSettled
from backstay.indexes.gate import Activity
from backstay.indexes.protocol import (
    Action,
    Blocker,
    Comparison,
    EnsureOptions,
    EnsureReport,
    IndexDiff,
    Outcome,
    Status,
)
from backstay.indexes.statements import statement

from .builder import Builder, BuildRefused, qualified
from .connect import Connection
from .definitions import read_diff
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

    @property
    def connection(self) -> Connection:
        """The connection that builds."""
        return self.builder.connection

    async def settle_all(self, diff: IndexDiff) -> EnsureReport:
        """Make every comparison satisfied, within the deadline."""
        seconds = self.options.deadline
        with anyio.move_on_after(seconds) as scope:
            for comparison in diff.comparisons:
                await self._settle(comparison)
            await self._prune(diff)
        if scope.cancelled_caught:
            return self._overdue(diff)
        return self._finished()

    async def _settle(self, comparison: Comparison) -> None:
        if comparison.satisfied:
            self._note(comparison.wanted, Action.KEPT, name=comparison.found.name if comparison.found else None)
            return
        if not await self._gate_opens(comparison.wanted):
            return
        began = self.clock.monotonic()
        try:
            action, attempts = await self._make(comparison.wanted)
        except BuildRefused as exc:
            seconds = self.clock.monotonic() - began
            self._note(
                comparison.wanted,
                Action.FAILED,
                seconds,
                exc.attempts,
                reason=exc.reason,
                blockers=exc.blockers,
            )
        else:
            self._note(comparison.wanted, action, self.clock.monotonic() - began, attempts)

    async def _make(self, wanted: Index) -> tuple[Action, int]:
        """Bring one index about, holding this worker's turn on the table."""
        table = await self.connection.fetchrow(_TABLE, wanted.qualified_table)
        if table is None:
            raise BuildRefused(f"the table {wanted.table} is gone", attempts=0)
        async with self.builder.turn(table["oid"]):
            while True:
                # What stood in the first comparison may be another worker's doing by now.
                comparison = (await read_diff(self.connection, [wanted])).comparisons[0]
                if comparison.status is not Status.IN_PROGRESS:
                    break
                await self.clock.sleep(0.25)
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
        if not await self.builder.drop_leftover(found.schema, found.name, wanted.table):
            raise BuildRefused(f"the invalid {found.qualified} could not be dropped yet", attempts=1)
        if (await read_diff(self.connection, [wanted])).clean:
            return Action.AWAITED, 1
        return Action.REBUILT, await self.builder.create(wanted, schema)

    async def _replace(self, wanted: Index, found: CatalogIndex, schema: str) -> tuple[Action, int]:
        if not self.options.replace:
            raise BuildRefused(f"{found.qualified} exists with another definition: {found.ddl}", attempts=0)
        if found.protected is not None:
            raise BuildRefused(f"{found.qualified} is not replaced: {found.protected}", attempts=0)
        # The new one first: no query is ever without one of the two.
        interim = wanted.named(f"{_SWAP}{found.oid}")
        await self.builder.drop_leftover(schema, interim.effective_name, wanted.table)
        attempts = await self.builder.create(interim, schema)
        await self._drop(found)
        rename = f"alter index {qualified(schema, interim.effective_name)} rename to "
        await self.connection.execute(rename + qualified(schema, wanted.effective_name).rpartition(".")[2])
        return Action.REPLACED, attempts

    async def _drop(self, index: CatalogIndex) -> None:
        try:
            await self.builder.drop(index, self.options.lock_timeout)
        except (asyncpg.PostgresError, IndexBuildFailed) as exc:
            raise BuildRefused(f"{index.qualified} could not be dropped: {exc}", attempts=1) from exc

    async def _prune(self, diff: IndexDiff) -> None:
        if not self.options.prune:
            return
        for index in diff.superfluous:
            outcome = Outcome(index=index.name, table=index.table, action=Action.DROPPED, reason=index.ddl)
            try:
                await self._drop(index)
            except BuildRefused as exc:
                outcome = Outcome(index=index.name, table=index.table, action=Action.FAILED, reason=exc.reason)
            self._keep(outcome)

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

    def _overdue(self, diff: IndexDiff) -> EnsureReport:
        for comparison in diff.comparisons[len(self.outcomes) :]:
            self._note(
                comparison.wanted,
                Action.FAILED,
                reason=f"the deadline of {self.options.deadline} s passed",
                blockers=self.builder.waiting_for,
            )
        if self.options.strict:
            names = "; ".join(map(str, self.builder.waiting_for)) or "nobody in particular"
            missing = ", ".join(outcome.index for outcome in self.outcomes if outcome.action is Action.FAILED)
            limit = f"the deadline of {self.options.deadline} s"
            raise IndexBuildTimeout(f"{limit} passed before {missing} stood; it waited for {names}")
        return EnsureReport(outcomes=tuple(self.outcomes))


_TABLE = """
select c.oid, n.nspname::text as schema, c.relkind = 'p' as partitioned
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)::oid
"""
