"""What a plan costs beyond what it says, how often its nodes run, which of its scans can be asked about alone."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from backstay.indexes.alone import columns_needed, scans_alone
from backstay.indexes.candidates import Candidate
from backstay.indexes.cost import CostCache, Estimate
from backstay.indexes.declared import Index
from backstay.indexes.hypothetical import Prices, Shape
from backstay.indexes.plans import Node, runs

PRICES = Prices(level=0.125, page=4.0)
SHAPE = Shape(levels=3, entries=1000.0, pages_too_many=100.0)


def node(kind: str, *plans: Node, rows: float = 1, cost: float = 10.0, **more: Any) -> dict[str, Any]:
    children = [{"Parent Relationship": "Outer" if at == 0 else "Inner", **plan} for at, plan in enumerate(plans)]
    return {"Node Type": kind, "Plan Rows": rows, "Total Cost": cost, "Plans": children, **more}


def scan(alias: str = "t", **more: Any) -> dict[str, Any]:
    return node("Seq Scan", Schema="public", **{"Relation Name": alias, "Alias": alias, **more})


LOOKED_UP = node("Index Scan", **{"Index Name": "<1>i", "Index Cond": "(t.a = o.a)"})


def times(plan: Node) -> dict[str, float]:
    return {each["Node Type"]: count for each, count in runs(plan)}


def test_the_inner_side_of_a_loop_runs_for_each_row_of_the_outer_one() -> None:
    assert times(node("Nested Loop", scan(rows=80), LOOKED_UP)) == {
        "Nested Loop": 1,
        "Seq Scan": 1,
        "Index Scan": 80,
    }


@pytest.mark.parametrize("kept", ["Materialize", "Hash", "Sort"])
def test_what_keeps_its_rows_asks_for_them_once(kept: str) -> None:
    assert times(node("Nested Loop", scan(rows=80), node(kept, LOOKED_UP)))["Index Scan"] == 1


def test_what_is_remembered_is_not_looked_up_again() -> None:
    remembered = node("Memoize", LOOKED_UP, cost=5.0)
    plan = node("Nested Loop", scan(rows=80, cost=20.0), remembered, cost=70.0)
    assert times(plan)["Index Scan"] == pytest.approx(10)


def test_a_limit_asks_for_a_part_but_not_of_what_was_sorted() -> None:
    in_order = node("Limit", node("Index Scan", cost=1000.0), cost=10.0)
    assert times(in_order)["Index Scan"] == pytest.approx(0.01)
    in_full = node("Limit", node("Sort", node("Index Scan", cost=900.0), cost=1000.0), cost=999.0)
    assert times(in_full)["Index Scan"] == pytest.approx(0.999)


def test_a_subplan_runs_for_each_row() -> None:
    plan = node("Seq Scan", {**LOOKED_UP, "Parent Relationship": "SubPlan"}, rows=40)
    plan["Plans"][0]["Parent Relationship"] = "SubPlan"
    assert times(plan)["Index Scan"] == 40


def test_each_descent_of_a_hypothetical_index_is_paid_for() -> None:
    plan = node("Nested Loop", scan(rows=80), LOOKED_UP)
    assert PRICES.left_out(plan, {"<1>i": SHAPE}) == pytest.approx(80 * 3 * 0.125)
    assert PRICES.left_out(plan, {}) == 0


def test_pages_that_an_index_will_not_have_are_not_read() -> None:
    descent = 3 * 0.125
    whole = node("Index Only Scan", **{"Index Name": "<1>i"})
    assert PRICES.left_out(whole, {"<1>i": SHAPE}) == pytest.approx(descent - 400)
    tenth = node("Index Only Scan", rows=100, **{"Index Name": "<1>i", "Index Cond": "(t.a > 5)"})
    assert PRICES.left_out(tenth, {"<1>i": SHAPE}) == pytest.approx(descent - 40)
    filtered = {**tenth, "Filter": "(t.b > 5)"}  # how much was read before is not told
    assert PRICES.left_out(filtered, {"<1>i": SHAPE}) == pytest.approx(descent)


def asked(plan: Node) -> list[str]:
    tables = [("public", "o"), ("public", "t")]
    return [each.sql for each in scans_alone(plan, columns_needed(plan), dict(zip(tables, tables, strict=True)))]


def test_a_scan_of_a_join_is_asked_about_with_the_conditions_that_are_its_own() -> None:
    plan = node(
        "Hash Join",
        scan("o"),
        node("Hash", scan("t", Filter="((lower(t.a) = 'x'::text) AND (t.b > $2) AND (t.c = o.c) AND (t.d < t.e))")),
        Output=["t.b", "o.id"],
        **{"Hash Cond": "(t.id = o.id)"},
    )
    (sql,) = asked(plan)
    assert sql.startswith('select "b", "c", "id" from "public"."t" as "t" where ')
    assert sql.endswith(" where (lower(t.a) = 'x'::text) and (t.b > $1) and (t.d < t.e)")


def test_a_relation_that_is_alone_or_looked_up_again_and_again_is_not_asked_about() -> None:
    assert asked(scan("t", Filter="(t.a = 1)")) == []
    looped = node("Nested Loop", scan("o", rows=50), scan("t", Filter="(t.a = 1)"))
    assert asked(looped) == []
    elsewhere = node("Hash Join", scan("o"), node("Hash", scan("t", Filter="(NOT (hashed SubPlan 1))")))
    assert asked(elsewhere) == []


def test_parts_of_an_append_hand_up_what_the_statement_asked_for() -> None:
    plan = node("Append", scan("o", Output=["o.note"], Filter="(o.a = 1)"), scan("t", Output=["t.note"]))
    assert columns_needed(plan) == {"o": {"note"}, "t": {"note"}}


def test_a_set_costs_no_more_than_a_part_of_it() -> None:
    one, other = (
        Candidate(index=Index("t", column), table=("public", "t"), subjects=(column,), size_bytes=8192)
        for column in ("a", "b")
    )

    class Dearer:
        async def estimate(self, query: str, indexes: frozenset[Candidate], /) -> Estimate:
            return Estimate(cost=90.0 if other in indexes else 50.0, used=indexes, plans=3)

    async def costs() -> tuple[list[float], int]:
        both = frozenset([one, other])
        cache = CostCache(oracle=Dearer(), relevant={"q": both}, limit=8)
        found = [
            (await cache.estimate("q", indexes)).cost for indexes in (frozenset([one]), both, frozenset([other]))
        ]
        return found, cache.asked

    assert anyio.run(costs) == ([50.0, 50.0, 50.0], 6)
