"""Every ```python block of the README and of the documentation, executed from top to bottom.

A document is one story: its blocks share a namespace and one event loop, `await` may stand at the top level,
and the working directory is an empty one. A name from `SERVICES` that a document uses is there without being
defined: the address of a real server. A block that cannot run (rare) is preceded by
``<!-- skip: next "why" -->``, and one that readers need not see is written as a comment,
``<!-- invisible-code-block: python … -->``.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import types
from contextlib import suppress
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Names that a document may use as they are; each is a fixture.
SERVICES = ("redis_url", "postgres_url", "database_url")


def run_block(example: Example) -> None:
    """Execute one block in the namespace of its document, on the line numbers that the document has."""
    source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(source, example.path, "exec", flags=flags, dont_inherit=True)
    namespace = example.namespace
    if coroutine := eval(code, namespace):
        namespace["__runner__"].run(coroutine)


def examples_of(document: Path) -> list[Example]:
    sybil = Sybil(
        parsers=[CodeBlockParser("python", run_block), SkipParser()],
        path=str(document.parent),
        encoding="utf-8",
    )
    return list(sybil.parse(document).examples())


DOCUMENTS = [page for page in PAGES if examples_of(page)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of(document, request, tmp_path, monkeypatch):
    examples = examples_of(document)
    monkeypatch.chdir(tmp_path)
    # A module, because dataclasses and type hints look the module of a class up by its name.
    module = types.ModuleType(f"example_{document.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = document.read_text(encoding="utf-8")
    services = {name: request.getfixturevalue(name) for name in SERVICES if name in text}
    with asyncio.Runner() as runner:
        namespace = examples[0].document.namespace = module.__dict__
        namespace |= services | {"__runner__": runner}
        for example in examples:
            example.namespace = namespace
            # A block that gives a reason for not running: the story goes on without it.
            with suppress(SkipTest):
                example.evaluate()


def test_a_block_runs_with_await_at_the_top_and_its_own_line_numbers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```python\nimport asyncio\n\nawait asyncio.sleep(0)\nraise KeyError('here')\n```\n"
    )
    (example,) = examples_of(page)
    with asyncio.Runner() as runner:
        example.namespace = {"__runner__": runner}
        with pytest.raises(KeyError) as failure:
            example.evaluate()
    assert failure.traceback[-1].lineno + 1 == 7


def test_a_page_that_is_wrong_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nassert 1 == 2\n```\n")
    (example,) = examples_of(page)
    example.namespace = {}
    with pytest.raises(AssertionError):
        example.evaluate()


def test_there_is_something_to_run():
    assert DOCUMENTS
