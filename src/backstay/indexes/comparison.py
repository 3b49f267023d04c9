"""Wanted against existing, by definition. Pure: both sides come in the server's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .catalog import CatalogIndex
from .declared import Index
from .protocol import Comparison, IndexDiff, Status


def compare(wanted: Index, normalised: CatalogIndex, existing: Sequence[CatalogIndex]) -> Comparison:
    """One wanted index against those of its table.

    `normalised` is the wanted index as the server wrote it down on an empty clone. Among several equal ones a
    valid one wins, then the one with the wanted name.
    """
    name = wanted.effective_name
    equal = [index for index in existing if index.is_what(normalised)]
    equal.sort(key=lambda index: (not index.valid, index.name != name))
    if equal and equal[0].valid:
        status = Status.PRESENT if wanted.name is None or equal[0].name == name else Status.OTHER_NAME
        return Comparison(wanted=wanted, status=status, found=equal[0])
    same_name = next((index for index in existing if index.name == name), None)
    if same_name is not None and same_name not in equal:
        status = Status.INVALID if not (same_name.valid or same_name.in_progress) else Status.CONFLICT
        return Comparison(wanted=wanted, status=status, found=same_name)
    if equal:
        status = Status.IN_PROGRESS if equal[0].in_progress else Status.INVALID
        return Comparison(wanted=wanted, status=status, found=equal[0])
    return Comparison(wanted=wanted, status=Status.MISSING)


def difference(
    wanted: Sequence[Index],
    normalised: Sequence[CatalogIndex],
    existing: Mapping[str, Sequence[CatalogIndex]],
) -> IndexDiff:
    """All comparisons, and what the tables have that nobody asked for.

    `existing` maps the qualified table of a wanted index to the indexes of that table.
    """
    comparisons = tuple(
        compare(index, clone, existing[index.qualified_table])
        for index, clone in zip(wanted, normalised, strict=True)
    )
    claimed = {comparison.found.oid for comparison in comparisons if comparison.found is not None}
    extra = {
        index.oid: index
        for indexes in existing.values()
        for index in indexes
        if index.oid not in claimed and index.protected is None and not index.in_progress
    }
    return IndexDiff(comparisons=comparisons, superfluous=tuple(extra.values()))
