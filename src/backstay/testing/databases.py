"""Databases that are migrated already, and what to ask of migrations in tests of your own.

A fixture is two lines::

    @pytest.fixture
    def database(postgres_url):
        with migrated_database(postgres_url, "migrations") as url:
            yield url
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from backstay.migrations import DirectorySource, Source, StepRunner, compare, runner_for
from backstay.migrations.sources import Loaded, digest

from .postgres_templates import cloned, dropped, template


@contextmanager
def migrated_database(server: str, sources: Sequence[Source] | Path | str) -> Generator[str]:
    """The URL of a new database in which every migration is applied; it is gone when the block ends.

    On PostgreSQL the migrations run once for as long as their files stay as they are, into a template; each call
    clones that, which takes tens of milliseconds however many migrations there are. Of templates that older files
    left only the newest is kept. Several processes may call this at once.

    Args:
        server: A database on the server, as a user that may create databases; or ``sqlite://`` for a file.
        sources: As for `runner_for`.

    Not for use inside a running event loop: call it in a fixture that is no coroutine.
    """
    chosen = [DirectorySource(sources)] if isinstance(sources, (str, Path)) else list(sources)
    if server.startswith("sqlite"):
        with TemporaryDirectory() as directory:
            url = f"sqlite:///{directory}/test.db"
            asyncio.run(_migrate(url, chosen))
            yield url
        return
    label = hashlib.sha256(repr(chosen).encode()).hexdigest()[:8]
    version = digest(map(Loaded, chosen))[:12]
    made = asyncio.run(template(server, label, version, lambda url: _migrate(url, chosen)))
    name = f"test_{secrets.token_hex(6)}"
    url = asyncio.run(cloned(server, made, name))
    try:
        yield url
    finally:
        asyncio.run(dropped(server, name))


async def _migrate(url: str, sources: Sequence[Source]) -> None:
    await runner_for(url, sources).run()


async def assert_up_down_up(runner: StepRunner, *, irreversible: Collection[str] = ()) -> None:
    """Take each migration up, down, and up again on an empty database, and compare the schema each time.

    Args:
        runner: On a database in which nothing is applied yet.
        irreversible: The ids of those that may be without a down script; they are only taken up.

    Raises:
        AssertionError: a down script is missing, or does not bring back what was there, or the second time up makes
            something else than the first. Names the migration and the objects.
    """
    for migration in runner.migrations:
        if migration.repeatable:
            continue
        before = await runner.snapshot()
        await runner.run(migration.id)
        if not migration.reversible:
            assert migration.id in irreversible, f"{migration.id} has no down script"  # noqa: S101
            continue
        after = await runner.snapshot()
        await runner.rollback(steps=1)
        _same(f"{migration.id}, taken down", compare(before, await runner.snapshot()))
        await runner.run(migration.id)
        _same(f"{migration.id}, up for the second time", compare(after, await runner.snapshot()))


def _same(what: str, differences: Sequence[object]) -> None:
    assert not differences, "\n  ".join([f"{what}:", *map(str, differences)])  # noqa: S101
