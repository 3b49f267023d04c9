"""``backstay migrate``: the migration runner on the command line."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from backstay.errors import (
    BackstayError,
    DangerousMigration,
    MigrationPlanError,
    MigrationUnavailable,
    MissingExtraError,
    StepFailed,
)

try:
    import click
except ModuleNotFoundError as exc:
    raise MissingExtraError("cli", "backstay migrate") from exc

from backstay.events import Listener
from backstay.migrations import (
    Backfill,
    DirectorySource,
    Drift,
    Migration,
    Report,
    Snapshot,
    Status,
    StepRunner,
    compare,
    fold,
    metadata_drift,
    run_backfill,
    runner_for,
)
from backstay.migrations.lint import Level, Verdict, lint_migrations

from .migrate_progress import LiveProgress, say_lines

T = TypeVar("T")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_EXIT = """
Exit codes: 0 done; 1 a step failed, or there are findings; 2 wrong usage; 3 refused before anything was run;
4 the database could not be reached; 5 there is something pending (status --exit-code); 6 a contract migration
waits for older versions of the application.
"""


class _Options:
    def __init__(
        self, context: click.Context, *, url: str | None, directories: Sequence[str], version: str, as_json: bool
    ) -> None:
        self._context = context
        self._version = version
        self.url = url
        self.sources = [_source(one) for one in directories]
        self.as_json = as_json

    def runner(self) -> StepRunner:
        return runner_for(self.database(), self.sources, app_version=self._version, listeners=self.listeners())

    def database(self) -> str:
        if not self.url:
            raise click.UsageError("no database: set BACKSTAY_DATABASE_URL or pass --database")
        return self.url

    def listeners(self) -> tuple[Listener, ...]:
        """What is shown on the way, on stderr; the result alone goes to stdout."""
        if self.as_json:
            return ()
        if not sys.stderr.isatty():
            return (say_lines,)
        from rich.console import Console

        return (self._context.with_resource(LiveProgress(Console(stderr=True))),)

    def show(self, value: Any, lines: Sequence[str]) -> None:
        click.echo(json.dumps(value, default=str, indent=2) if self.as_json else "\n".join(lines))


def _source(given: str) -> DirectorySource:
    name, separator, path = given.rpartition("=")
    return DirectorySource(path if separator else given, name=name)


def _run(work: Awaitable[T]) -> T:
    """Run to the end; an error becomes one message and an exit code that CI can use."""

    async def awaited() -> T:
        return await work

    try:
        return asyncio.run(awaited())
    except BackstayError as exc:
        click.echo(f"error: {exc}", err=True)
        match exc:
            case StepFailed():
                code = 1
            case MigrationUnavailable():
                code = 4
            case MigrationPlanError() | DangerousMigration():
                code = 3
            case _:
                code = 1
        raise SystemExit(code) from exc


@click.group(epilog=_EXIT)
@click.option("--database", envvar="BACKSTAY_DATABASE_URL", help="postgresql://… or sqlite:///path")
@click.option(
    "--directory",
    "directories",
    multiple=True,
    default=["migrations"],
    envvar="BACKSTAY_MIGRATIONS_DIRECTORY",
    show_default=True,
    help="Where the files are; several as name=path.",
)
@click.option(
    "--app-version",
    default="",
    envvar="BACKSTAY_MIGRATIONS_APP_VERSION",
    help="Ours, for the history; a contract migration waits for older ones that report themselves.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output on stdout.")
@click.pass_context
def migrate(
    context: click.Context, *, database: str | None, directories: Sequence[str], app_version: str, as_json: bool
) -> None:
    """Bring a database to where its migration files say it should be."""
    context.obj = _Options(context, url=database, directories=directories, version=app_version, as_json=as_json)


def _command(function: Callable[..., None]) -> click.Command:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    return migrate.command()(click.pass_obj(called))


def _report(options: _Options, report: Report) -> None:
    outcomes = [asdict(outcome) for outcome in report.outcomes]
    lines = [f"{o.status:<12} {o.migration}  {o.duration:.3f} s" for o in report.outcomes]
    for outcome in report.outcomes:
        lines += [f"             {lock}" for lock in outcome.locks]
        if outcome.error:
            lines.append(f"             {outcome.error}")
    options.show({"outcomes": outcomes, "runner_wait": report.runner_wait}, lines or ["nothing to do"])
    if Status.HELD_BACK in report.values():
        raise SystemExit(6)


@_command
@click.argument("name")
@click.option("--python", is_flag=True, help="A Python step instead of SQL.")
def new(options: _Options, name: str, python: bool) -> None:
    """Write an empty migration with the next number (or the time, where there is none yet)."""
    directory = Path(options.sources[0].path)
    directory.mkdir(parents=True, exist_ok=True)
    label = re.sub(r"\W+", "_", name.lower()).strip("_")
    numbers = [found[1] for entry in directory.iterdir() if (found := re.match(r"(\d+)", entry.name))]
    newest = max(numbers, key=int, default="0000")
    number = (
        datetime.now(UTC).strftime("%Y%m%d%H%M%S") if len(newest) == 14 else f"{int(newest) + 1:0{len(newest)}}"
    )
    stem = directory / f"{number}_{label}"
    written = (
        {".py": "async def up(db):\n    ...\n\n\nasync def down(db):\n    ...\n"}
        if python
        else {".sql": "", ".down.sql": ""}
    )
    for ending, content in written.items():
        path = Path(f"{stem}{ending}")
        path.write_text(content)
        click.echo(path)


@_command
@click.option("--exit-code", is_flag=True, help="Exit with 5 if something is pending.")
def status(options: _Options, exit_code: bool) -> None:
    """What is applied, what is pending, and what is wrong."""
    runner = options.runner()

    async def look() -> tuple[Any, Any, Any]:
        return await runner.history(), await runner.plan(), runner.migrations

    history, plan, migrations = _run(look())
    states = fold(history)
    pending = [step.migration.id for step in plan.steps]
    rows = [{"migration": m.id, "state": _state(m.id, states, pending)} for m in migrations]
    findings = [asdict(finding) for finding in plan.findings]
    lines = [f"{row['state']:<12} {row['migration']}" for row in rows]
    lines += [f"{finding.problem}: {finding.message}" for finding in plan.findings]
    options.show({"migrations": rows, "findings": findings}, lines)
    if exit_code and pending:
        raise SystemExit(5)


def _state(key: str, states: Any, pending: Sequence[str]) -> str:
    if key in pending:
        return "pending"
    return (
        ("adopted" if states[key].adopted else "applied") if key in states and states[key].applied else "held back"
    )


@_command
@click.argument("target", required=False)
@click.option("--dry-run", is_flag=True, help="Show the plan and its SQL; send nothing.")
def up(options: _Options, target: str | None, dry_run: bool) -> None:
    """Apply what is pending, up to TARGET if it is given."""
    runner = options.runner()
    report = _run(runner.dry_run(target) if dry_run else runner.run(target))
    _report(options, report)
    if dry_run and not options.as_json:
        click.echo("\n".join(f"-- {outcome.migration}\n{outcome.sql}" for outcome in report.outcomes))


@_command
@click.argument("target", required=False)
@click.option("--steps", type=click.IntRange(min=1), help="How many; 1 if nothing is said.")
@click.option("--batch", is_flag=True, help="What the last run applied.")
def down(options: _Options, target: str | None, steps: int | None, batch: bool) -> None:
    """Undo all after TARGET, or the last STEPS, or the last batch."""
    _report(options, _run(options.runner().rollback(target, steps=steps, batch=batch)))


@_command
@click.option("--steps", type=click.IntRange(min=1), default=1)
def redo(options: _Options, steps: int) -> None:
    """Undo the last migration and apply it again."""
    _report(options, _run(options.runner().redo(steps)))


@_command
@click.argument("target")
def to(options: _Options, target: str) -> None:
    """Up or down until TARGET is the last that is applied."""
    _report(options, _run(options.runner().to(target)))


@_command
@click.option("--all", "everything", is_flag=True, help="Every file, not only what is pending.")
@click.option(
    "--trace", "traced", is_flag=True, help="Run them in a scratch database beside --database, and watch."
)
def check(options: _Options, *, everything: bool, traced: bool) -> None:
    """Lint what is pending (without a database: every file), and show the safe way to write it."""
    runner = runner_for(options.url or "sqlite:///none", options.sources)
    pending = options.url and not everything
    try:
        chosen = [s.migration for s in _run(runner.plan()).steps] if pending else list(runner.migrations)
        verdicts = lint_migrations(chosen)
    except BackstayError as exc:
        raise click.ClickException(str(exc)) from exc
    if traced:
        verdicts = _run(_traced(options.database(), runner.migrations, chosen, verdicts))
    verdicts = [verdict for verdict in verdicts if verdict.allowed is None]
    options.show(
        [asdict(verdict) for verdict in verdicts],
        [str(verdict) for verdict in verdicts] or ["no danger found"],
    )
    if any(verdict.level is Level.DANGER for verdict in verdicts):
        raise SystemExit(1)


async def _traced(
    url: str, migrations: Sequence[Migration], chosen: Sequence[Migration], verdicts: Sequence[Verdict]
) -> list[Verdict]:
    if not url.startswith("postgres"):
        raise click.UsageError("--trace needs a PostgreSQL server")
    from backstay.migrations.postgres_trace import trace
    from backstay.migrations.trace import judged_with

    observed = await trace(url, migrations, watched={migration.id for migration in chosen})
    return judged_with(verdicts, observed)


@_command
@click.argument("target", required=False)
def rehearse(options: _Options, target: str | None) -> None:
    """Run what is pending on the real database and take it back; shows locks and times."""
    report = _run(options.runner().rehearse(target))
    _report(options, report)
    if any(outcome.error for outcome in report.outcomes):
        raise SystemExit(1)


@_command
@click.argument("target")
def baseline(options: _Options, target: str) -> None:
    """Take everything up to TARGET as applied, without running it."""
    _report(options, _run(options.runner().baseline(target)))


@_command
@click.argument("migrations", nargs=-1)
def adopt(options: _Options, migrations: Sequence[str]) -> None:
    """Take MIGRATIONS as applied; without any, take over the history of the tool that was used before."""
    runner = options.runner()
    _report(options, _run(runner.adopt(*migrations) if migrations else runner.adopt_history()))


@_command
def history(options: _Options) -> None:
    """Everything that was ever written down."""
    events = _run(options.runner().history())
    lines = [
        f"{event.at:%Y-%m-%d %H:%M:%S}  {event.kind:<11} {event.migration}  {event.duration:.3f} s  {event.detail}"
        for event in events
    ]
    options.show([asdict(event) for event in events], lines)


@_command
@click.option("--snapshot", type=_FILE, help="Compare the schema with what this file says.")
@click.option("--metadata", help="Compare it with SQLAlchemy metadata, given as module:name.")
@click.option("--ignore", multiple=True, help="Tables that are not compared; * stands for anything.")
@click.option(
    "--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the schema as it is to a file."
)
def verify(
    options: _Options, *, snapshot: Path | None, metadata: str | None, ignore: Sequence[str], write: Path | None
) -> None:
    """Compare files with history, and the schema with a snapshot or metadata; 1 if one is not as it should be."""
    runner = options.runner()
    findings = _run(runner.validate())
    drift: list[Drift] = []
    if snapshot is not None or write is not None:
        found = _run(runner.snapshot())
        if write is not None:
            write.write_text(found.dumps(), encoding="utf-8")
        if snapshot is not None:
            drift += compare(_read(snapshot).without(ignore), found.without(ignore))
    if metadata is not None:
        drift += _run(metadata_drift(_named(metadata), options.database(), ignore=ignore))
    lines = [f"{finding.problem}: {finding.message}" for finding in findings] or ["files and history agree"]
    lines += [f"drift: {one}" for one in drift]
    options.show({"findings": [asdict(one) for one in findings], "drift": [asdict(one) for one in drift]}, lines)
    if drift or any(finding.blocks for finding in findings):
        raise SystemExit(1)


def _read(path: Path) -> Snapshot:
    try:
        return Snapshot.read(path)
    except BackstayError as exc:
        raise click.ClickException(str(exc)) from exc


def _named(metadata: str) -> Any:
    """The object that ``module:name`` stands for; modules are found from where the command is run."""
    module, _, name = metadata.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise click.BadParameter(f"{metadata!r} names no metadata: {exc}", param_hint="--metadata") from exc
    finally:
        sys.path.pop(0)


@_command
@click.argument("file", type=_FILE)
@click.option("--table", required=True)
@click.option("--key", default="id", show_default=True, help="The primary key.")
@click.option("--batch", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--budget", type=float, default=0.2, show_default=True, help="Seconds that one batch should take.")
def backfill(options: _Options, *, file: Path, table: str, key: str, batch: int, budget: float) -> None:
    """Run the statement in FILE over TABLE in batches; goes on where the last run stopped."""
    work = Backfill(name=file.stem, table=table, key=key, sql=file.read_text(), batch=batch, budget=budget)
    done = _run(run_backfill(options.database(), work, listeners=options.listeners()))
    options.show(asdict(done), [f"{done.name}: {done.rows} rows are done"])
