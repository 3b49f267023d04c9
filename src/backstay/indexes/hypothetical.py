"""What HypoPG's plans leave out, so that an index costs before it is built what it costs afterwards. Pure.

Two things, both read in HypoPG's source (``hypo_estimate_index``, in 1.3 as in 1.4) and seen in plans:

* It tells the planner no height of a btree, so that going down to a leaf costs nothing where PostgreSQL's
  ``btcostestimate`` asks 50 ``cpu_operator_cost`` for each level. That is little for one scan and much for the
  inner side of a nested loop: 0.375 for each of its rows with three levels, often as much as all the rest of a
  look-up. A hypothetical index then wins over a real one with the same keys, and advice promises savings that
  nobody sees once the index is built.
* It takes entries to be wider than they are and knows nothing of deduplication, so that reading many pages of an
  index looks up to four times as dear as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .plans import Node, runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a hypothetical btree will be like. `entries` is zero if not known."""

    levels: int
    entries: float
    pages_too_many: float
    """The pages that the planner was told of, less those that the index will have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What the planner asks for one level on the way down, and for one page read anywhere."""

    level: float
    page: float

    def left_out(self, plan: Node, shapes: Mapping[str, Shape]) -> float:
        """What a plan will cost beyond what it says, for its hypothetical indexes by name. May be below zero.

        Not promised: that the server will choose this plan. Whatever it chooses costs no more.
        """
        found = 0.0
        for node, times in runs(plan):
            shape = shapes.get(node.get("Index Name", ""))
            if shape is not None:
                found += times * shape.levels * self.level
            if shape is not None and times <= 1.0:  # a repeated look-up reads a page, however many there are
                found -= times * _share_read(node, shape) * shape.pages_too_many * self.page
        return found


def _share_read(node: Node, shape: Shape) -> float:
    """The share of an index that a scan reads; zero if the plan does not tell."""
    if "Index Cond" not in node:
        return 1.0
    if "Filter" in node or not shape.entries:
        return 0.0
    return min(1.0, float(node["Plan Rows"]) / shape.entries)
