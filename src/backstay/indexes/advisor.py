"""Which of the candidates to build. Pure: a greedy search over a cost oracle, and a reason for each decision.

It is Extend's idea (grow a set by whatever saves most per byte, and let an index be widened, swapped or taken
out again) with two changes: what only pays together is tried together, and gains are re-counted lazily, since
they nearly always shrink as the set grows.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .candidates import Candidate
from .cost import CostCache, Estimate

_MIN_QUERY_GAIN = 0.2  # at least one query must get this much cheaper,
_MUCH = 1000.0  # or by so many cost units a call, however dear it is
_MIN_COST_SAVED = 15.0  # and by this many cost units a call: below that an index is not worth its upkeep
_NEGLIGIBLE = 0.001
_REMOVE_BELOW = 0.005
_REMOVE_PREFIX = 0.05  # and one that another one begins with, below this: each insert would write into both
_SAME = 0.01  # a smaller index does as well if no query loses more than this,
_NEARLY = 0.25  # or this, when that is no more than _MIN_COST_SAVED units,
_TWO_ROWS = 9.0  # or two rows fetched from pages read at random (4 units each): no reason to hold what is only read


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the chosen set may not exceed. None is no limit."""

    budget_bytes: float | None = None
    max_indexes: int | None = None

    def allow(self, chosen: Iterable[Candidate]) -> bool:
        """Whether a set is within the limits."""
        indexes = list(chosen)
        if self.max_indexes is not None and len(indexes) > self.max_indexes:
            return False
        return self.budget_bytes is None or sum(c.size_bytes for c in indexes) <= self.budget_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One candidate chosen: what it saves each query (cost before, cost after), and what its upkeep costs."""

    candidate: Candidate
    gain: float
    penalty: float
    queries: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One candidate not chosen, and why."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The search's result."""

    chosen: tuple[Choice, ...]
    rejected: tuple[Rejection, ...]
    cost_before: float
    cost_after: float


