"""Who may import whom, where import-linter cannot say it, and what `import backstay` costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import backstay

SOURCE = Path(backstay.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
CORE = {"anyio", "msgspec", "typing_extensions"}

# A driver's module → the names of files, or of folders on the way to them, that may import it. A file named
# after the driver always may. Anything else is in this table, or is refused.
ALSO_ALLOWED: dict[str, set[str]] = {
    "sqlalchemy": {"postgres", "sqlite", "declared", "alembic"},
    "asyncpg": {"postgres", "sqlalchemy"},
    "aiosqlite": {"sqlite"},
    "argon2": {"hasher", "passwords"},
    "joserfc": {"jose", "tokens"},
    "cryptography": {"aead", "jose", "keyring"},
    "click": {"cli"},
    "rich": {"cli", "report"},
    "opentelemetry": {"telemetry"},
    "prometheus_client": {"prometheus", "telemetry"},
    "zstandard": {"compression", "zstd"},
    "jinja2": {"report"},
    "hiredis": {"redis", "wire", "link"},
    "xxhash": {"envelope"},
    "trio": {"pool", "tasks"},  # only where a loop of trio runs already: its way to be woken from a thread
    "pytest": {"testing"},
    "hypothesis": {"testing"},
}
BACKENDS = {"redis", "postgres", "sqlite", "memory"}


def imports_of(tree: ast.AST) -> set[str]:
    """The top-level modules that are imported anywhere in `tree`; relative imports are our own."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"backstay"}


def may_import(path: Path, module: str) -> bool:
    """Whether the file at `path`, relative to the package, may import the third-party `module`."""
    names = {part for name in path.with_suffix("").parts for part in (name, *name.split("_"))}
    return module in CORE or bool(names & ({module} | ALSO_ALLOWED.get(module, set())))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_driver_is_imported_only_in_the_file_named_after_it(path):
    relative = path.relative_to(SOURCE)
    wrong = {
        module for module in imports_of(ast.parse(path.read_text("utf-8"))) if not may_import(relative, module)
    }
    assert not wrong, f"{relative} may not import {', '.join(sorted(wrong))}: put it in a file named after it"


def test_the_rule_about_drivers_refuses_what_it_should():
    assert may_import(Path("cache/redis.py"), "redis")
    assert may_import(Path("web/fastapi.py"), "fastapi")
    assert not may_import(Path("cache/cache.py"), "redis")
    assert not may_import(Path("container.py"), "asyncpg")
    assert not may_import(Path("web/asgi.py"), "starlette")
    assert imports_of(ast.parse("def f():\n  from redis.asyncio import Redis\nimport os\nfrom . import x")) == {
        "redis"
    }


@pytest.mark.parametrize(
    "path", sorted(SOURCE.glob("*/protocol.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_a_protocol_knows_none_of_its_backends(path):
    tree = ast.parse(path.read_text("utf-8"))
    siblings = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1}
    assert not siblings & BACKENDS


def test_importing_backstay_is_cheap_and_loads_no_driver():
    code = (
        "import sys; before = set(sys.modules); import backstay;"
        "print(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = ran.stdout.split()
    drivers = {name.partition(".")[0] for name in added} - sys.stdlib_module_names - CORE - {"backstay"}
    assert not drivers
    assert len(added) <= 80, added
