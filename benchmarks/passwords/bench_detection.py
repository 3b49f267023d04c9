"""Which passwords an estimator stops and which it keeps, beside its peers, on one labelled set.

    python benchmarks/passwords/bench_detection.py [--each 60] [--seed 1] [--held-back] [--classes] [--write DIR]

Peers that are not installed are left out. `--held-back` measures the families that nothing may be tuned on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from judges import JUDGES
from labelled import Row, everything, odd

Table = dict[str, dict[str, float]]


def measure(rows: Iterable[Row], judges: dict[str, Callable[[Row], bool]]) -> Table:
    """For each judge, the share in per cent of rows it is right about: by label, and by family."""
    right: dict[str, dict[str, list[bool]]] = {name: defaultdict(list) for name in judges}
    for row in rows:
        for name, accepts in judges.items():
            correct = accepts(row) != (row.label == "weak")
            groups = [row.label, f"{row.label}: {row.family}"]
            if row.label == "weak" and row.hard:
                groups.append("hard")
            for group in groups:
                right[name][group].append(correct)
    return {
        name: {group: round(100 * sum(hits) / len(hits), 1) for group, hits in groups.items()}
        for name, groups in right.items()
    }


def markdown(table: Table, groups: list[str]) -> str:
    """Judges as columns, groups as rows."""
    lines = ["| % right | " + " | ".join(table) + " |", "|---|" + "---|" * len(table)]
    for group in groups:
        cells = (f"{column[group]:.1f}" if group in column else "" for column in table.values())
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a smoke run: a few rows of each, backstay alone")
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--held-back", action="store_true")
    parser.add_argument("--classes", action="store_true")
    parser.add_argument("--only", help="one judge by name")
    parser.add_argument("--write", type=Path)
    options = parser.parse_known_args()[0]
    if options.quick:
        options.each, options.only = 5, options.only or "backstay strong"
    judges = {name: judge for name, judge in JUDGES().items() if options.only in {None, name}}
    sets = {
        "named families": everything(options.each, options.seed),
        "odd families": odd(options.each, options.seed),
    }
    if options.held_back:
        from heldback import held_back

        sets["held-back families"] = held_back(options.each, options.seed)
    written, report = {}, []
    for title, rows in sets.items():
        table = measure(rows, judges)
        groups = [
            group for group in ("weak", "hard", "medium", "strong") if any(group in one for one in table.values())
        ]
        if options.classes:
            groups += sorted({group for one in table.values() for group in one} - set(groups))
        report.append(f"\n{title}: {len(rows)} rows, seed {options.seed}\n\n{markdown(table, groups)}")
        print(report[-1])
        written[title] = {"rows": len(rows), "table": table}
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        (options.write / "detection.json").write_text(json.dumps(written, indent=1) + "\n")
        (options.write / "detection.md").write_text("\n".join(report) + "\n")


if __name__ == "__main__":
    main()
