"""What a set of indexes costs and saves. Pure: an oracle is asked; this remembers what it said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from .candidates import Candidate, Saving
from .conditions import Use
from .plans import Access
from .refuted import Refuted
from .sizes import TableFacts, depth

# Cost units (1 = one page read in order) for one entry put into an index one level deep. A judgement and not a
# measurement: an insert into a cached btree is a fraction of a page read; WAL and later vacuuming add to it.
_ENTRY = 0.25
# How much dearer than it promises a plan is reckoned that was slower when executed: too dear to be weighed.
_REFUTED = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The planner's cost of one query under a set of indexes, and which of them its plan uses.

    `plans` says how many plans it took to find out; `refuted`, that it was slower when executed.
    """

    cost: float
    used: frozenset[Candidate]
    plans: int = 1
    refuted: bool = False


class CostOracle(Protocol):
    """Answers what one query costs if some indexes existed. Not promised: that estimates are times."""

    async def estimate(self, query: str, indexes: frozenset[Candidate], /) -> Estimate:
        """The cost of the query of that fingerprint. May raise IndexServerUnavailable."""
        ...


@dataclass(slots=True)
class CostCache:
    """Costs already known, by query and by the indexes that can apply to it.

    A plan under a set S that uses only U of it stays the best plan under every set between U and S: those
    need not be asked for. `limit` bounds the plans asked for; beyond it a set that was not asked costs what its
    best known subset does. A plan that was refuted is never worth its promise.
    """

    oracle: CostOracle
    relevant: Mapping[str, frozenset[Candidate]]
    limit: int
    refuted: Refuted = field(default_factory=Refuted)
    asked: int = 0
    _most: int = 1
    _known: dict[str, list[tuple[frozenset[Candidate], Estimate]]] = field(
        default_factory=dict[str, list[tuple[frozenset[Candidate], Estimate]]]
    )

    async def estimate(self, query: str, indexes: frozenset[Candidate]) -> Estimate:
        """The estimate for a query, asked or remembered."""
        found = await self.promised(query, indexes)
        if self.refuted.forbids(query, found.used):
            return replace(found, cost=found.cost * _REFUTED, refuted=True)
        return found

    async def promised(self, query: str, indexes: frozenset[Candidate]) -> Estimate:
        """The same, whatever executions said of it: nothing beyond these indexes makes the query cheaper."""
        applicable = indexes & self.relevant[query]
        by_rule = frozenset(candidate for candidate in applicable if candidate.by_rule)
        found = await self._planned(query, applicable - by_rule)
        if not by_rule:
            return found
        nothing = Saving()
        best = max(by_rule, key=lambda candidate: (candidate.saves.get(query, nothing).saved, candidate.definition))
        saving = best.saves.get(query, nothing)
        # Another index may have saved the same already: it gets no cheaper than what is left to read.
        saved = min(saving.saved, found.cost - saving.left, found.cost * 0.999)
        return Estimate(cost=found.cost - saved, used=found.used | {best}) if saved > 0 else found

    async def _planned(self, query: str, applicable: frozenset[Candidate]) -> Estimate:
        known = self._known.setdefault(query, [])
        for indexes, estimate in known:
            if estimate.used <= applicable <= indexes:
                return estimate
        if self.asked + self._most > self.limit and known:
            subsets = [estimate for indexes, estimate in known if indexes <= applicable]
            return min(subsets or [known[0][1]], key=lambda estimate: estimate.cost)
        estimate = await self.oracle.estimate(query, applicable)
        self.asked += estimate.plans
        self._most = max(self._most, estimate.plans)
        # An oracle may find out only afterwards that what it took is dearer than what it could have had.
        within = [other for indexes, other in known if indexes <= applicable]
        estimate = min([estimate, *within], key=lambda one: one.cost)
        known.append((applicable, estimate))
        return estimate


def write_penalty(candidate: Candidate, facts: TableFacts, written: float) -> float:
    """What keeping an index up costs for so many rows written, in the planner's units.

    A partial index is written for its share only. Of updates, those that were not HOT write into every index.
    """
    share = 1.0 if candidate.index.where is None else 0.3
    kind = {"gin": 3.0, "gist": 2.0, "brin": 0.2}.get(candidate.index.method, 1.0)
    width = 1.0 + 0.1 * (len(candidate.subjects) + len(candidate.index.include) - 1)
    return written * _ENTRY * depth(max(candidate.size_bytes, 8192.0)) * share * kind * width * (facts.rows > 0)


@dataclass(slots=True)
class RuleOracle:
    """Costs without asking: for servers that have no HypoPG.

    Each scan is thought to read the rows that the index's leading keys select, at two units each after a
    descent; a wanted order with a limit reads few of them. Coarse, but it ranks like the planner where it
    matters.
    """

    costs: Mapping[str, float]
    accesses: Mapping[str, Sequence[Access]]
    tables: Mapping[tuple[str, str], TableFacts]
    root: Callable[[Access], tuple[str, str]]

    async def estimate(self, query: str, indexes: frozenset[Candidate], /) -> Estimate:
        """The base cost, less what each scan would save."""
        total, used = self.costs[query], set[Candidate]()
        for access in self.accesses[query]:
            fitting = [candidate for candidate in indexes if candidate.table == self.root(access)]
            priced = {candidate: self._scan(candidate, access) for candidate in fitting}
            best = min(priced, key=lambda c: (priced[c], c.size_bytes, c.definition), default=None)
            if best is not None and priced[best] < access.cost:
                total -= access.cost - priced[best]
                used.add(best)
        return Estimate(cost=max(total, 1.0), used=frozenset(used))

    def _scan(self, candidate: Candidate, access: Access) -> float:
        facts = self.tables[candidate.table]
        share, served = 1.0, 0
        uses = {term.subject: term.use for term in access.terms if not term.branch}
        for subject in candidate.subjects:
            use = uses.get(subject)
            if use in (Use.EQUAL, Use.NULL):
                share /= facts.column(subject).distinct_of(max(facts.rows, 1.0))
            elif use is Use.RANGE:
                share *= 0.1
                served += 1
                break
            else:
                break
            served += 1
        order = [key.subject for key in access.order]
        sorted_by = bool(order) and access.limited
        if sorted_by and candidate.subjects[served : served + len(order)] == tuple(order):
            share = min(share, 100.0 / max(facts.rows, 1.0))
        elif not served:
            return float("inf")
        per_row = 0.2 if access.needed <= {*candidate.subjects, *candidate.index.include} else 2.0
        return 4.0 * depth(candidate.size_bytes) + max(1.0, facts.rows * share) * per_row
