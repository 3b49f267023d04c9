"""backstay beside its peers and beside the limit of the machine.

    python benchmarks/cache/bench_side_by_side.py [--quick] [--only hit-256,zipf] [--repeats 5] [--out DIRECTORY]

Each figure is the median over repeats; each repeat runs every contestant once, in an order of its own and each in
a process of its own, on a Redis that this program starts and nobody else uses. The limit runs under two names:
a workload on which the two lie more than 1.15 apart is **void**, and the table says so. CPU is the client
process's, all its threads; it is the primary figure, because a shared machine disturbs it least.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from contestants import NAMES, opener
from report import write_report
from workloads import SEED, WORKLOADS

from backstay.testing.redis_server import start_redis

HERE = Path(__file__).parent
PACKAGES = (
    "backstay",
    "redis",
    "hiredis",
    "coredis",
    "valkey-glide",
    "cashews",
    "aiocache",
    "dogpile.cache",
    "uvloop",
)
PATIENCE = 300.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run: a tenth of the work, once")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the work")
    parser.add_argument("--only", default="", help=f"workloads, of {','.join(WORKLOADS)}")
    parser.add_argument("--contestants", default="", help=f"of {','.join(NAMES)}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("build/bench/cache"))
    return parser.parse_known_args()[0]  # options of the other benchmarks of this subject are theirs


def present(names: list[str]) -> list[str]:
    """Those whose library is installed; the others are named."""
    there = []
    for name in names:
        try:
            opener(name)
        except ImportError as exc:
            print(f"{name} is left out: {exc}")
        else:
            there.append(name)
    return there


def one_run(name: str, key: str, url: str, ops: int, loop: str) -> dict:
    command = [sys.executable, str(HERE / "worker.py"), name, key, url, str(ops), loop]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"no end within {PATIENCE:.0f} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["?"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def measure(key: str, loop: str, names: list[str], repeats: int, scale: float) -> dict:
    """All repeats of one workload, interleaved."""
    workload = WORKLOADS[key]
    taken: dict[str, list[dict]] = {name: [] for name in names if not workload.only or name in workload.only}
    draw = random.Random(SEED)
    for _ in range(repeats):
        for name in draw.sample(list(taken), len(taken)):
            with start_redis() as server:
                taken[name].append(one_run(name, key, server.url, max(1, int(workload.ops * scale)), loop))
    return {
        "workload": key,
        "loop": loop,
        "title": workload.title,
        "results": {name: _median(runs) for name, runs in taken.items()},
        "runs": taken,
    }


def _median(runs: list[dict]) -> dict:
    failed = [run["error"] for run in runs if "error" in run]
    if failed:
        return {"error": failed[0]}
    return {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "cores": str(os.cpu_count()), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "from this checkout" if package == "backstay" else "absent"
    return found


def main() -> None:
    options = arguments()
    keys = [key for key in options.only.split(",") if key] or list(WORKLOADS)
    names = present([name for name in options.contestants.split(",") if name] or list(NAMES))
    repeats, scale = (1, 0.1) if options.quick else (options.repeats, options.scale)
    loops = {"asyncio"} | ({"uvloop"} if find_spec("uvloop") else set())
    report = {
        "when": time.strftime("%Y-%m-%d"),
        "repeats": repeats,
        "scale": scale,
        "versions": versions(),
        "rows": [],
    }
    for key in keys:
        for loop in WORKLOADS[key].loops:
            if loop in loops:
                report["rows"].append(measure(key, loop, names, repeats, scale))
                print(write_report(report, options.out), flush=True)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
