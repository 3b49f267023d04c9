"""The hit ratio of the local tier beside LRU, FIFO, S3-FIFO, ARC and a W-TinyLFU, on traces that anybody can make.

    python benchmarks/cache/bench_hit_ratio.py [--quick] [--more] [--traces DIRECTORY] [--out DIRECTORY]

Deterministic: the machine's load changes nothing. The published LIRS traces come in no package of a registry;
whoever has them (``*.trace`` or ``*.trc``, also gzipped: one block number per line) names their directory.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import statistics
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from backstay.cache.local import LocalTier

Trace = list[int]
Policy = Callable[[Trace, int], int]


def zipf(requests: int, keys: int, skew: float, seed: int) -> Trace:
    weights = list(itertools.accumulate(1 / rank**skew for rank in range(1, keys + 1)))
    return random.Random(seed).choices(range(keys), cum_weights=weights, k=requests)


def with_scans(requests: int) -> Trace:
    """Half of it Zipf, half of it scans over keys that never come again."""
    hot, cold = iter(zipf(requests, 100_000, 0.99, 2)), itertools.count(10**7)
    blocks = (itertools.islice(source, 2_000) for source in itertools.cycle((hot, cold)))
    return list(itertools.islice(itertools.chain.from_iterable(blocks), requests))


def sliding(requests: int) -> Trace:
    """A bell-shaped working set whose middle moves on."""
    draw = random.Random(4)
    return [int(draw.gauss(0, 3_000)) + at // 3 for at in range(requests)]


def changing(requests: int) -> Trace:
    """A Zipf working set that is exchanged whole, six times."""
    part = max(1, requests // 6)
    return [key + at // part * 100_000 for at, key in enumerate(zipf(requests, 20_000, 0.99, 3))]


def creeping(requests: int) -> Trace:
    """A flat Zipf whose hot end creeps away: what was hot stays lukewarm. Made for LRU."""
    return [key + at // 5 for at, key in enumerate(zipf(requests, 20_000, 0.8, 3))]


def looping(requests: int) -> Trace:
    return [at % 15_000 for at in range(requests)]


TRACES: dict[str, Callable[[int], Trace]] = {
    "zipf 0.99": lambda requests: zipf(requests, 100_000, 0.99, 1),
    "zipf 0.7": lambda requests: zipf(requests, 100_000, 0.7, 1),
    "zipf + scans": with_scans,
    "loop of 15k": looping,
    "drift: sliding": sliding,
    "drift: changing": changing,
    "drift: creeping": creeping,
}


def pools(requests: int) -> Trace:
    """Every other request to a small pool, as to an index, the others to a large one, as to rows."""
    draw = random.Random(1)
    return [draw.randrange(500) if at % 2 else 10**6 + draw.randrange(20_000) for at in range(requests)]


def loops(requests: int, *sizes: int) -> Trace:
    """Several loops, a stretch of one after a stretch of another."""
    draw, places, trace = random.Random(2), [0] * len(sizes), list[int]()
    while len(trace) < requests:
        loop = draw.randrange(len(sizes))
        for _ in range(draw.randrange(50, 500)):
            trace.append(loop * 10**6 + places[loop] % sizes[loop])
            places[loop] += 1
    return trace[:requests]


def by_recency(requests: int, mean: int) -> Trace:
    """What was asked for so many keys ago is asked for again: for this nothing is better than LRU."""
    draw, stack, trace, fresh = random.Random(4), list[int](), list[int](), itertools.count()
    for _ in range(requests):
        depth = int(draw.expovariate(1 / mean))
        stack.append(stack.pop(-1 - depth) if depth < len(stack) else next(fresh))
        trace.append(stack[-1])
        del stack[:-20_000]
    return trace


def phases(requests: int) -> Trace:
    """Skewed requests, scans and loops in turn, at random."""
    draw, trace = random.Random(6), list[int]()
    while len(trace) < requests:
        kind, size = draw.randrange(3), draw.randrange(500, 3_000)
        start = draw.randrange(10**6)
        if kind == 0:
            trace += zipf(5_000, 20_000, 0.9, size)
        elif kind == 1:
            trace += [10**7 + start + at for at in range(3_000)]
        else:
            trace += [2 * 10**7 + size * 7 + at % size for at in range(6_000)]
    return trace[:requests]


MORE: dict[str, Callable[[int], Trace]] = {
    "zipf 0.6": lambda n: zipf(n, 50_000, 0.6, 60),
    "zipf 0.8": lambda n: zipf(n, 50_000, 0.8, 80),
    "zipf 0.9": lambda n: zipf(n, 50_000, 0.9, 90),
    "zipf 1.1": lambda n: zipf(n, 50_000, 1.1, 110),
    "pools": pools,
    "loops of 300, 2k, 9k": lambda n: loops(n, 300, 2_000, 9_000),
    "loops of 700, 5k": lambda n: loops(n, 700, 5_000),
    "recency of 300": lambda n: by_recency(n, 300),
    "recency of 2,000": lambda n: by_recency(n, 2_000),
    "phases": phases,
    "drift: sliding fast": lambda n: [int(random.Random(at).gauss(0, 800)) + at // 10 for at in range(n)],
    "drift: creeping fast": lambda n: [key + at // 2 for at, key in enumerate(zipf(n, 10_000, 0.8, 8))],
    "drift: changing often": lambda n: [
        key + at // 10_000 * 10**5 for at, key in enumerate(zipf(n, 10_000, 0.99, 9))
    ],
    "zipf + loop of 3k": lambda n: [
        key if at % 2 else 10**7 + at // 2 % 3_000 for at, key in enumerate(zipf(n, 20_000, 0.9, 10))
    ],
}


def local_tier(trace: Trace, capacity: int) -> int:
    tier, hits = LocalTier(max_entries=capacity, max_bytes=1 << 40), 0
    for now, number in enumerate(trace, 1):
        key = str(number)
        entry = tier.entries.get(key)
        if entry is not None:
            entry.used = now
            hits += 1
        else:
            tier.admit(key, None, size=0, until=0.0, epoch=0, checked=0, tags=(), ticket=None, now=now)
    return hits


def fifo(trace: Trace, capacity: int, *, lru: bool = False) -> int:
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in held:
            hits += 1
            if lru:
                held.move_to_end(key)
        else:
            held[key] = None
            if len(held) > capacity:
                held.popitem(last=False)
    return hits


def lru(trace: Trace, capacity: int) -> int:
    return fifo(trace, capacity, lru=True)


def s3_fifo(trace: Trace, capacity: int) -> int:
    """As its paper has it: a small queue of one tenth, two uses to be promoted, counts to 3."""
    small: OrderedDict[int, int] = OrderedDict()
    main: OrderedDict[int, int] = OrderedDict()
    ghosts: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in trace:
        queue = small if key in small else main if key in main else None
        if queue is not None:
            queue[key] = min(3, queue[key] + 1)
            hits += 1
            continue
        if key in ghosts:
            del ghosts[key]
            main[key] = 0
        else:
            small[key] = 0
        while len(small) + len(main) > capacity:
            if len(small) >= capacity // 10 or not main:
                old, uses = small.popitem(last=False)
                if uses > 1:
                    main[old] = 0
                else:
                    ghosts[old] = None
                    if len(ghosts) > capacity * 9 // 10:
                        ghosts.popitem(last=False)
            else:
                old, uses = main.popitem(last=False)
                if uses:
                    main[old] = uses - 1
    return hits


def arc(trace: Trace, capacity: int) -> int:
    """Megiddo and Modha, FAST 2003, figure 4."""
    once, often, lost_once, lost_often = (OrderedDict() for _ in range(4))
    target, hits = 0.0, 0

    def replace(*, was_often: bool) -> None:
        if (once and (len(once) > target or (was_often and len(once) == target))) or not often:
            lost_once[once.popitem(last=False)[0]] = None
        else:
            lost_often[often.popitem(last=False)[0]] = None

    for key in trace:
        if key in once or key in often:
            hits += 1
            once.pop(key, None)
            often.pop(key, None)
        elif key in lost_once:
            target = min(capacity, target + max(1, len(lost_often) / len(lost_once)))
            replace(was_often=False)
            del lost_once[key]
        elif key in lost_often:
            target = max(0, target - max(1, len(lost_once) / len(lost_often)))
            replace(was_often=True)
            del lost_often[key]
        else:
            total = len(once) + len(often) + len(lost_once) + len(lost_often)
            if len(once) + len(lost_once) == capacity:
                if lost_once:
                    lost_once.popitem(last=False)
                    replace(was_often=False)
                else:
                    once.popitem(last=False)
            elif total >= capacity:
                if total >= 2 * capacity:
                    lost_often.popitem(last=False)
                replace(was_often=False)
            once[key] = None
            continue
        often[key] = None
    return hits


def w_tiny_lfu(trace: Trace, capacity: int) -> int:
    """Like Caffeine's without its hill climber: a window of 1 %, a segmented LRU, exact counts that are halved."""
    window: OrderedDict[int, None] = OrderedDict()
    trial: OrderedDict[int, None] = OrderedDict()
    proven: OrderedDict[int, None] = OrderedDict()
    counts: Counter[int] = Counter()
    most_window = max(1, capacity // 100)
    most_proven = (capacity - most_window) * 8 // 10
    hits = 0
    for at, key in enumerate(trace, 1):
        counts[key] = min(15, counts[key] + 1)
        if at % (10 * capacity) == 0:
            counts = Counter({each: count // 2 for each, count in counts.items() if count > 1})
        if key in window or key in proven:
            (window if key in window else proven).move_to_end(key)
            hits += 1
            continue
        if key in trial:
            hits += 1
            del trial[key]
            proven[key] = None
            if len(proven) > most_proven:
                trial[proven.popitem(last=False)[0]] = None
            continue
        window[key] = None
        if len(window) <= most_window:
            continue
        candidate = window.popitem(last=False)[0]
        trial[candidate] = None
        if len(trial) + len(proven) > capacity - most_window:
            victim = next(iter(trial))
            del trial[candidate if counts[candidate] <= counts[victim] else victim]
    return hits


POLICIES: dict[str, Policy] = {
    "backstay": local_tier,
    "LRU": lru,
    "FIFO": fifo,
    "S3-FIFO": s3_fifo,
    "ARC": arc,
    "W-TinyLFU": w_tiny_lfu,
}


def published(directory: Path | None) -> Iterable[tuple[str, Trace]]:
    """The traces in a directory, each cut at 200,000 requests."""
    for path in sorted(directory.iterdir()) if directory else ():
        if {".trace", ".trc"} & set(path.suffixes):
            with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
                numbers = (int(line) for line in lines if line.strip().isdigit())
                yield path.name, list(itertools.islice(numbers, 200_000))


def measured(
    traces: dict[str, Trace], capacities: Callable[[str], Sequence[int]]
) -> Iterator[tuple[str, int, dict[str, float]]]:
    """The hit ratio in per cent of each policy, for each trace and capacity."""
    for name, trace in traces.items():
        for capacity in capacities(name):
            ratios = {policy: 100 * play(trace, capacity) / len(trace) for policy, play in POLICIES.items()}
            yield name, capacity, ratios


def table(cells: Iterable[tuple[str, int, dict[str, float]]]) -> list[str]:
    """As a table in Markdown, printed line by line while it grows."""
    lines = ["| trace | capacity | " + " | ".join(POLICIES) + " | |", "|---|--:|" + "--:|" * len(POLICIES) + "---|"]
    print("\n".join(lines))
    for name, capacity, ratios in cells:
        note = "" if ratios["backstay"] >= ratios["LRU"] else f"{ratios['backstay'] - ratios['LRU']:+.2f}"
        texts = " | ".join(f"{ratio:.1f}" for ratio in ratios.values())
        lines.append(f"| {name} | {capacity:,} | {texts} | {note} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--more", action="store_true", help="other traces, of many kinds, and their means")
    parser.add_argument("--traces", type=Path, help="a directory of LIRS traces")
    parser.add_argument("--out", type=Path, default=Path("build/bench/cache"))
    options, _ = parser.parse_known_args()
    requests = 30_000 if options.quick else 150_000
    makers = MORE if options.more else TRACES
    traces = {name: make(requests) for name, make in makers.items()} | dict(published(options.traces))
    few, many = (1_000, 10_000), (100, 500, 2_000, 8_000)
    cells = list[tuple[str, int, dict[str, float]]]()
    found = measured(traces, lambda name: few if name in TRACES else many)
    lines = table(cells.append(cell) or cell for cell in found)
    means = {policy: statistics.mean(ratios[policy] for _, _, ratios in cells) for policy in POLICIES}
    print("\nmeans: " + ", ".join(f"{policy} {mean:.2f}" for policy, mean in means.items()))
    if not options.traces:
        print("\nThe published LIRS traces were not measured: no --traces given.")
    name = "hit-ratio-more" if options.more else "hit-ratio"
    rows = [{"trace": trace, "capacity": capacity, **ratios} for trace, capacity, ratios in cells]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    (options.out / f"{name}.md").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
