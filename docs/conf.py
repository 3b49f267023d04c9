"""How the documentation is built: ``nox -s docs``, nitpicky, with warnings as errors."""

from __future__ import annotations

import tomllib
from pathlib import Path

project = "backstay"
author = "the backstay maintainers"
copyright = "the backstay maintainers"
# From the project file, so that the pages can be built from a checkout that is not installed.
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
release = version = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "explanation/performance/*.md"]  # the latter are included by a page

# Docstrings write names as `name`, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

nitpicky = True
# Names of others have no page here (reading an inventory of theirs would take a network): what must resolve
# is every reference to backstay itself.
nitpick_ignore_regex = [
    ("py:.*", r"(?!backstay\.).*"),
    ("py:.*", r".*\.(T|V|P|K)$"),
    ("py:.*", r".*\._\w+$"),
    ("py:.*", r"backstay\.migrations\.(lexer|runner|sources)\..*"),
    ("py:.*", r"backstay\.passwords\.strength\.text\..*"),  # Python 3.14 spells out what an alias stands for
]

html_theme = "furo"
html_title = "backstay"
