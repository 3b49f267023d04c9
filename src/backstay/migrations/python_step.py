"""Loading ``async def up(db)`` from a file, without touching ``sys.path`` and under a name of its own."""

from __future__ import annotations

import inspect
import linecache
from types import ModuleType

from backstay.errors import InvalidMigration

from .database import PythonStep
from .files import Script
from .model import Direction


def load_step(script: Script, direction: Direction) -> PythonStep:
    """The function that the script defines for one direction.

    Raises:
        InvalidMigration: the file does not compile, fails while it is loaded, or has no such async function.
    """
    if script.load is not None:
        return script.load(direction)
    module = ModuleType("backstay_migration")
    module.__file__ = script.name
    try:
        code = compile(script.text, script.name, "exec")
        exec(code, module.__dict__)  # noqa: S102 - running the project's own migration files is the purpose
    except SyntaxError as exc:
        raise InvalidMigration(f"{script.name}:{exc.lineno}:{exc.offset}: {exc.msg}") from exc
    except Exception as exc:  # the file is the user's code and may raise anything
        raise InvalidMigration(f"{script.name}: loading it raised {type(exc).__name__}: {exc}") from exc
    # So that a traceback shows the step's own lines, also where the file came out of a package.
    linecache.cache[script.name] = (
        len(script.text),
        None,
        script.text.splitlines(keepends=True),
        script.name,
    )
    step = getattr(module, direction.value, None)
    if not inspect.iscoroutinefunction(step):
        raise InvalidMigration(f"{script.name}: it has no 'async def {direction}(db)'")
    return step
