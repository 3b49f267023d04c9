"""Foreign keys as reasons for an index: the need that no plan shows. Pure.

The plan of a DELETE says nothing of the checks that follow it, each of which looks for referring rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .advisor import Choice
from .candidates import Candidate
from .catalog import CatalogIndex
from .declared import Index, Key
from .health import ForeignKey, serves_key
from .plans import PlanFacts
from .sizes import TableFacts, btree_bytes

__all__ = ["ForeignKey", "delete_candidates"]

_MIN_PAGES = 8


def delete_candidates(
    plans: Mapping[str, PlanFacts],
    weights: Mapping[str, float],
    foreign_keys: Sequence[ForeignKey],
    existing: Sequence[CatalogIndex],
    tables: Mapping[tuple[str, str], TableFacts],
) -> tuple[Choice, ...]:
    """An index for each foreign key that the workload's deletes have to check by reading a whole table."""
    found: list[Choice] = []
    for fk in foreign_keys:
        facts = tables.get((fk.schema, fk.table))
        columns = frozenset(fk.columns)
        if facts is None or facts.pages < _MIN_PAGES:
            continue
        if any(serves_key(index, fk.schema, fk.table, columns) for index in existing):
            continue
        deletes = {
            name: weights[name] * plan.rows
            for name, plan in plans.items()
            if plan.operation == "Delete" and plan.writes_to in (fk.referenced, f"public.{fk.referenced}")
        }
        if deletes:
            found.append(_choice(fk, facts, deletes))
    return tuple(found)


def _choice(fk: ForeignKey, facts: TableFacts, deletes: Mapping[str, float]) -> Choice:
    read_all = facts.pages + facts.rows * 0.01
    candidate = Candidate(
        index=Index(fk.table, tuple(Key(column=column) for column in fk.columns), schema=fk.schema),
        table=(fk.schema, fk.table),
        subjects=fk.columns,
        size_bytes=btree_bytes(facts.rows, [facts.column(column) for column in fk.columns]),
        origin=f"foreign key {fk.name}: each row deleted from {fk.referenced} reads all of {fk.table}",
    )
    gain = sum(deletes.values()) * read_all
    return Choice(candidate=candidate, gain=gain, penalty=0.0, queries=dict.fromkeys(deletes, (read_all, 8.0)))
