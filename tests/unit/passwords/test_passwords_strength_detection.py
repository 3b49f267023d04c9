"""The labelled set of the benchmark at one seed: a change that loses a kind of password shows here."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from backstay.passwords import About, Rules

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "passwords"


@pytest.fixture(scope="module")
def right():
    """For each label, and for hard ones, how often the preset `strong` is right."""
    sys.path.insert(0, str(BENCHMARK))
    try:
        from labelled import everything, odd
    finally:
        sys.path.remove(str(BENCHMARK))
    rules = Rules.strong()
    found: dict[str, list[bool]] = defaultdict(list)
    for kind, rows in {"": everything(12, "regression"), "odd": odd(6, "regression")}.items():
        for row in rows:
            accepted = bool(rules.check(row.password, About(**row.about)))
            group = kind or ("hard" if row.hard and row.label == "weak" else row.label)
            found[group].append(accepted != (row.label == "weak"))
    return {label: sum(hits) / len(hits) for label, hits in found.items()}


@pytest.mark.parametrize(
    ("label", "share"), [("hard", 0.97), ("weak", 0.97), ("odd", 0.91), ("medium", 0.94), ("strong", 0.995)]
)
def test_the_preset_strong_stops_what_people_make_up_and_keeps_what_machines_draw(right, label, share):
    assert right[label] >= share
