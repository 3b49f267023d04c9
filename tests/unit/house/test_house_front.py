"""The names on the front of the house."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import backstay

SOURCE = ast.parse(Path(backstay.__file__).read_text("utf-8"))


def _imported_for_type_checkers() -> dict[str, str]:
    block = next(node for node in SOURCE.body if isinstance(node, ast.If))
    return {
        alias.name: f".{node.module}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_table_of_homes_says_what_type_checkers_see():
    assert _imported_for_type_checkers() == backstay._HOMES
    assert sorted(backstay.__all__) == sorted(backstay._HOMES)


def test_every_name_is_at_home_where_the_table_says():
    for name, home in backstay._HOMES.items():
        module = importlib.import_module(home, "backstay")
        assert getattr(backstay, name) is getattr(module, name)
        assert name in module.__all__ if hasattr(module, "__all__") else True
