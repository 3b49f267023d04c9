"""From the runs to JSON, a table and pictures. The pictures are SVG written here: bars, and nothing that runs."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from contestants import CONTROL, NAMES

MOST_SPREAD = 1.15
PRIMARY = "cpu_us"
COUNTS = ("cancelled", "wrong", "reconnects")
OURS = "backstay"
FONT = 'font-family="sans-serif" font-size="13"'


def spread(results: dict) -> float | None:
    """How far the same code under two names lies apart. None if the control did not run."""
    pair = [results.get(name, {}).get(PRIMARY) for name in CONTROL]
    return max(pair) / min(pair) if all(pair) else None


def verdict(results: dict) -> str:
    """What a reader must know before the first figure."""
    if any("wrong" in result for result in results.values()):
        return "counts, not times"
    found = spread(results)
    if found is None:
        return "no control: trust nothing finer than a factor of 2"
    return f"A/A {found:.2f}" + (": **VOID**, the machine was too busy" if found > MOST_SPREAD else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _timed(name: str, results: dict) -> str:
    result, limit, ours = results[name], results.get(CONTROL[0], {}), results.get(OURS, {})
    if "error" in result:
        return f"| {name} | – | – | – | – | – | – | {result['error']} |"
    cells = [_number(result[PRIMARY])]
    cells.append(f"{result[PRIMARY] / limit[PRIMARY]:.2f}" if PRIMARY in limit else "–")
    cells.append(f"{result[PRIMARY] / ours[PRIMARY]:.2f}" if PRIMARY in ours else "–")
    cells += [_number(result[figure]) for figure in ("ops_s", "p50_us", "p99_us")]
    computed = f"{_number(result['computed'])} hits were computed instead" if result.get("computed") else ""
    return f"| {name} | {' | '.join(cells)} | {computed} |"


def _counted(name: str, results: dict) -> str:
    result = results[name]
    if "error" in result:
        return f"| {name} | – | – | – | {result['error']} |"
    return f"| {name} | {' | '.join(_number(result[figure]) for figure in COUNTS)} | |"


def table(row: dict) -> str:
    """One workload as Markdown."""
    results = row["results"]
    ordered = sorted(results, key=lambda name: (results[name].get(PRIMARY, 1e18), list(NAMES).index(name)))
    counting = any("wrong" in result for result in results.values())
    if counting:
        head = ["| | cancelled in flight | wrong answers | new connections | |", "|---|--:|--:|--:|---|"]
        lines = [_counted(name, results) for name in ordered]
    else:
        head = [
            "| | CPU µs/op | × limit | × backstay | op/s | p50 µs | p99 µs | |",
            "|---|--:|--:|--:|--:|--:|--:|---|",
        ]
        lines = [_timed(name, results) for name in ordered]
    loop = "" if row["loop"] == "asyncio" else f", {row['loop']}"
    picture = [] if counting else [f"![client CPU per operation: {row['title']}]({picture_of(row)})", ""]
    return "\n".join([f"**{row['title']}{loop}** ({verdict(results)})", "", *head, *lines, "", *picture])


def picture_of(row: dict) -> str:
    """The file name of a workload's picture."""
    return f"{row['workload']}-{row['loop']}.svg"


def bars(row: dict) -> str:
    """CPU per operation as an SVG bar chart: one bar per contestant, the limit's length as a line through all."""
    results = {name: result for name, result in row["results"].items() if PRIMARY in result and name != CONTROL[1]}
    ordered = sorted(results, key=lambda name: results[name][PRIMARY])
    longest = max(result[PRIMARY] for result in results.values())
    height, left, room = 26, 130, 420
    found = spread(row["results"])
    note = f", A/A {found:.2f}{' VOID' if found > MOST_SPREAD else ''}" if found else ""
    title = escape(f"{row['title']} ({row['loop']}): client CPU, µs per operation{note}")
    box = f"{left + room + 90} {44 + height * len(ordered)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}" viewBox="0 0 {box}" {FONT}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="8" y="20" font-weight="bold" fill="#222">{title}</text>',
    ]
    for place, name in enumerate(ordered):
        value, top = results[name][PRIMARY], 36 + place * height
        width = value / longest * room
        colour = {"backstay": "#0b7285", "limit": "#868e96"}.get(name, "#ced4da")
        parts += [
            f'<text x="{left - 8}" y="{top + 15}" text-anchor="end" fill="#222">{escape(name)}</text>',
            f'<rect x="{left}" y="{top}" width="{max(1.0, width):.1f}" height="18" fill="{colour}"/>',
            f'<text x="{left + width + 6:.1f}" y="{top + 15}" fill="#222">{_number(value)}</text>',
        ]
    if "limit" in results:
        x = left + results["limit"][PRIMARY] / longest * room
        parts.append(
            f'<path d="M{x:.1f} 30V{36 + height * len(ordered)}" stroke="#868e96" stroke-dasharray="3 3"/>'
        )
    return "\n".join([*parts, "</svg>", ""])


def write_report(report: dict, where: Path) -> str:
    """Write all of it anew; returns the newest table."""
    where.mkdir(parents=True, exist_ok=True)
    (where / "results.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    said = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    head = f"Measured {report['when']}; {report['repeats']} repeats, medians; {said}.\n\n"
    (where / "table.md").write_text(head + "\n".join(map(table, report["rows"])), "utf-8")
    for row in report["rows"]:
        if any(PRIMARY in result for result in row["results"].values()):
            (where / picture_of(row)).write_text(bars(row), "utf-8")
    return table(report["rows"][-1])
