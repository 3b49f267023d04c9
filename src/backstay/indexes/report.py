"""The index map as one static HTML page: no script, no outside file, no value of any query. Pure.

Per table a bar for each index, as long as it is big; what overlaps is joined by a bracket, what nothing used
is grey, what is proposed is dashed. Findings and advice come first, worst first, each with the statement to
copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from .advice import IndexPlan
from .advisor import Choice
from .health import Finding, HealthReport, IndexUse, Trouble

_WIDTH, _ROW, _LEFT = 860, 24, 330
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667; --bar: #2f6fb5; --idle: #a9b0ba; --new:
#1f8a4c;
  --bad: #b3392f; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa4b2; --bar: #5b9bdf; --idle:
#5c6673;
  --new: #4cc07f; --bad: #e5746a; --paper: #14181e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.2rem; font-size: 1.15rem; }
li { margin: .6rem 0; } li.good::marker { color: var(--new); } li.bad::marker { color: var(--bad); }
code { display: block; overflow-x: auto; padding: .35rem .6rem; border-left: 3px solid var(--idle);
  font: 13px/1.5 ui-monospace, monospace; user-select: all; }
.soft { color: var(--soft); }
svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.bar { fill: var(--bar); } .idle { fill: var(--idle); } .bad { fill: var(--bad); }
.new { fill: none; stroke: var(--new); stroke-width: 1.5; stroke-dasharray: 5 3; }
.join { fill: none; stroke: var(--bad); stroke-width: 1.5; }
"""


def render(health: HealthReport, plan: IndexPlan | None = None, *, title: str = "Indexes") -> str:
    """The page."""
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>",
        *_wall(health),
        *(_advice(plan) if plan is not None else ()),
        *_map(health, plan),
        "</body></html>",
    ]
    return "\n".join(parts)


def _wall(health: HealthReport) -> Iterator[str]:
    yield "<h2>Health</h2><ul>"
    for trouble in Trouble:
        findings = health.of(trouble)
        if not findings:
            yield f'<li class="good">nothing {escape(trouble.value)}</li>'
        for finding in findings:
            yield _finding(finding)
    yield "</ul>"
    if health.reclaimable_bytes:
        size = human_bytes(health.reclaimable_bytes)
        yield f'<p class="soft">Dropping what may be dropped gives back {size}.</p>'


def _finding(finding: Finding) -> str:
    name = finding.index or "a missing index"
    lines = [f'<li class="bad"><b>{escape(finding.trouble.value)}</b>: {escape(name)} on {escape(finding.table)}']
    lines += [f'<br><span class="soft">{escape(line)}</span>' for line in finding.evidence]
    lines.append(f"<br>{escape(finding.reason)}")
    if finding.remedy:
        lines.append(f"<code>{escape(finding.remedy)};</code>")
    if finding.undo:
        lines.append(f'<span class="soft">Undo:</span><code>{escape(finding.undo)};</code>')
    return "".join([*lines, "</li>"])


def _advice(plan: IndexPlan) -> Iterator[str]:
    share = plan.cost_after / plan.cost_before if plan.cost_before else 1.0
    yield f"<h2>Proposed</h2><p>{len(plan.chosen)} indexes, {human_bytes(plan.size_bytes)} as modelled; "
    yield f"the workload's estimated cost falls to {share:.1%}. "
    yield "Estimates are not times: verify after building.</p><ul>"
    yield from map(_choice, plan.chosen)
    yield "</ul><h2>Weighed and left</h2><ul>"
    for rejection in plan.rejected:
        yield f"<li>{escape(rejection.candidate.definition)}<br>"
        yield f'<span class="soft">{escape(rejection.reason)}</span></li>'
    yield "</ul>"


def _choice(choice: Choice) -> str:
    queries = len(choice.queries)
    return (
        f'<li class="good">saves {choice.gain:.0f} on {queries} {"query" if queries == 1 else "queries"}, '
        f"upkeep {choice.penalty:.0f}, {human_bytes(choice.candidate.size_bytes)}"
        f"<code>{escape(choice.candidate.index.to_sql())};</code></li>"
    )


def _map(health: HealthReport, plan: IndexPlan | None) -> Iterator[str]:
    yield "<h2>Map</h2>"
    proposed: dict[str, list[Choice]] = {}
    for choice in plan.chosen if plan is not None else ():
        proposed.setdefault(".".join(choice.candidate.table), []).append(choice)
    joined = {finding.index: finding.related for finding in health.findings if finding.related}
    unused = {finding.index for finding in health.of(Trouble.UNUSED)}
    uses = sorted(health.uses, key=_table_of)
    tables = {table: list(group) for table, group in groupby(uses, key=_table_of)}
    for table in sorted({*tables, *proposed}):
        yield f"<h3>{escape(table)}</h3>"
        yield table_svg(tables.get(table, []), proposed.get(table, []), joined, unused)


def _table_of(use: IndexUse) -> str:
    return f"{use.index.schema}.{use.index.table}"


def table_svg(
    uses: Sequence[IndexUse], proposed: Sequence[Choice], joined: Mapping[str, str], unused: Iterable[str]
) -> str:
    """The bars of one table as an SVG."""
    sizes = [float(use.index.size_bytes) for use in uses] + [c.candidate.size_bytes for c in proposed]
    scale = (_WIDTH - _LEFT - 120) / max([*sizes, 1.0])
    height = _ROW * len(sizes) + 6
    places = {use.index.name: row for row, use in enumerate(uses)}
    idle = set(unused)
    lines = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">']
    for row, use in enumerate(uses):
        kind = "bad" if not use.index.valid else "idle" if use.index.name in idle else "bar"
        lines += _bar(row, use.index.name, kind, use.index.size_bytes * scale, use.index.size_bytes)
    for row, choice in enumerate(proposed, start=len(uses)):
        size = choice.candidate.size_bytes
        lines += _bar(row, choice.candidate.index.effective_name, "new", size * scale, size)
    lines += [
        _bracket(places[one], places[other]) for one, other in joined.items() if one in places and other in places
    ]
    return "\n".join([*lines, "</svg>"])


def _bar(row: int, name: str, kind: str, length: float, size: float) -> list[str]:
    y = row * _ROW + 4
    shown = name if len(name) <= 44 else f"{name[:43]}…"
    return [
        f'<text x="{_LEFT - 14}" y="{y + 12}" text-anchor="end">{escape(shown)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{max(length, 2):.1f}" height="15" rx="2"/>',
        f'<text x="{_LEFT + max(length, 2) + 6:.1f}" y="{y + 12}">{human_bytes(size)}</text>',
    ]


def _bracket(one: int, other: int) -> str:
    top, bottom = (row * _ROW + 11 for row in sorted((one, other)))
    return f'<path class="join" d="M{_LEFT - 4} {top} h-6 V{bottom} h6"/>'


def human_bytes(size: float) -> str:
    """A size for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
