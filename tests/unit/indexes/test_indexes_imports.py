"""Importing the subject loads no driver."""

from __future__ import annotations

import subprocess
import sys


def test_no_driver_is_loaded_before_it_is_named() -> None:
    code = (
        "import sys, backstay.indexes\n"
        "loaded = {'asyncpg', 'sqlalchemy', 'aiosqlite', 'click', 'rich'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "backstay.indexes.PostgresIndexPlanner\n"
        "assert 'asyncpg' in sys.modules\n"
        "assert 'sqlalchemy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
