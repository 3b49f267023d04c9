"""What one verdict costs: median, p99 and hostile inputs, beside the peers in the same run.

    python benchmarks/passwords/bench_speed.py [--write DIR]

CPU time of the thread, the best of five calls for each password, judges interleaved: a busy machine moves all
columns together. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from pathlib import Path

from judges import JUDGES, Judge
from labelled import PRINTABLE, Row, everything

HOSTILE = {
    "l33t x 64": ("4@8({[</369&#!1|0$5+7%2" * 3)[:64],
    "l33t x 1,024": ("4@8({[</369&#!1|0$5+7%2" * 45)[:1024],
    "aA x 512": "aA" * 512,
    "aaAaaA, odd end": ("aaAaaA" * 170)[:1019] + "b1Z!x",
    "a x 1,024": "a" * 1024,
    "words": "passwordmonkeydragon" * 51 + "x",
    "keys": "qwertyuiopasdfghjklzxcvbnm1qaz2wsx" * 30 + "!",
    "ligatures x 1,024": "\ufdfa" * 1024,
    "random x 1,024": "".join(random.Random(7).choice(PRINTABLE) for _ in range(1024)),
}
SLOWEST = 60.0  # seconds: python zxcvbn takes longer than that on some, and is stopped by its own limit of length
CALLS = 5


def microseconds(judge: Judge, row: Row, calls: int = CALLS) -> float:
    best = SLOWEST
    for _ in range(calls):
        began = time.thread_time()
        judge(row)
        best = min(best, time.thread_time() - began)
    return best * 1e6


def ordinary(judges: dict[str, Judge]) -> dict[str, dict[str, float]]:
    rng = random.Random(12)
    ascii_12 = [Row("".join(rng.choice(PRINTABLE) for _ in range(12)), "strong", "12") for _ in range(100)]
    mixed = everything(3, "speed")
    found: dict[str, dict[str, float]] = {}
    for name, judge in judges.items():
        judge(ascii_12[0])
        short = sorted(microseconds(judge, row) for row in ascii_12)
        all_kinds = sorted(microseconds(judge, row) for row in mixed)
        found[name] = {
            "12 random ASCII, median us": round(statistics.median(short)),
            "12 random ASCII, p99 us": round(short[98]),
            "mixed, median us": round(statistics.median(all_kinds)),
            "mixed, p99 us": round(all_kinds[int(len(all_kinds) * 0.99)]),
        }
    return found


def hostile(judges: dict[str, Judge]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {name: {} for name in judges}
    for title, password in HOSTILE.items():
        for name, judge in judges.items():
            # zxcvbn.py needs minutes for the long ones; its users cut at 72, which is what is measured then.
            text = password[:40] if name.startswith("zxcvbn.py") else password
            found[name][f"{title}, ms"] = round(microseconds(judge, Row(text, "strong", ""), calls=2) / 1e3, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a smoke run: backstay alone")
    parser.add_argument("--write", type=Path)
    options = parser.parse_known_args()[0]
    peers = () if options.quick else ("zxcvbn-rs >= 3", "zxcvbn.py >= 3", "Django")
    chosen = ("backstay strong", *peers)
    judges = {name: judge for name, judge in JUDGES().items() if name in chosen}
    table = ordinary(judges)
    for name, more in hostile(judges).items():
        table[name] |= more
    lines = ["| | " + " | ".join(table) + " |", "|---|" + "---|" * len(table)]
    for measure in next(iter(table.values())):
        lines.append(f"| {measure} | " + " | ".join(f"{column[measure]:g}" for column in table.values()) + " |")
    lines.append("\nzxcvbn.py gets the first 40 characters of the hostile ones only.")
    print("\n".join(lines))
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        (options.write / "speed.json").write_text(json.dumps(table, indent=1) + "\n")
        (options.write / "speed.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
