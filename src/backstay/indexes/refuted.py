"""What executions refuted, put to candidates: promises that were made and not kept are not believed again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .candidates import Candidate
from .declared import Index
from .plans import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Refutation:
    """A query (by fingerprint) that was slower when executed with a plan that used all of these indexes."""

    query: str
    indexes: tuple[Index, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuted:
    """Refutations, and the columns and expressions that each query reads of each table."""

    refutations: Sequence[Refutation] = ()
    read: Mapping[tuple[str, Table], frozenset[str]] = field(
        default_factory=dict[tuple[str, Table], frozenset[str]]
    )

    def forbids(self, query: str, used: Iterable[Candidate]) -> bool:
        """Whether a plan with these is one that was refuted, or no better."""
        candidates = list(used)
        return any(
            all(any(self._is_no_better(candidate, index, query) for candidate in candidates) for index in each)
            for each in self._of(query)
        )

    def spared(self, query: str, candidates: frozenset[Candidate]) -> list[frozenset[Candidate]]:
        """The candidates without any that was refuted for a query; and without each one of several that were."""
        refuted = self._of(query)
        kept = [
            frozenset(c for c in candidates if not any(self._is_no_better(c, index, query) for index in indexes))
            for indexes in (
                [index for each in refuted for index in each],
                *([index] for each in refuted if len(each) > 1 for index in each),
            )
        ]
        return list(dict.fromkeys(kept))

    def _of(self, query: str) -> list[tuple[Index, ...]]:
        return [each.indexes for each in self.refutations if each.query == query]

    def _is_no_better(self, candidate: Candidate, index: Index, query: str) -> bool:
        """Whether one serves a query no better than another did.

        It leads to the same rows and holds nothing more of what the query reads. Not so one that spares it the
        table: that is where the time of a refuted look-up goes.
        """
        one = candidate.index
        return (
            candidate.table == (index.schema or "public", index.table)
            and (one.method, one.where, one.keys[:1]) == (index.method, index.where, index.keys[:1])
            and self._held(query, candidate.table, one) <= self._held(query, candidate.table, index)
        )

    def _held(self, query: str, table: Table, index: Index) -> frozenset[str]:
        named = (*(key.column or key.expression or "" for key in index.keys), *index.include)
        return frozenset(named) & self.read.get((query, table), frozenset(named))
