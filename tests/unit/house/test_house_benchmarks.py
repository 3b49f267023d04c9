"""``nox -s bench`` runs every benchmark without arguments, and hands ``--quick`` to each of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*/bench_*.py"))


def arguments_of(source: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "attr", "") == "add_argument"]


def test_there_are_benchmarks():
    assert len(BENCHMARKS) >= 15


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_it_has_a_quick_way_and_no_argument_that_must_be_given(path):
    arguments = {ast.literal_eval(call.args[0]): call for call in arguments_of(path.read_text())}
    assert "--quick" in arguments
    for name, call in arguments.items():
        options = {keyword.arg for keyword in call.keywords}
        assert name.startswith("-") or "nargs" in options, name
