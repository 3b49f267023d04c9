"""Wrong wirings are refused by both type checkers, each on the very line that is wrong.

``wrong/*.py`` mark every wrong line with ``# WRONG``; ``*right.py`` must pass. A line that only one checker
refuses, or a line that neither should have refused, fails the test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import backstay

SOURCE = Path(backstay.__file__).parents[1]
HERE = Path(__file__).parent
WRONG = sorted((HERE / "wrong").glob("*.py"))
RIGHT = sorted(HERE.glob("*right.py"))


def marked(path: Path) -> set[int]:
    return {at for at, line in enumerate(path.read_text().splitlines(), 1) if "# WRONG" in line}


def mypy_lines(path: Path, tmp_path: Path) -> set[int]:
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", os.devnull, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found = re.findall(rf"{re.escape(path.name)}:(\d+): error", run.stdout)
    assert found or run.returncode == 0, run.stdout
    return {int(line) for line in found}


def pyright_lines(path: Path, tmp_path: Path) -> set[int]:
    shutil.copy(path, tmp_path)  # pyright looks only below its configuration
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps({"typeCheckingMode": "strict", "extraPaths": [str(SOURCE)]}))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(config)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    report = json.loads(run.stdout)
    assert report["summary"]["filesAnalyzed"] == 1, run.stdout
    errors = [each for each in report["generalDiagnostics"] if each["severity"] == "error"]
    return {each["range"]["start"]["line"] + 1 for each in errors}


CHECKERS = {"mypy": mypy_lines, "pyright": pyright_lines}


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", WRONG, ids=name_of)
@pytest.mark.parametrize("checker", CHECKERS)
def test_every_wrong_wiring_is_refused_where_it_stands(checker, path, tmp_path):
    if shutil.which(checker, path=str(Path(sys.executable).parent)) is None:
        pytest.skip(f"{checker} is not installed here")
    wrong = marked(path)
    assert len(wrong) >= 15
    assert CHECKERS[checker](path, tmp_path) == wrong


@pytest.mark.parametrize("path", RIGHT, ids=name_of)
@pytest.mark.parametrize("checker", CHECKERS)
def test_the_right_wirings_pass(checker, path, tmp_path):
    if shutil.which(checker, path=str(Path(sys.executable).parent)) is None:
        pytest.skip(f"{checker} is not installed here")
    assert CHECKERS[checker](path, tmp_path) == set()
