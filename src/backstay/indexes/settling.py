"""Advice until it holds: choose, build, prove, and choose anew without what execution refuted.

What a proof takes back was not chosen alone: without it, and with its bytes, other indexes would have been chosen.
So a next round does not fill a gap: it begins again with the whole budget, once what was built is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .advice import AdviceLimits, AppliedPlan, Baseline, IndexAdvisor
from .declared import Index
from .protocol import Action, EnsureOptions, IndexPlanner
from .workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledAdvice:
    """What each round came to, in order, and which of them stands: the one with the lowest cost."""

    rounds: tuple[AppliedPlan, ...]
    standing: AppliedPlan

    @property
    def refused(self) -> tuple[Index, ...]:
        """All that was taken back."""
        return tuple(index for each in self.rounds for index in each.refused)


async def settle(
    advisor: IndexAdvisor,
    planner: IndexPlanner,
    workload: Workload,
    /,
    *,
    before: Baseline | None = None,
    limits: AdviceLimits | None = None,
    options: EnsureOptions | None = None,
    rounds: int = 3,
    timeout: float = 5.0,
) -> SettledAdvice:
    """Advise, build and prove, up to `rounds` times, until nothing that was built makes a query slower.

    Between two rounds what the first one built is dropped, so this is for a copy of a database, or for one that
    bears to be without it for as long as a build takes. Indexes that were there before are never touched. `timeout`
    is in seconds, for each read; without a baseline, one is measured first.

    Not promised: that the last round stands. If each had a refusal, the one with the lowest cost is built again.

    Raises:
        WorkloadError: none of the statements can be planned.
        IndexBuildFailed, IndexBuildTimeout, IndexServerUnavailable: as `IndexPlanner.ensure` does.
    """
    limits, done = limits or AdviceLimits(), list[AppliedPlan]()
    if before is None:
        before = await advisor.baseline(workload, run=True, timeout=timeout)
    for _ in range(max(1, rounds)):
        if done:
            await planner.drop(_built(done[-1]))
        plan = await advisor.recommend(workload, limits=limits)
        done.append(await advisor.apply(plan, before, options=options, timeout=timeout))
        if not done[-1].refused:
            return SettledAdvice(rounds=tuple(done), standing=done[-1])
        limits = _with_refuted(limits, done)
    best = min(done, key=lambda each: _cost(each, workload))
    if best is not done[-1]:
        await planner.drop(_built(done[-1]))
        best = await advisor.apply(best.kept, before, options=options, timeout=timeout)
    return SettledAdvice(rounds=tuple(done), standing=best)


def _with_refuted(limits: AdviceLimits, done: list[AppliedPlan]) -> AdviceLimits:
    """The limits of the next round: no query is to be lured once more into what was slower.

    An index that was taken back twice is refused altogether: the server does not plan with it as it said it would.
    """
    *earlier, last = done
    before = {index.effective_name for each in earlier for index in each.refused}
    twice = tuple(index for index in last.refused if index.effective_name in before)
    return replace(limits, refused=(*limits.refused, *twice), refuted=(*limits.refuted, *last.proof.refuted))


def _built(applied: AppliedPlan) -> list[str]:
    """The names of what a round built and left standing."""
    ours = {outcome.index for outcome in applied.report.of(Action.CREATED)}
    return [index.qualified_name for index in applied.kept.indexes if index.effective_name in ours]


def _cost(applied: AppliedPlan, workload: Workload) -> float:
    weights = {query.fingerprint: workload.weight(query) for query in workload.queries}
    return sum(timing.cost_after * weights.get(timing.query, 1.0) for timing in applied.proof.verification.timings)