@dataclass(slots=True)
class Search:
    """One search. `weights` are per query, `penalties` per candidate, `pool` in order of generation.

    `asked` are the (table, subject) pairs by which each query finds or orders its rows, and not only reads them.
    """

    cache: CostCache
    weights: Mapping[str, float]
    pool: Sequence[Candidate]
    penalties: Mapping[Candidate, float]
    limits: Limits
    bundles: Sequence[frozenset[Candidate]] = ()
    asked: Mapping[str, frozenset[tuple[tuple[str, str], str]]] = field(
        default_factory=dict[str, frozenset[tuple[tuple[str, str], str]]]
    )
    reasons: dict[Candidate, str] = field(default_factory=dict[Candidate, str])

    async def run(self) -> Selection:
        """Search, then explain."""
        chosen = await self._grow(frozenset())
        chosen = await self._swap(await self._trim(chosen))
        # What these give back may hold another index; the moves that ask for the most plans come last.
        chosen = await self._grow(await self._lean(chosen))
        chosen = await self._grow(await self._merge(chosen))
        chosen = await self._lean(await self._trim(chosen))
        return await self._explained(chosen)

    async def _costs(self, chosen: frozenset[Candidate]) -> dict[str, Estimate]:
        return {query: await self.cache.estimate(query, chosen) for query in self.weights}

    def _total(self, costs: Mapping[str, Estimate]) -> float:
        return sum(self.weights[query] * estimate.cost for query, estimate in costs.items())

    async def _gain(self, move: frozenset[Candidate], chosen: frozenset[Candidate]) -> float:
        """What a move saves, its upkeep taken off; zero if no query gets markedly cheaper."""
        saved, marked = 0.0, False
        together, is_twin = chosen | move, any(candidate.is_twin for candidate in move - chosen)
        for query in self._touched(move):
            before = (await self.cache.estimate(query, chosen)).cost
            if await self._could_save(query, before) <= 0:
                continue
            estimate = await self.cache.estimate(query, together)
            if estimate.refuted:
                self.reasons |= dict.fromkeys(move - chosen, f"executed, it made {query} slower")
                return 0.0
            after = estimate.cost
            saved += self.weights[query] * (before - after)
            marked |= before - after >= (_MUCH if is_twin else _least(before))
        penalty = sum(self.penalties.get(candidate, 0.0) for candidate in move - chosen)
        for candidate in move - chosen:
            if not marked:
                self.reasons[candidate] = "no query gets markedly cheaper by it beside what is chosen"
            elif saved <= penalty:
                self.reasons[candidate] = f"its upkeep ({penalty:.0f}) outweighs what it saves ({saved:.0f})"
        return saved - penalty if marked and saved > penalty else 0.0

    async def _could_save(self, query: str, cost: float) -> float:
        """How much cheaper a query could get if every candidate stood, or nothing if that is next to nothing.

        A plan costs no more for having more to choose from: whatever could save nothing need not be asked for.
        """
        saved = cost - (await self.cache.promised(query, self.cache.relevant[query])).cost
        return saved if saved > _NEGLIGIBLE * cost else 0.0

    async def _could_gain(self, chosen: frozenset[Candidate], new: Candidate) -> float:
        """What adding one could save at the very best."""
        return sum(
            [
                self.weights[query] * await self._could_save(query, (await self.cache.estimate(query, chosen)).cost)
                for query in self._touched([new])
            ]
        )

    def _touched(self, move: Iterable[Candidate]) -> list[str]:
        candidates = set(move)
        return [query for query in self.weights if candidates & self.cache.relevant[query]]

    async def _grow(self, chosen: frozenset[Candidate]) -> frozenset[Candidate]:
        """Add what saves most per byte, until nothing saves anything or nothing fits.

        A gain that was counted before the set grew is counted again before it is believed. What saved nothing
        alone may do so beside what was just added, for a query that both can serve: it is looked at again.
        """
        moves = [frozenset([candidate]) for candidate in self.pool if candidate not in chosen]
        moves += [bundle - chosen for bundle in self.bundles if len(bundle - chosen) > 1]
        queue = _Queue()
        dormant = [move for move in moves if not queue.push(await self._rate(move, chosen), chosen, move)]
        while (found := queue.pop()) is not None:
            counted_at, move = found
            move -= chosen
            if not move:
                continue
            if not self.limits.allow(chosen | move):
                for candidate in move:
                    self.reasons[candidate] = "it does not fit the limits beside what is chosen"
                continue
            if counted_at != len(chosen):
                queue.push(await self._rate(move, chosen), chosen, move)
                continue
            chosen |= move
            dormant = await self._woken(dormant, move, chosen, queue)
        return chosen

    async def _woken(
        self,
        dormant: list[frozenset[Candidate]],
        added: frozenset[Candidate],
        chosen: frozenset[Candidate],
        queue: _Queue,
    ) -> list[frozenset[Candidate]]:
        """Queue those that save something now; the rest is returned."""
        queries = set(self._touched(added))
        tables = {candidate.table for candidate in added}
        asleep: list[frozenset[Candidate]] = []
        for move in dormant:
            if len(move) > 1 or {c.table for c in move} & tables or not queries & set(self._touched(move)):
                asleep.append(move)
            else:
                queue.push(await self._rate(move, chosen), chosen, move)  # once: plans are dear
        return asleep

    async def _rate(self, move: frozenset[Candidate], chosen: frozenset[Candidate]) -> float:
        """What a move saves per byte."""
        size = sum(candidate.size_bytes for candidate in move - chosen)
        return await self._gain(move, chosen) / max(size, 8192.0)

    async def _trim(self, chosen: frozenset[Candidate]) -> frozenset[Candidate]:
        """Take out what the others have made needless."""
        for candidate in sorted(chosen, key=lambda c: (-c.size_bytes, c.definition)):
            without = chosen - {candidate}
            loss = 0.0
            scale = 0.0
            for query in self._touched([candidate]):
                now = (await self.cache.estimate(query, chosen)).cost
                then = (await self.cache.estimate(query, without)).cost
                loss += self.weights[query] * (then - now)
                scale += self.weights[query] * now
            bearable = _REMOVE_PREFIX if _is_prefix(candidate, without) else _REMOVE_BELOW
            if loss <= max(self.penalties.get(candidate, 0.0), bearable * scale):
                self.reasons[candidate] = "the other chosen ones made it needless"
                chosen = without
        return chosen

    async def _swap(self, chosen: frozenset[Candidate]) -> frozenset[Candidate]:
        """Widen, narrow or exchange an index for another on its table, where that saves more."""
        for old in sorted(chosen, key=lambda c: c.definition):
            best, best_gain = chosen, 0.0
            for new in self.pool:
                if new in chosen or new.table != old.table or old not in chosen or new.is_twin:
                    continue
                trial = chosen - {old} | {new}
                if not self.limits.allow(trial) or await self._could_gain(chosen, new) <= best_gain:
                    continue
                gain = await self._difference(chosen, trial)
                if gain > best_gain * 1.001 + 1e-9:
                    best, best_gain = trial, gain
            if best is not chosen:
                self.reasons[old] = "another index on the same table saves more in its place"
            chosen = best
        return chosen

    async def _merge(self, chosen: frozenset[Candidate]) -> frozenset[Candidate]:
        """Put one index in the place of those it can stand for, and of whatever saves least if need be."""
        for new in self.pool:
            if new in chosen or await self._could_gain(chosen, new) <= 0:
                continue
            held = {old for old in chosen if old.table == new.table and set(old.subjects) <= set(new.subjects)}
            for room in dict.fromkeys((frozenset(held), frozenset[Candidate]())):
                trial = await self._made_room(chosen - room | {new}, new)
                if not self.limits.allow(trial) or await self._gain(frozenset([new]), trial - {new}) <= 0:
                    continue
                if await self._difference(chosen, trial) > 0:
                    for old in chosen - trial:
                        self.reasons[old] = f"{new.definition} saves more in its place"
                    chosen = trial
                    break
        return chosen

    async def _made_room(self, trial: frozenset[Candidate], new: Candidate) -> frozenset[Candidate]:
        """The set without those that save least for their size, until it is within the limits."""
        if self.limits.allow(trial):
            return trial
        losses = [
            (await self._difference(trial - {c}, trial) / c.size_bytes, c.definition, c) for c in trial - {new}
        ]
        for _, _, candidate in sorted(losses, key=lambda loss: loss[:2]):
            if self.limits.allow(trial):
                break
            trial -= {candidate}
        return trial

    async def _lean(self, chosen: frozenset[Candidate]) -> frozenset[Candidate]:
        """As good a set of fewer and smaller indexes."""
        return await self._shrink(await self._unite(chosen))

    async def _unite(self, chosen: frozenset[Candidate]) -> frozenset[Candidate]:
        """Put one index in the place of several where it does as well and is smaller than they are together."""
        for new in sorted(self.pool, key=lambda c: (c.size_bytes, c.definition)):
            held = {old for old in chosen if old.table == new.table and set(old.subjects) <= set(new.subjects)}
            if new in chosen or len(held) < 2 or new.size_bytes >= sum(old.size_bytes for old in held):
                continue
            trial = chosen - held | {new}
            if self.limits.allow(trial) and await self._does_as_well(trial, chosen):
                for old in held:
                    self.reasons[old] = f"{new.definition} alone does as well"
                chosen = trial
        return chosen

    async def _shrink(self, chosen: frozenset[Candidate]) -> frozenset[Candidate]:
        """Take a smaller index on the same table where it does as well."""
        for old in sorted(chosen, key=lambda c: (-c.size_bytes, c.definition)):
            smaller = [c for c in self.pool if c.table == old.table and _slimmer(c, old) and c not in chosen]
            for new in sorted(smaller, key=lambda c: (c.size_bytes, len(c.subjects), c.definition)):
                trial = chosen - {old} | {new}
                if await self._does_as_well(trial, chosen):
                    self.reasons[old] = "a smaller one on the same table does as well"
                    chosen = trial
                    break
        return chosen

    async def _does_as_well(self, trial: frozenset[Candidate], chosen: frozenset[Candidate]) -> bool:
        """Whether no query notices the difference between two sets."""
        lost = _parts(chosen - trial) - _parts(trial - chosen)
        for query in self._touched(trial ^ chosen):
            before = (await self.cache.estimate(query, chosen)).cost
            after = (await self.cache.estimate(query, trial)).cost
            spared = 0.0 if lost & self.asked.get(query, frozenset()) else _TWO_ROWS
            if after - before > max(_SAME * before, min(_NEARLY * before, _MIN_COST_SAVED), spared):
                return False
        return True

    async def _difference(self, one: frozenset[Candidate], other: frozenset[Candidate]) -> float:
        saved = 0.0
        for query in self._touched(one ^ other):
            before = (await self.cache.estimate(query, one)).cost
            after = (await self.cache.estimate(query, other)).cost
            saved += self.weights[query] * (before - after)
        upkeep = sum(self.penalties.get(c, 0.0) for c in other) - sum(self.penalties.get(c, 0.0) for c in one)
        return saved - upkeep

    async def _explained(self, chosen: frozenset[Candidate]) -> Selection:
        before, after = await self._costs(frozenset()), await self._costs(chosen)
        choices = [await self._choice(candidate, chosen, before, after) for candidate in chosen]
        choices.sort(key=lambda choice: -choice.gain)
        rejected = tuple(
            Rejection(
                candidate=candidate,
                reason=self.reasons.get(candidate, "another candidate serves its queries"),
            )
            for candidate in self.pool
            if candidate not in chosen
        )
        return Selection(
            chosen=tuple(choices),
            rejected=rejected,
            cost_before=self._total(before),
            cost_after=self._total(after),
        )

    async def _choice(
        self,
        candidate: Candidate,
        chosen: frozenset[Candidate],
        before: Mapping[str, Estimate],
        after: Mapping[str, Estimate],
    ) -> Choice:
        gain = await self._difference(chosen - {candidate}, chosen)
        queries = {
            query: (before[query].cost, after[query].cost)
            for query in self.weights
            if candidate in after[query].used
        }
        penalty = self.penalties.get(candidate, 0.0)
        return Choice(candidate=candidate, gain=gain + penalty, penalty=penalty, queries=queries)


