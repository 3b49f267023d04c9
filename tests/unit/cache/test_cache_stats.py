"""Counting per namespace."""

import pytest

from backstay.cache.stats import MAX_NAMESPACES, Counts, Tally


def test_namespaces_are_counted_apart_and_together():
    tally = Tally()
    tally.of("a:1").hits += 3
    tally.of("a:2").misses += 1
    tally.of("b").stale += 2
    stats = tally.snapshot(available=True, queued=0)
    assert stats.namespaces == {"a": Counts(hits=3, misses=1), "b": Counts(stale=2)}
    assert stats.total == Counts(hits=3, misses=1, stale=2)
    assert stats.total.hit_ratio == pytest.approx(5 / 6)
    assert Counts().hit_ratio == 0.0


def test_many_are_counted_at_once():
    tally = Tally()
    for _ in range(2):  # first unknown, then known
        tally.looked_up(["a:1", "a:2", "b:1", "b:2", "a:3"], {"a:1": 1, "b:1": 1, "a:3": 1})
    stats = tally.snapshot(available=True, queued=0)
    assert stats.namespaces == {"a": Counts(hits=4, misses=2), "b": Counts(hits=2, misses=2)}


def test_a_snapshot_stands_still():
    tally = Tally()
    tally.of("a").hits += 1
    stats = tally.snapshot(available=False, queued=4)
    tally.of("a").hits += 1
    assert (stats.namespaces["a"].hits, stats.available, stats.queued) == (1, False, 4)


def test_namespaces_are_bounded():
    tally = Tally()
    for number in range(MAX_NAMESPACES + 500):
        tally.of(f"n{number}:x").misses += 1
    stats = tally.snapshot(available=True, queued=0)
    assert len(stats.namespaces) <= MAX_NAMESPACES + 1
    assert stats.namespaces["*"].misses == 500
