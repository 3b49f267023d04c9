"""What a labelled case is: statements, and the indexes that serve them best."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked, what its parameters are sampled as, and the answers that are right: each a set of indexes."""

    name: str
    sql: tuple[tuple[str, float], ...]
    accepted: tuple[frozenset[str], ...]
    samples: tuple[tuple[tuple[object, ...], ...], ...] = ()
    budget: float | None = None
    most: int | None = None
