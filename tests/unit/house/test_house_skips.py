"""A suite must not turn green by skipping: what is required and absent fails the test that needed it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SKIPPING = "import pytest\n\ndef test_one():\n    pytest.skip('hypopg is not installed')\n"
MISSING = """
from backstay.testing.servers import MissingServer
from tests.conftest import present

def test_one():
    with present("redis"):
        raise MissingServer("install one")
"""


def outcome(tmp_path: Path, source: str, **environment: str) -> tuple[int, str]:
    """Run a test file under the conftest of this project; the exit code, and pytest's words."""
    (tmp_path / "test_inner.py").write_text(source, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "BACKSTAY_REQUIRE"}}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rs"]
    ran = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout


@pytest.mark.parametrize("source", [SKIPPING, MISSING], ids=["skipping", "missing"])
def test_a_skip_is_counted_on_a_developers_machine(tmp_path, source):
    code, words = outcome(tmp_path, source)
    assert (code, "1 skipped" in words) == (0, True), words


def test_a_skip_for_want_of_something_required_fails(tmp_path):
    code, words = outcome(tmp_path, SKIPPING, BACKSTAY_REQUIRE="pg_stat_statements,hypopg")
    assert (code, "1 failed" in words) == (1, True), words
    assert "skipped for want of hypopg, required here" in words


def test_another_skip_does_not_fail_where_something_is_required(tmp_path):
    code, words = outcome(tmp_path, SKIPPING, BACKSTAY_REQUIRE="redis-tls")
    assert (code, "1 skipped" in words) == (0, True), words


def test_a_missing_server_fails_in_ci(tmp_path):
    code, words = outcome(tmp_path, MISSING, CI="true")
    assert (code, "1 failed" in words) == (1, True), words
    assert "redis is required here: install one" in words
