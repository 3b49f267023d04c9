"""``backstay index``: compare, build, judge, advise, verify and watch, from a shell.

Declarations come from ``--from package.module:name``, where the name is a list of `Index`es, a SQLAlchemy
`MetaData`, or left out for the registry that importing the module fills.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from backstay.errors import BackstayError, MissingExtraError
from backstay.indexes import (
    AdviceLimits,
    Baseline,
    EnsureOptions,
    Index,
    IndexPlan,
    PostgresIndexAdvisor,
    PostgresIndexPlanner,
    Workload,
    declared_indexes,
    from_metadata,
    settle,
    workload_from_log,
)
from backstay.indexes.advice import compare_baselines
from backstay.indexes.logs import LogForm
from backstay.indexes.postgres import connect_dsn
from backstay.indexes.report import human_bytes, render

from .tables import show

try:
    import click
except ImportError as exc:
    raise MissingExtraError("cli", "backstay index") from exc

T = TypeVar("T")

_DSN = click.option(
    "--database-url",
    envvar="BACKSTAY_DATABASE_URL",
    required=True,
    help="postgresql://… (or BACKSTAY_DATABASE_URL)",
)
_FROM = click.option("--from", "source", required=True, help="where indexes are declared: package.module[:name]")
_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON instead of a table")
_SQL = click.option(
    "--workload",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="statements, each ended by ; - or a server's log (.log, .csv, .json); else pg_stat_statements",
)
_LOGS: dict[str, LogForm] = {".log": "stderr", ".csv": "csv", ".json": "json"}


@click.group()
def index() -> None:
    """Declare, build, judge and be advised on indexes."""


@index.command()
@_DSN
@_FROM
@_JSON
def diff(*, database_url: str, source: str, as_json: bool) -> None:
    """Compare declared indexes with the database, by definition. Exits 1 if something is missing."""
    found = _run(PostgresIndexPlanner.from_dsn(database_url).diff(_declared(source)))
    rows = [
        (
            item.wanted.table,
            item.wanted.effective_name,
            item.status.value,
            item.found.name if item.found else "",
        )
        for item in found.comparisons
    ]
    rows += [(extra.table, extra.name, "superfluous", extra.ddl) for extra in found.superfluous]
    show(("table", "index", "status", "found"), rows, as_json=as_json)
    sys.exit(0 if found.clean else 1)


@index.command()
@_DSN
@_FROM
@_JSON
@click.option("--prune", is_flag=True, help="drop superfluous indexes of the same tables")
@click.option("--replace", is_flag=True, help="swap an index that has the name and another definition")
@click.option("--lock-timeout", type=float, default=5.0, show_default=True, help="seconds")
@click.option("--deadline", type=float, help="seconds for all of it")
def ensure(
    *,
    database_url: str,
    source: str,
    as_json: bool,
    prune: bool,
    replace: bool,
    lock_timeout: float,
    deadline: float | None,
) -> None:
    """Make the database have what is declared, without blocking writers."""
    options = EnsureOptions(
        prune=prune, replace=replace, lock_timeout=lock_timeout, deadline=deadline, strict=False
    )
    report = _run(PostgresIndexPlanner.from_dsn(database_url).ensure(_declared(source), options=options))
    rows = [(o.table, o.index, o.action.value, f"{o.seconds:.2f}", o.reason) for o in report.outcomes]
    show(("table", "index", "action", "seconds", "reason"), rows, as_json=as_json)
    sys.exit(0 if report.ok else 1)


@index.command()
@_DSN
@_JSON
@click.option(
    "--min-stats-age", type=float, default=14.0, show_default=True, help="days before unused means unused"
)
@click.option("--replica", multiple=True, help="connection string of a standby, whose scans count")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="write the index map there")
def health(
    *, database_url: str, as_json: bool, min_stats_age: float, replica: tuple[str, ...], html: Path | None
) -> None:
    """Find indexes that do not earn their keep, and foreign keys without one."""
    planner = PostgresIndexPlanner.from_dsn(database_url)
    report = _run(planner.health(min_stats_age=timedelta(days=min_stats_age), replicas=replica))
    if html is not None:
        html.write_text(render(report), encoding="utf-8")
    rows = [
        (f.trouble.value, f.table, f.index, "yes" if f.droppable else "no", f.reason, f.remedy or "")
        for f in report.findings
    ]
    show(("trouble", "table", "index", "droppable", "reason", "remedy"), rows, as_json=as_json)


@index.command()
@_DSN
@_JSON
@_SQL
@click.option("--budget", type=float, help="MiB that the indexes may take")
@click.option("--max-indexes", type=int)
@click.option("--what-if-limit", type=int, default=1000, show_default=True, help="plans to ask for")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="write the index map there")
@click.option("--explain", is_flag=True, help="say where each came from, and why others were left")
def advise(
    *,
    database_url: str,
    as_json: bool,
    workload: Path | None,
    budget: float | None,
    max_indexes: int | None,
    what_if_limit: int,
    html: Path | None,
    explain: bool,
) -> None:
    """Choose indexes for the statements in a file, or for those that pg_stat_statements counted."""
    limits = AdviceLimits(
        budget_bytes=None if budget is None else budget * 2**20,
        max_indexes=max_indexes,
        what_if_limit=what_if_limit,
    )
    plan = _run(_advised(database_url, _statements(workload), limits))
    if html is not None:
        judged = _run(PostgresIndexPlanner.from_dsn(database_url).health())
        html.write_text(render(judged, plan), encoding="utf-8")
    _show_plan(plan, as_json=as_json, explain=explain)


@index.command()
@_DSN
@_JSON
@_SQL
@click.option("--budget", type=float, help="MiB that the indexes may take")
@click.option("--max-indexes", type=int)
@click.option("--rounds", type=int, default=1, show_default=True, help="advise anew without what was dropped")
@click.option("--watch-looks", type=int, default=0, show_default=True, help="further looks, later")
@click.option("--interval", type=float, default=60.0, show_default=True, help="seconds between looks")
def apply(
    *,
    database_url: str,
    as_json: bool,
    workload: Path | None,
    budget: float | None,
    max_indexes: int | None,
    rounds: int,
    watch_looks: int,
    interval: float,
) -> None:
    """Advise, build what is advised, run the reads again, and drop what made one of them slower.

    With more rounds, what did not hold is followed by other advice, and all of it dropped first: use a copy.
    """
    limits = AdviceLimits(budget_bytes=None if budget is None else budget * 2**20, max_indexes=max_indexes)
    rows = _run(
        _applied(database_url, _statements(workload), limits, rounds=rounds, looks=watch_looks, interval=interval)
    )
    show(("index", "outcome"), rows, as_json=as_json)


@index.command()
@_DSN
@_JSON
@_SQL
@click.option("--baseline", "file", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--run/--no-run", default=True, show_default=True, help="execute reads, read-only")
def verify(*, database_url: str, as_json: bool, workload: Path | None, file: Path, run: bool) -> None:
    """Write a baseline if the file does not exist; otherwise compare with it. Exits 1 on a regression."""
    _, now = _run(_measured(database_url, _statements(workload), run=run))
    if not file.exists():
        file.write_text(json.dumps(_baseline_as_json(now)), encoding="utf-8")
        click.echo(f"the baseline is written to {file}; build, and verify again")
        return
    verification = compare_baselines(_read_baseline(file), now)
    rows = [
        (t.query, f"{t.cost_before:.0f}", f"{t.cost_after:.0f}", f"{t.ratio:.2f}") for t in verification.timings
    ]
    show(("query", "cost before", "cost after", "ratio"), rows, as_json=as_json)
    sys.exit(1 if verification.regressions else 0)


@index.command()
@_DSN
@_JSON
@_SQL
@_FROM
@click.option("--baseline", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--looks", type=int, default=10, show_default=True)
@click.option("--interval", type=float, default=60.0, show_default=True, help="seconds between looks")
def watch(
    *,
    database_url: str,
    as_json: bool,
    workload: Path | None,
    source: str,
    file: Path,
    looks: int,
    interval: float,
) -> None:
    """Run the reads again and again; drop those declared indexes that make one slower than the baseline."""
    rows = _run(
        _watched(
            database_url,
            _statements(workload),
            _declared(source),
            _read_baseline(file),
            looks=looks,
            interval=interval,
        )
    )
    show(("look", "slower", "dropped", "undo"), rows, as_json=as_json)


@index.command()
@_DSN
@_JSON
@click.option("--interval", type=float, default=0.5, show_default=True, help="seconds")
def progress(*, database_url: str, as_json: bool, interval: float) -> None:
    """Show builds in flight until there are none."""

    async def follow() -> None:
        async for builds in PostgresIndexPlanner.from_dsn(database_url).progress(interval=interval):
            rows = [
                (b.table, b.index, b.phase, f"{b.fraction:.0%}", "; ".join(map(str, b.blockers))) for b in builds
            ]
            show(("table", "index", "phase", "done", "waits for"), rows, as_json=as_json)

    _run(follow())


# -- pieces ---


def _run(work: Coroutine[Any, Any, T]) -> T:
    return _or_complain(lambda: asyncio.run(work))


def _or_complain(work: Callable[[], T]) -> T:
    try:
        return work()
    except BackstayError as exc:
        raise click.ClickException(str(exc)) from exc


def _declared(source: str) -> tuple[Index, ...]:
    module_name, _, name = source.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
        found: Any = getattr(module, name) if name else declared_indexes
        indexes: tuple[Any, ...] = from_metadata(found) if hasattr(found, "sorted_tables") else tuple(found)
        if all(isinstance(item, Index) for item in indexes):
            return indexes
    except (ImportError, AttributeError, TypeError, BackstayError) as exc:
        raise click.ClickException(f"--from {source}: {exc}") from exc
    finally:
        sys.path.pop(0)
    raise click.ClickException(f"--from {source}: neither indexes of backstay nor a SQLAlchemy MetaData")


def _statements(file: Path | None) -> Workload | None:
    if file is None:
        return None
    if file.suffix in _LOGS:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return _or_complain(lambda: workload_from_log(lines, form=_LOGS[file.suffix]))
    parts = [part.strip("; \n") for part in file.read_text(encoding="utf-8").split(";\n")]
    return Workload.of([part for part in parts if part])


async def _advised(url: str, workload: Workload | None, limits: AdviceLimits) -> IndexPlan:
    advisor = PostgresIndexAdvisor(connect_dsn(url))
    return await advisor.recommend(workload or await advisor.workload(), limits=limits)


async def _applied(
    url: str, workload: Workload | None, limits: AdviceLimits, *, rounds: int, looks: int, interval: float
) -> list[tuple[str, str]]:
    advisor, planner = PostgresIndexAdvisor(connect_dsn(url)), PostgresIndexPlanner(connect_dsn(url))
    asked = workload or await advisor.workload()
    before = await advisor.baseline(asked, run=True)
    options = EnsureOptions(strict=False)
    settled = await settle(advisor, planner, asked, before=before, limits=limits, options=options, rounds=rounds)
    applied = settled.standing
    rows = [(outcome.index, outcome.action.value) for outcome in applied.report.outcomes]
    rows += [(index.effective_name, "rolled back: a query got slower") for index in settled.refused]
    async for look in advisor.watch(applied.kept, before, interval=interval, looks=looks):
        rows += [(name, "rolled back: a query got slower") for name in look.rolled_back]
    return rows


async def _watched(
    url: str,
    workload: Workload | None,
    extra: tuple[Index, ...],
    before: Baseline,
    *,
    looks: int,
    interval: float,
) -> list[tuple[str, ...]]:
    advisor = PostgresIndexAdvisor(connect_dsn(url))
    plan = IndexPlan.declared(workload or await advisor.workload(), extra)
    rows: list[tuple[str, ...]] = []
    async for look in advisor.watch(plan, before, looks=looks, interval=interval):
        slower = ", ".join(timing.query for timing in look.verification.regressions)
        rows.append((str(len(rows) + 1), slower, ", ".join(look.rolled_back), "; ".join(look.undo)))
    return rows


async def _measured(url: str, workload: Workload | None, *, run: bool) -> tuple[Workload, Baseline]:
    advisor = PostgresIndexAdvisor(connect_dsn(url))
    asked = workload or await advisor.workload()
    return asked, await advisor.baseline(asked, run=run)


def _baseline_as_json(baseline: Baseline) -> dict[str, object]:
    plans = [(name, sorted(used)) for name, used in baseline.plans]
    return {"costs": baseline.costs, "seconds": baseline.seconds, "plans": plans}


def _read_baseline(file: Path) -> Baseline:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Baseline(
            costs=tuple((str(name), float(cost)) for name, cost in kept["costs"]),
            seconds=tuple((str(name), float(taken)) for name, taken in kept["seconds"]),
            plans=tuple((str(name), frozenset(map(str, used))) for name, used in kept["plans"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise click.ClickException(f"{file} is not a baseline written by this command") from exc


def _show_plan(plan: IndexPlan, *, as_json: bool, explain: bool) -> None:
    header = ("saves", "upkeep", "size", "index", "from")
    rows = [
        (
            f"{choice.gain:.0f}",
            f"{choice.penalty:.0f}",
            human_bytes(choice.candidate.size_bytes),
            choice.candidate.definition,
            choice.candidate.origin if explain else "",
        )
        for choice in plan.chosen
    ]
    if as_json:
        told = [(*row, statement + ";") for row, statement in zip(rows, plan.statements, strict=True)]
        show((*header, "statement"), told, as_json=True)
        return
    show(header, rows, as_json=False)
    for statement in plan.statements:
        click.echo(f"{statement};")  # one line each, to be copied
    share = plan.cost_after / plan.cost_before if plan.cost_before else 1.0
    click.echo(f"estimated cost {share:.1%} of before, by {plan.method}, {plan.explains} plans asked for")
    for name, reason in plan.skipped:
        click.echo(f"not planned: {name}: {reason}", err=True)
    for rejection in plan.rejected if explain else ():
        click.echo(f"left: {rejection.candidate.definition}: {rejection.reason}")
