"""The shape of the source: sizes that fit a head, and a docstring for every public name.

The figures are examples to follow: where keeping one would make the code worse, the file goes into the table
with its reason.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import backstay

SOURCE = Path(backstay.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_SUITE = 500  # a conformance suite is a list of independent checks, read one at a time
P90, P99 = 25, 60
HOMELESS = {"utils", "util", "helpers", "common", "base", "manager", "misc"}

# path below backstay/ → (agreed lines, why)
AGREED_LONG: dict[str, tuple[int, str]] = {
    "testing/cache.py": (520, "one Protocol, one list of its promises"),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def code_lines(node: Function) -> int:
    """The lines of a function without its docstring and decorators."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return node.end_lineno - node.lineno + 1 - docstring


def undocumented(tree: ast.Module, prefix: str = "") -> list[str]:
    """The public functions, classes and methods of `tree` that have no docstring."""
    missing: list[str] = []
    for node in tree.body:
        if not isinstance(node, (*Function.__args__, ast.ClassDef)) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        # An override's contract is where it was declared; an overload's is at the implementation.
        exempt = decorators & {"override", "overload", "typing.override", "typing.overload"}
        exempt = exempt or any(decorator.endswith(".setter") for decorator in decorators)
        if not exempt and ast.get_docstring(node) is None:
            missing.append(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            missing += undocumented(node, f"{prefix}{node.name}.")
    return missing


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_is_one_idea(path):
    name = str(path.relative_to(SOURCE))
    limit = LONGEST_SUITE if path.parent.name == "testing" else LONGEST_MODULE
    agreed, _why = AGREED_LONG.get(name, (limit, ""))
    assert len(path.read_text("utf-8").splitlines()) <= agreed
    assert path.stem not in HOMELESS


def test_every_agreed_exception_is_still_needed():
    for name, (agreed, why) in AGREED_LONG.items():
        lines = len((SOURCE / name).read_text("utf-8").splitlines())
        assert why
        assert LONGEST_MODULE < lines <= agreed


def test_functions_fit_a_head():
    sizes = sorted(
        (code_lines(node), f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}")
        for path in FILES
        for node in functions_of(ast.parse(path.read_text("utf-8")))
    )
    p90, p99 = (sizes[int(len(sizes) * share)] for share in (0.90, 0.99))
    assert p90[0] <= P90, f"the longest tenth begins at {p90}"
    assert p99[0] <= P99, f"the longest hundredth: {sizes[int(len(sizes) * 0.99) :]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_public_name_is_documented(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    if not path.stem.startswith("_") or path.stem == "__init__":
        assert undocumented(tree) == []


def test_the_check_for_docstrings_finds_what_is_missing():
    tree = ast.parse("def a(): ...\nclass B:\n  'ok'\n  def c(self): ...\n  def _d(self): ...\n")
    assert undocumented(tree) == ["a", "B.c"]


def test_the_check_for_sizes_counts_code_only():
    (function,) = functions_of(ast.parse("def a():\n  '''one\n  two\n  '''\n  return 1\n"))
    assert code_lines(function) == 2


def test_what_is_exported_exists():
    for name in getattr(backstay, "__all__", []):
        assert getattr(backstay, name) is not None
