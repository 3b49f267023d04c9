"""What counts as slower, whose fault it is, and what a busy server explains away. No server."""

from __future__ import annotations

import pytest

from backstay.indexes import Baseline, Timing, Verification
from backstay.indexes.advice import compare_baselines, least_missed, renewed


def baseline(seconds: dict[str, float], plans: dict[str, set[str]] | None = None, cost: float = 100.0) -> Baseline:
    return Baseline(
        costs=tuple((name, cost) for name in seconds),
        seconds=tuple(seconds.items()),
        plans=tuple((name, frozenset((plans or {}).get(name, set()))) for name in seconds),
    )


def timing(name: str, before: float, after: float) -> Timing:
    return Timing(query=name, cost_before=1.0, cost_after=1.0, seconds_before=before, seconds_after=after)


@pytest.mark.parametrize(
    ("before", "after", "slower"),
    [(0.1, 0.12, True), (0.1, 0.114, False), (0.001, 0.0019, False), (0.001, 0.0021, True), (0.1, 0.05, False)],
)
def test_slower_is_more_than_the_threshold_and_the_noise(before: float, after: float, slower: bool) -> None:
    assert bool(Verification(timings=(timing("q", before, after),)).regressions) is slower


def test_without_times_the_costs_decide() -> None:
    costs = Timing(query="q", cost_before=100.0, cost_after=120.0)
    assert Verification(timings=(costs,)).regressions == (costs,)


def test_a_server_that_got_slower_is_told_from_unchanged_plans() -> None:
    before = baseline({"a": 0.1, "b": 0.2, "c": 0.3, "hit": 0.1})
    after = baseline({"a": 0.2, "b": 0.4, "c": 0.6, "hit": 0.21}, {"hit": {"new"}})
    found = compare_baselines(before, after)
    assert found.drift == pytest.approx(2.0)
    assert found.regressions == ()
    worse = compare_baselines(before, baseline({"a": 0.2, "b": 0.4, "c": 0.6, "hit": 0.3}, {"hit": {"new"}}))
    assert [one.query for one in worse.regressions] == ["hit"]


def test_two_queries_tell_nothing_of_the_server() -> None:
    before = baseline({"a": 0.1, "b": 0.2, "hit": 0.1})
    after = baseline({"a": 0.2, "b": 0.4, "hit": 0.2}, {"hit": {"new"}})
    assert compare_baselines(before, after).drift == 1.0


def test_a_server_that_got_faster_hides_nothing() -> None:
    before = baseline({"a": 0.2, "b": 0.2, "c": 0.2, "hit": 0.2})
    after = baseline({"a": 0.1, "b": 0.1, "c": 0.1, "hit": 0.19}, {"hit": {"new"}})
    assert [one.query for one in compare_baselines(before, after).regressions] == ["hit"]


def test_of_two_new_indexes_in_a_slower_plan_the_one_less_missed_goes() -> None:
    found = Verification(timings=(timing("slow", 0.1, 0.5), timing("fast", 1.0, 0.1)))
    plans = {"slow": frozenset({"useful", "useless", "old"}), "fast": frozenset({"useful"})}
    assert set(least_missed(found, plans, {"useful", "useless"})) == {"useless"}


def test_an_index_that_is_not_ours_is_never_to_blame() -> None:
    found = Verification(timings=(timing("slow", 0.1, 0.5),))
    assert least_missed(found, {"slow": frozenset({"old"})}, {"new"}) == {}


def test_measured_again_the_shorter_time_counts_while_the_plan_is_the_same() -> None:
    first = baseline({"a": 0.5, "b": 0.5}, {"a": {"i"}, "b": {"i"}})
    again = renewed(first, baseline({"a": 0.2, "b": 0.9}, {"a": {"i"}, "b": set()}))
    assert dict(again.seconds) == {"a": 0.2, "b": 0.9}
    assert dict(again.plans)["b"] == frozenset()
