"""`AlembicRunner`: an existing Alembic environment's revisions, run by our step loop.

Revisions, ``op.*`` and ``alembic revision --autogenerate`` stay as they are. What Alembic lacks comes from
the runner: the lock, the retry, the history with checksums, and the refusal of changed files. ``env.py`` is
not run. ``alembic_version`` is kept in step, in the same transaction, so that Alembic's own commands work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backstay.clock import Clock
from backstay.errors import MissingExtraError
from backstay.events import Listener

try:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
    from alembic.script import Script as Revision
    from alembic.script import ScriptDirectory
except ModuleNotFoundError as exc:
    raise MissingExtraError("alembic", "AlembicRunner") from exc

from .database import PythonStep
from .files import Migration, Script
from .model import Direction, Report
from .postgres import PostgresRunner
from .protocol import MigrationConnection, MigrationRunner
from .runner import DEFAULT_DEADLINE, DEFAULT_LOCK_TIMEOUT

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine


class AlembicSource:
    """The revisions below an Alembic script directory, in an order that respects every dependency."""

    name = ""
    after: Sequence[str] = ()

    def __init__(self, directory: Path | str, *, version_table: str = "alembic_version") -> None:
        """`directory` is the one that holds ``versions``."""
        self._scripts = ScriptDirectory(str(directory))
        self._version_table = version_table

    def load(self) -> Iterable[Migration]:
        """Every revision, oldest first. Its id is the file's name; its revision identifier finds it too."""
        newest_first = list(self._scripts.walk_revisions())
        for number, revision in enumerate(reversed(newest_first), start=1):
            script = _RevisionScript(revision, partial(self._step, revision))
            label = Path(revision.path).stem
            identity = label if label.startswith(revision.revision) else f"{revision.revision}_{label}"
            yield Migration(id=identity, source="", version=(number,), up=script, down=script)

    def applied(self, heads: Iterable[str]) -> set[str]:
        """The revisions that are applied when these are the heads: they and all their ancestors."""
        known = tuple(heads)
        return {one.revision for one in self._scripts.iterate_revisions(known, "base")} if known else set()

    def _step(self, revision: Revision, direction: Direction) -> PythonStep:
        make = (
            MigrationStep.upgrade_from_script if direction is Direction.UP else MigrationStep.downgrade_from_script
        )
        step: RevisionStep = make(self._scripts.revision_map, revision)

        def plan(_heads: object, _context: object) -> list[RevisionStep]:
            return [step]

        def migrate(connection: Connection) -> None:
            options: dict[str, Any] = {"fn": plan, "version_table": self._version_table}
            context = MigrationContext.configure(connection, opts=options)
            with Operations.context(context), context.begin_transaction():
                context.run_migrations()

        async def run(db: MigrationConnection) -> None:
            await db.run_sync(migrate)  # type: ignore[attr-defined]  # PostgresRunner on an engine has it

        return run


class _RevisionScript(Script):
    def __init__(self, revision: Revision, load: Any) -> None:
        super().__init__(Path(revision.path).read_bytes(), name=revision.path)
        self.load = load


class AlembicRunner(PostgresRunner):
    """A `MigrationRunner` over an Alembic environment. On first use it takes over ``alembic_version``."""

    def __init__(
        self,
        engine: AsyncEngine,
        directory: Path | str,
        *,
        version_table: str = "alembic_version",
        table: str = "backstay_migrations",
        lock_timeout: float = DEFAULT_LOCK_TIMEOUT,
        deadline: float = DEFAULT_DEADLINE,
        app_version: str = "",
        clock: Clock | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        """A runner; nothing is connected yet.

        Args:
            engine: An ``AsyncEngine`` on asyncpg, with room for two connections.
            directory: Alembic's script directory, the one that holds ``versions``.
            version_table: Alembic's own table.
            table: The table of our history.
            lock_timeout: See `StepRunner`; seconds.
            deadline: See `StepRunner`; seconds.
            app_version: See `StepRunner`.
            clock: See `StepRunner`.
            listeners: See `StepRunner`.
        """
        self._revisions = AlembicSource(directory, version_table=version_table)
        self._version_table = version_table
        # A graph has no one order: a branch that is merged later belongs before what is applied already.
        super().__init__(
            engine,
            [self._revisions],
            table=table,
            lock_timeout=lock_timeout,
            deadline=deadline,
            out_of_order=True,
            app_version=app_version,
            clock=clock,
            listeners=listeners,
        )

    async def run(self, target: str | None = None, /) -> Report:
        """Apply what is pending. See `MigrationRunner.run`."""
        if not await self.history():
            await self.adopt_history()
        return await super().run(target)

    async def adopt_history(self) -> Report:
        """Take what ``alembic_version`` says, with all ancestors, as applied."""
        if not await self._database.columns([self._version_table]):
            return Report()
        rows = await self._database.rows(f'SELECT version_num FROM "{self._version_table}"')  # noqa: S608
        applied = self._revisions.applied(row["version_num"] for row in rows)
        return await self.adopt(*[m.id for m in self.migrations if m.id.partition("_")[0] in applied])


if TYPE_CHECKING:
    _runner: type[MigrationRunner] = AlembicRunner
