"""The demo as its users run it: a process of its own that speaks HTTP to itself and exits 0."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def walk(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTAY_")}
    paths = [str(ROOT / "examples"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, str(ROOT / "examples/prices/walkthrough.py")],
        cwd=ROOT,
        env=kept | environment | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def check(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 computation, 200 equal answers" in done.stdout
    summary = re.search(r"(\d+) computed, (\d+) hits, (\d+) waited for another", done.stdout)
    assert summary, done.stdout
    computed, hits, waited = map(int, summary.groups())
    assert computed == 3
    assert hits >= 3
    assert waited > 0
    assert "98% of 207 look-ups computed nothing" in done.stdout


def test_the_walk_on_the_embedded_default():
    done = walk()
    check(done)
    assert "on the embedded default" in done.stdout


@pytest.mark.redis
def test_the_walk_on_a_real_redis_and_once_more_on_what_it_left_there(redis_url):
    for _ in range(2):
        done = walk(BACKSTAY_REDIS_URL=redis_url, BACKSTAY_CACHE_PREFIX="demo-walk:", BACKSTAY_CACHE_BUDGET="5")
        check(done)
        assert "on the Redis of BACKSTAY_REDIS_URL" in done.stdout


def test_a_walk_that_is_not_as_it_should_be_ends_with_an_error():
    """A Redis that is not there: values are computed and none is kept, so what should be a hit is none."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        done = walk(BACKSTAY_REDIS_URL=f"redis://127.0.0.1:{unused.getsockname()[1]}/0")
    assert done.returncode == 1
    assert "AssertionError" in done.stderr
    assert "500 Internal Server Error" not in done.stderr