def _least(cost: float) -> float:
    """How much cheaper a query of this cost has to get to count."""
    return max(_MIN_COST_SAVED, min(_MUCH, _MIN_QUERY_GAIN * cost))


def _parts(indexes: Iterable[Candidate]) -> set[tuple[tuple[str, str], str]]:
    return {(index.table, subject) for index in indexes for subject in index.subjects}


def _is_prefix(one: Candidate, others: Iterable[Candidate]) -> bool:
    """Whether one of the others begins with all that this holds."""
    keys = one.index.keys
    return not one.index.include and any(
        (other.table, other.index.method, other.index.where) == (one.table, one.index.method, one.index.where)
        and other.index.keys[: len(keys)] == keys
        for other in others
    )


def _slimmer(one: Candidate, other: Candidate) -> bool:
    fewer = one.columns < other.columns
    return one.size_bytes <= other.size_bytes and (fewer or one.size_bytes < 0.9 * other.size_bytes)


@dataclass(slots=True)
class _Queue:
    """Moves, the one that saves most per byte first; with how many were chosen when that was counted."""

    _heap: list[tuple[float, int, int, frozenset[Candidate]]] = field(
        default_factory=list[tuple[float, int, int, frozenset[Candidate]]]
    )
    _order: Iterator[int] = field(default_factory=itertools.count)

    def push(self, rate: float, chosen: frozenset[Candidate], move: frozenset[Candidate]) -> bool:
        """Queue a move; one that saves nothing is not."""
        if rate > 0:
            heapq.heappush(self._heap, (-rate, next(self._order), len(chosen), move))
        return rate > 0

    def pop(self) -> tuple[int, frozenset[Candidate]] | None:
        """The best move and how many were chosen when it was counted; None if there is none left."""
        if not self._heap:
            return None
        _, _, counted_at, move = heapq.heappop(self._heap)
        return counted_at, move
