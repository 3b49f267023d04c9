"""What an advisor answers, and what it promises."""

from __future__ import annotations

import math
import statistics
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from .advisor import Choice, Rejection
from .declared import Index
from .protocol import EnsureOptions, EnsureReport
from .refuted import Refutation
from .workload import Workload

_TELLING = 0.001  # seconds; shorter queries tell nothing of the server's speed
_SAME_COST = 0.03
_ENOUGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceLimits:
    """What advice may cost to find and to build. `what_if_limit` bounds the plans asked for.

    `query_timeout` is in seconds, for each plan. `refused` are never advised; `refuted` are not advised together
    where the query would use them.
    """

    budget_bytes: float | None = None
    max_indexes: int | None = None
    what_if_limit: int = 1000
    query_timeout: float = 10.0
    refused: tuple[Index, ...] = ()
    refuted: tuple[Refutation, ...] = ()

    def __post_init__(self) -> None:
        if self.what_if_limit < 1 or (self.budget_bytes is not None and self.budget_bytes < 0):
            raise ValueError("what_if_limit is at least 1 and budget_bytes zero or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPlan:
    """Advice: what to build and why, what was weighed and left, and what could not be planned for.

    Costs are the planner's estimates, weighted; they are not times. `method` says how they were had:
    "hypopg", or "rules" where the server cannot be asked about indexes that do not exist.
    """

    chosen: tuple[Choice, ...]
    rejected: tuple[Rejection, ...]
    skipped: tuple[tuple[str, str], ...]
    cost_before: float
    cost_after: float
    explains: int
    method: str
    workload: Workload
    extra: tuple[Index, ...] = ()

    @property
    def indexes(self) -> tuple[Index, ...]:
        """The indexes to build: those chosen, and those that a person added (`extra`)."""
        return (*(choice.candidate.index for choice in self.chosen), *self.extra)

    @classmethod
    def declared(cls, workload: Workload, extra: tuple[Index, ...]) -> IndexPlan:
        """A plan of a person's own indexes, to be watched like advice."""
        return cls(
            chosen=(),
            rejected=(),
            skipped=(),
            cost_before=0.0,
            cost_after=0.0,
            explains=0,
            method="declared",
            workload=workload,
            extra=extra,
        )

    def without(self, names: Collection[str]) -> IndexPlan:
        """The plan without the indexes of these names."""
        return replace(
            self,
            chosen=tuple(c for c in self.chosen if c.candidate.index.effective_name not in names),
            extra=tuple(index for index in self.extra if index.effective_name not in names),
        )

    @property
    def size_bytes(self) -> float:
        """What they will take, as modelled."""
        return sum(choice.candidate.size_bytes for choice in self.chosen)

    @property
    def statements(self) -> tuple[str, ...]:
        """The statements to copy."""
        return tuple(index.to_sql() for index in self.indexes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One query before and after: the planner's cost, and the time in seconds if it was run."""

    query: str
    cost_before: float
    cost_after: float
    seconds_before: float | None = None
    seconds_after: float | None = None

    @property
    def saved(self) -> float | None:
        """Seconds saved a call, negative if it got slower; None if it was not run."""
        if self.seconds_before is None or self.seconds_after is None:
            return None
        return self.seconds_before - self.seconds_after

    @property
    def ratio(self) -> float:
        """After over before: by time if both are known, by cost otherwise."""
        if self.seconds_before and self.seconds_after is not None:
            return self.seconds_after / self.seconds_before
        return self.cost_after / self.cost_before if self.cost_before else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Every query of a plan before and after.

    `threshold` is the ratio from which one counts as regressed; a difference of less than `noise` seconds
    never does. `drift` is how much slower the server got meanwhile, told from queries whose plans stayed the
    same; it is not held against the others.
    """

    timings: tuple[Timing, ...]
    threshold: float = 1.15
    noise: float = 0.001
    drift: float = 1.0

    @property
    def regressions(self) -> tuple[Timing, ...]:
        """The queries that got slower than the threshold allows."""
        return tuple(timing for timing in self.timings if self._is_slower(timing))

    def _is_slower(self, timing: Timing) -> bool:
        if timing.seconds_before is None or timing.seconds_after is None:
            return timing.ratio > self.threshold
        then = timing.seconds_before * self.drift
        return timing.seconds_after > max(then * self.threshold, then + self.noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Plans and times of a workload before anything was built; `verify` and `watch` compare with it."""

    costs: tuple[tuple[str, float], ...]
    seconds: tuple[tuple[str, float], ...] = ()
    plans: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchReport:
    """One look: how each query stands once what made one slower is gone, what that was, and how to undo it.

    `refuted` says which queries were slower, and with which indexes together.
    """

    verification: Verification
    rolled_back: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    refuted: tuple[Refutation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPlan:
    """What became of a plan: what was built, and what was taken back again because a query got slower."""

    report: EnsureReport
    proof: WatchReport

    plan: IndexPlan

    @property
    def rolled_back(self) -> tuple[str, ...]:
        """The names of the indexes that did not keep their promise."""
        return self.proof.rolled_back

    @property
    def refused(self) -> tuple[Index, ...]:
        """Their definitions."""
        return tuple(index for index in self.plan.indexes if index.effective_name in self.rolled_back)

    def after(self, look: WatchReport) -> AppliedPlan:
        """The same once a watch has looked again: what it took back is taken back."""
        proof = replace(
            look,
            rolled_back=(*self.rolled_back, *look.rolled_back),
            undo=(*self.proof.undo, *look.undo),
            refuted=(*self.proof.refuted, *look.refuted),
        )
        return replace(self, proof=proof)

    @property
    def kept(self) -> IndexPlan:
        """The plan without them."""
        return self.plan.without(self.rolled_back)

    @property
    def ok(self) -> bool:
        """Whether everything was built, and no query is left slower than before."""
        return self.report.ok and not self.proof.verification.regressions


def compare_baselines(before: Baseline, after: Baseline) -> Verification:
    """The queries that both know, side by side."""
    costs, seconds, then = dict(after.costs), dict(after.seconds), dict(before.seconds)
    timings = tuple(
        Timing(
            query=name,
            cost_before=cost,
            cost_after=costs[name],
            seconds_before=then.get(name),
            seconds_after=seconds.get(name),
        )
        for name, cost in before.costs
        if name in costs
    )
    plans, now = dict(before.plans), dict(after.plans)
    same = [timing for timing in timings if timing.query in plans and plans[timing.query] == now.get(timing.query)]
    return Verification(timings=timings, drift=_drift(same))


def _drift(unchanged: Iterable[Timing]) -> float:
    """The median ratio of queries that ought to take as long as before; 1 if fewer than three can tell."""
    ratios = [
        timing.ratio
        for timing in unchanged
        if timing.seconds_before
        and timing.seconds_before > _TELLING
        and math.isclose(timing.cost_before, timing.cost_after, rel_tol=_SAME_COST)
    ]
    return statistics.median(ratios) if len(ratios) >= _ENOUGH else 1.0


def renewed(known: Baseline, again: Baseline) -> Baseline:
    """A baseline with some queries measured again: their new plans, and the lower of both times.

    The lower, because what disturbs a measurement only ever makes it longer.
    """
    costs, plans = dict(known.costs) | dict(again.costs), dict(known.plans) | dict(again.plans)
    seconds = dict(known.seconds)
    for name, taken in again.seconds:
        same_plan = dict(known.plans).get(name) == plans.get(name)
        seconds[name] = min(taken, seconds.get(name, taken)) if same_plan else taken
    return Baseline(costs=tuple(costs.items()), seconds=tuple(seconds.items()), plans=tuple(plans.items()))


def least_missed(
    verification: Verification, plans: Mapping[str, frozenset[str]], ours: Collection[str]
) -> dict[str, Timing]:
    """For each query that got slower, the one index of ours in its plan that the others would miss least.

    One, because its other indexes may well be innocent: it is measured again without that one.
    """
    missed: dict[str, float] = dict.fromkeys(ours, 0.0)
    for timing in verification.timings:
        for name in plans.get(timing.query, frozenset()) & missed.keys():
            missed[name] += max(0.0, timing.saved if timing.saved is not None else 0.0)
    guilty: dict[str, Timing] = {}
    for timing in verification.regressions:
        used = sorted(plans.get(timing.query, frozenset()) & missed.keys())
        if used and not guilty.keys() & set(used):
            guilty[min(used, key=lambda name: missed[name])] = timing
    return guilty


class IndexAdvisor(Protocol):
    """Finds indexes for a workload, and checks afterwards that they kept their promise.

    Not promised: that estimates are times, which is why `verify` and `watch` exist.
    """

    async def recommend(self, workload: Workload, /, *, limits: AdviceLimits | None = None) -> IndexPlan:
        """Choose indexes. Builds nothing, and leaves no hypothetical index, statement or setting behind.

        Raises:
            WorkloadError: none of the statements can be planned.
            IndexServerUnavailable: the server did not answer.
        """
        ...

    async def baseline(self, workload: Workload, /, *, run: bool = False, timeout: float = 5.0) -> Baseline:
        """How the workload fares now.

        With `run`, reads are executed in read-only transactions under the timeout (seconds).
        """
        ...

    async def verify(
        self, workload: Workload, before: Baseline, /, *, run: bool = False, timeout: float = 5.0
    ) -> Verification:
        """How it fares compared with a baseline."""
        ...

    async def apply(
        self,
        plan: IndexPlan,
        before: Baseline | None = None,
        /,
        *,
        options: EnsureOptions | None = None,
        timeout: float = 5.0,
    ) -> AppliedPlan:
        """Build a plan, run its reads again, and take back what made one of them slower.

        Without a baseline, one is measured first. `timeout` is in seconds, for each read.

        Raises:
            IndexBuildFailed, IndexBuildTimeout, IndexServerUnavailable: as `IndexPlanner.ensure` does.
        """
        ...

    def watch(
        self,
        plan: IndexPlan,
        before: Baseline,
        /,
        *,
        interval: float = 60.0,
        looks: int = 10,
        run: bool = True,
    ) -> AsyncIterator[WatchReport]:
        """Look again and again; drop, by itself, an index of the plan that made a query slower."""
        ...
