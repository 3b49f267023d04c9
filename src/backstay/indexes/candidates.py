"""An index that might pay, what it was derived from, and how big it would be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .declared import Index


@dataclass(frozen=True, slots=True)
class Saving:
    """What an index saves by rule where the relation is read in full without it, and what is still read then."""

    saved: float = 0.0
    left: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An index that might pay, what it was derived from, and how big it would be.

    `subjects` are its key columns and expressions in order. `by_rule` marks the methods that cannot be asked
    about (GIN, GiST); `saves` is then what it saves each query. `is_twin` says that an index which is there already
    finds the same rows: it only spares reading the table.
    """

    index: Index
    table: tuple[str, str]
    subjects: tuple[str, ...]
    size_bytes: float
    origin: str = field(compare=False, default="")
    by_rule: bool = field(compare=False, default=False)
    is_twin: bool = field(compare=False, default=False)
    saves: Mapping[str, Saving] = field(compare=False, default_factory=dict[str, "Saving"], hash=False)

    def __hash__(self) -> int:
        return hash((self.table, self.subjects, self.index.include, self.index.where, self.index.method))

    @property
    def columns(self) -> int:
        """How many columns and expressions an entry holds."""
        return len(self.subjects) + len(self.index.include)

    @property
    def is_matched(self) -> bool:
        """Whether the planner has to find an expression or a predicate of it in a statement."""
        return self.index.where is not None or any(key.expression for key in self.index.keys)

    @property
    def definition(self) -> str:
        """The definition without its name."""
        return f"{self.table[0]}.{self.table[1]} {self.index.body_sql()}"
