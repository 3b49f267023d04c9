"""What the project promises outside its code: the two commands, pinned actions, no names of hosts."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = "python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s {session}"
# Split, so that this file does not contain what it forbids.
REGISTRY_HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "npmjs" + ".org",
    "deb.debian" + ".org",
    "npmjs" + ".com",
]
MACHINE_PATHS = ["/wo" + "rk/", "/ro" + "ot/"]


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_ci_runs_the_command_of_the_readme_and_only_that():
    steps = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert steps[-1] == COMMAND.format(session="tests")
    assert sum("nox" in step for step in steps) == 1
    assert os.access(ROOT / ".ci/run", os.X_OK)


@pytest.mark.parametrize("session", ["tests", "demo"])
def test_the_commands_are_the_same_word_for_word_wherever_they_stand(session):
    command = COMMAND.format(session=session)
    assert command in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert command in (ROOT / "README.md").read_text("utf-8")


def test_actions_are_pinned_and_may_only_read():
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        text = workflow.read_text("utf-8")
        used = re.findall(r"uses:\s*(\S+)", text)
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in used), workflow.name
        assert "permissions:\n  contents: read\n" in text
        assert ": write" not in text


def test_no_text_names_a_registry_or_a_machine():
    wrong: list[str] = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # not text
        wrong += [f"{path.relative_to(ROOT)}: {word}" for word in REGISTRY_HOSTS + MACHINE_PATHS if word in text]
    assert wrong == []


def test_what_is_under_the_gpl_is_for_tests_only():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    shipped = project["dependencies"] + [
        need for needs in project["optional-dependencies"].values() for need in needs
    ]
    assert not [need for need in shipped if need.startswith("pglast")]


def test_the_core_depends_on_three_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert [re.match(r"[\w-]+", need).group() for need in project["dependencies"]] == ["anyio", "msgspec", "xxhash"]
