"""Every task of the project, each in an environment of its own. ``nox -l`` lists them; ``nox`` runs `tests`.

The environments are made by virtualenv and pip, because those are all that a fresh machine is promised to
have. Who has uv and wants its speed sets ``NOX_DEFAULT_VENV_BACKEND=uv``.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["tests"]
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
OLDEST_REDIS = "redis==5.2.1"
TEST_RINGS = ("tests/unit", "tests/conformance", "tests/integration", "tests/typing", "tests/docs")


def requirements(*groups: str) -> tuple[str, ...]:
    """The dependencies of these groups of pyproject.toml."""
    # Groups include each other, so a requirement may come up more than once.
    return tuple(dict.fromkeys(nox.project.dependency_groups(PYPROJECT, *groups)))


def install(session: nox.Session, *groups: str) -> None:
    """Install backstay as its users get it, from a built wheel, with all extras and these groups."""
    session.install(".[all]", *requirements(*groups))


def rings() -> list[str]:
    """The rings of tests that exist in this checkout."""
    return [ring for ring in TEST_RINGS if Path(ring).is_dir()]


def check_lint(session: nox.Session) -> None:
    """Formatting, lint, and the floors of the house."""
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("lint-imports")


def check_types(session: nox.Session) -> None:
    """Both type checkers, both strict."""
    session.run("mypy")
    session.run("pyright", "--pythonpath", shutil.which("python", path=session.bin) or sys.executable)


def build_docs(session: nox.Session) -> None:
    """Nitpicky, and every warning is an error."""
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


CHECKS: dict[str, Callable[[nox.Session], None]] = {
    "lint": check_lint,
    "types": check_types,
    "docs": build_docs,
}


@nox.session
def tests(session: nox.Session) -> None:
    """Everything: lint, types, import contracts, docs, and all tests on real servers. What CI runs."""
    install(session, "lint", "types", "docs", "test")
    failed = [name for name, check in CHECKS.items() if not passes(session, check)]
    # pytest is the last one to speak: the output ends in its summary line. A failure is still reported.
    logging.getLogger("nox").setLevel(logging.ERROR)
    session.run("pytest", *(session.posargs or rings()))
    if failed:
        session.error(f"all tests passed, and these checks before them did not: {', '.join(failed)}")


def passes(session: nox.Session, check: Callable[[nox.Session], None]) -> bool:
    """Whether `check` passes. The tests run either way: one run tells everything that is wrong."""
    try:
        check(session)
    except nox.command.CommandFailed:
        return False
    return True


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, lint and import contracts only."""
    install(session, "lint")
    check_lint(session)


@nox.session
def types(session: nox.Session) -> None:
    """mypy strict and pyright strict only."""
    install(session, "types")
    check_types(session)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation and run every example in it."""
    install(session, "docs", "test")
    build_docs(session)
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo service and walk through it. ``nox -s demo -- --serve`` leaves it up."""
    install(session, "demo")
    session.run(
        "python",
        "examples/prices/walkthrough.py",
        *session.posargs,
        env={"PYTHONPATH": str(Path("examples").resolve())},
    )


@nox.session
def nightly(session: nox.Session) -> None:
    """The tests that take too long for every change: large property runs and storms."""
    install(session, "docs", "test")
    # What is killed two hundred times, or asked a million, takes longer than any test that runs for every change.
    pytest = ("pytest", "-m", "nightly or not nightly", "--timeout", "7200")
    session.run(*pytest, *(session.posargs or rings()), env={"BACKSTAY_NIGHTLY": "1"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Look for a foreign exception, guided by coverage; ``nox -s fuzz -- -max_total_time=86400`` for a day."""
    session.install(".[tokens]", *requirements("fuzz"))
    session.run("python", "tests/fuzz/fuzz_tokens.py", *(session.posargs or ["-max_total_time=600"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks, those of a subject, or those named; options go to each of them.

    ``nox -s bench``, ``nox -s bench -- cache --quick``, ``nox -s bench -- benchmarks/tokens/bench_tokens.py``.
    """
    install(session, "test", "bench")
    # Only what begins with a dash is an option: write ``--only=hit-256``.
    options = [word for word in session.posargs if word.startswith("-")]
    for script in bench_scripts([word for word in session.posargs if not word.startswith("-")]):
        session.run("python", script, *options)


def bench_scripts(names: list[str]) -> list[str]:
    """The benchmarks behind names: a subject stands for all of its own, anything else is a path."""
    folders = {folder.name: folder for folder in Path("benchmarks").iterdir() if folder.is_dir()}
    scripts: list[str] = []
    for name in names or sorted(folders):
        scripts += sorted(map(str, folders[name].glob("bench_*.py"))) if name in folders else [name]
    return scripts


@nox.session
def redis_versions(session: nox.Session) -> None:
    """Both ends of the range of redis-py that backstay allows."""
    # The old driver trips over deprecations that came after it, and leaves connections that failed to the garbage
    # collector. Neither is ours to mend.
    old = ("-W", "default::DeprecationWarning", "-W", "default::pytest.PytestUnraisableExceptionWarning")
    for driver, allowances in ((OLDEST_REDIS, old), ("redis<9", ())):
        install(session, "docs", "test")
        session.install("--upgrade", driver)
        session.run("pytest", *allowances, "-k", "redis", *rings(), *session.posargs)


@nox.session(venv_backend="none")
def matrix(session: nox.Session) -> None:
    """All tests on every supported Python that this machine has; those it has not are named."""
    report: dict[str, str] = {}
    for version in PYTHONS:
        interpreter = next(interpreters(version), None)
        if interpreter is None:
            report[version] = "ABSENT from this machine: not tested"
            continue
        report[version] = "passed" if _tested_on(interpreter, version, session.posargs) else "FAILED"
    for version, outcome in report.items():
        session.log(f"Python {version}: {outcome}")
    if "FAILED" in report.values():
        session.error("a Python failed")


def interpreters(version: str) -> Iterator[str]:
    """Working interpreters of this version: the running one, PATH, and where pyenv and uv keep theirs."""
    homes = [
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions",
        Path.home() / ".local/share/uv/python",
    ]
    kept = [str(path) for home in homes for path in sorted(home.glob(f"*{version}.*/bin/python"), reverse=True)]
    for candidate in (sys.executable, shutil.which(f"python{version}"), *kept):
        # Asked, not believed: a pyenv shim is on PATH for versions that are not there.
        if candidate and _version_of(candidate) == version:
            yield candidate


def _version_of(interpreter: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    asked = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _tested_on(interpreter: str, version: str, arguments: list[str]) -> bool:
    home = Path(".nox") / f"matrix-{version}"
    python = str(home / "bin" / "python")
    steps = (
        [interpreter, "-m", "venv", "--clear", str(home)],
        [python, "-m", "pip", "install", "-q", ".[all]", *requirements("docs", "test")],
        [python, "-m", "pytest", *(arguments or rings())],
    )
    return all(subprocess.run(step, check=False).returncode == 0 for step in steps)
