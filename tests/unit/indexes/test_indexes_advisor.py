"""Terms, candidates, sizes, the search and the recorder, without a server."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import InvalidIndex, WorkloadError
from backstay.indexes import Index, Query, Workload, WorkloadRecorder
from backstay.indexes.advisor import Limits, Search
from backstay.indexes.candidates import Candidate, Saving
from backstay.indexes.conditions import Use, plain_texts, read_sort_key, read_terms
from backstay.indexes.cost import CostCache, Estimate, write_penalty
from backstay.indexes.harvest import Harvest
from backstay.indexes.plans import Access, read_plan
from backstay.indexes.predicates import as_compared, as_sampled
from backstay.indexes.refuted import Refutation, Refuted
from backstay.indexes.sizes import ColumnFacts, TableFacts, _lengths, btree_bytes
from backstay.indexes.workload import fingerprint


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("(t.a = 5)", [("a", Use.EQUAL, "5")]),
        ("(5 < t.a)", [("a", Use.RANGE, "5")]),
        (
            "((t.a = $1) AND (t.b > '2020-01-01'::date))",
            [("a", Use.EQUAL, None), ("b", Use.RANGE, "'2020-01-01'::date")],
        ),
        ("((t.a >= 1) AND (t.a <= 9))", [("a", Use.RANGE, "1"), ("a", Use.RANGE, "9")]),
        ("(lower(t.email) = 'x'::text)", [("lower(email)", Use.EQUAL, "'x'::text")]),
        ("(lower((t.email)::text) = 'x'::text)", [("lower((email)::text)", Use.EQUAL, "'x'::text")]),
        ("((t.name)::text = 'x'::text)", [("name", Use.EQUAL, "'x'::text")]),
        ("((t.name)::text ~~ 'ab%'::text)", [("name", Use.PREFIX, "'ab%'::text")]),
        ("(t.name ~~ '%ab%'::text)", [("name", Use.CONTAINS, "'%ab%'::text")]),
        ("(t.deleted_at IS NULL)", [("deleted_at", Use.NULL, None)]),
        ("(t.deleted_at IS NOT NULL)", [("deleted_at", Use.NOT_NULL, None)]),
        ("(NOT t.paid)", [("paid", Use.FALSE, None)]),
        ("t.paid", [("paid", Use.TRUE, None)]),
        ("(t.a = ANY ('{1,2}'::integer[]))", [("a", Use.EQUAL, "ANY ('{1,2}'::integer[])")]),
        ("(t.a = ANY ($1))", [("a", Use.EQUAL, None)]),
        ("(t.a <> ALL ('{x,y}'::text[]))", [("a", Use.UNEQUAL, "ALL ('{x,y}'::text[])")]),
        ("(t.payload @> '{\"k\": 1}'::jsonb)", [("payload", Use.MEMBER, "'{\"k\": 1}'::jsonb")]),
        ("((t.payload ->> 'k'::text) = 'v'::text)", [("payload ->> 'k'::text", Use.EQUAL, "'v'::text")]),
        ('(t."Odd ""x" = 1)', [('Odd "x', Use.EQUAL, "1")]),
        ("(t.a <> 5)", [("a", Use.UNEQUAL, "5")]),
        ("(t.a <> $1)", []),
        ("(ROW(t.a, t.b) < ROW(5, $1))", [("a", Use.RANGE, "5"), ("b", Use.RANGE, None)]),
        ("(t.a = t.b)", [('"a" = "b"', Use.OWN, None)]),
        ("(t.a >= t.b)", [('"b" <= "a"', Use.OWN, None)]),
        ("(t.a = lower(t.b))", []),
        ("(hashed SubPlan 1)", []),
        ("an open 'quote", []),
    ],
)
def test_conditions_are_read_as_terms(condition: str, expected: list[tuple[str, Use, str | None]]) -> None:
    assert [(term.subject, term.use, term.literal) for term in read_terms(condition)] == expected


def test_joins_and_branches() -> None:
    both = list(read_terms("(o.user_id = u.id)"))
    assert [(term.alias, term.subject, term.join) for term in both] == [
        ("o", "user_id", True),
        ("u", "id", True),
    ]
    branches = list(read_terms("((t.a = 1) OR (t.b = 2))"))
    assert [(term.subject, term.branch) for term in branches] == [("a", 1), ("b", 2)]


@given(st.text())
def test_any_text_is_read_without_raising(text: str) -> None:
    list(read_terms(text))
    read_sort_key(text)


def test_constants_are_read_as_the_statistics_have_them() -> None:
    assert plain_texts("'it''s'::text") == ["it's"]
    assert plain_texts("5") == ["5"]
    assert plain_texts("""ANY ('{a,"b, c","d\\\\e"}'::text[])""") == ["a", "b, c", "d\\e"]


def test_a_cast_to_text_is_kept_beside_its_column() -> None:
    (cast,) = read_terms("((t.id)::text = $1)")
    assert (cast.subject, cast.is_column, cast.cast) == ("id", True, "(id)::text")
    (plain,) = read_terms("(t.id = $1)")
    assert plain.cast == ""


def test_what_an_index_saves_by_rule_another_may_have_saved_already() -> None:
    btree = _candidate("a", 100)
    inverted = replace(_candidate("b", 100), by_rule=True, saves={"q": Saving(900.0, 100.0)})

    class Planned:
        async def estimate(self, query: str, indexes: frozenset[Candidate], /) -> Estimate:
            return (
                Estimate(cost=20.0, used=indexes) if btree in indexes else Estimate(cost=1000.0, used=frozenset())
            )

    async def both() -> list[float]:
        cache = CostCache(oracle=Planned(), relevant={"q": frozenset([btree, inverted])}, limit=9)
        sets = (frozenset([inverted]), frozenset([btree, inverted]))
        return [(await cache.estimate("q", indexes)).cost for indexes in sets]

    assert anyio.run(both) == [100.0, 20.0]


@pytest.mark.parametrize(
    ("patterns", "use"),
    [
        (["ab%", "c_d%"], Use.PREFIX),
        (["ab%", "%b"], Use.CONTAINS),
        (["_b%"], Use.CONTAINS),
        ([""], Use.CONTAINS),
        ([7], Use.CONTAINS),
        ([], Use.CONTAINS),
    ],
)
def test_a_pattern_that_comes_as_a_parameter_is_a_prefix_if_all_that_are_known_of_are(
    patterns: list[object], use: Use
) -> None:
    (term,) = read_terms("((t.name)::text ~~ ($2)::text)")
    assert (term.use, term.parameter) == (Use.CONTAINS, 2)
    assert as_sampled(term, [("x", pattern) for pattern in patterns]).use is use
    (other,) = read_terms("(t.name ~~* $2)")
    assert as_sampled(other, [("x", pattern) for pattern in patterns]).use is Use.CONTAINS


def test_a_network_is_the_column_and_not_its_cast_to_an_address() -> None:
    facts = TableFacts(
        schema="public",
        name="t",
        columns={"net": ColumnFacts(name="net", type="cidr"), "ip": ColumnFacts(name="ip", type="text")},
    )
    (term,) = read_terms("((t.net)::inet >>= '10.0.0.1'::inet)")
    assert (as_compared(term, facts).subject, as_compared(term, facts).is_column) == ("net", True)
    (text,) = read_terms("((t.ip)::inet >>= '10.0.0.1'::inet)")
    assert as_compared(text, facts) == text


@pytest.mark.parametrize(
    ("condition", "predicate"),
    [("(t.due < t.shipped)", '"due" < "shipped"'), ("(t.kind = 'x'::text)", "\"kind\" = 'x'::text")],
)
def test_where_an_index_lured_a_query_a_predicate_need_not_be_rare(condition: str, predicate: str) -> None:
    """It keeps the index from queries that cannot use it."""
    numbers = {name: ColumnFacts(name=name, type="integer") for name in ("a", "due", "shipped")}
    kind = ColumnFacts(name="kind", distinct=4.0, common=dict.fromkeys("wxyz", 0.25), fixed=False)
    table = TableFacts(
        schema="public",
        name="t",
        rows=100_000,
        pages=1000,
        columns={**numbers, "kind": kind},
        shares={'"due" < "shipped"': 0.6},
    )
    terms = [*read_terms(condition), *read_terms("(t.a = 5)")]
    access = Access(schema="public", table="t", alias="t", node="Seq Scan", cost=1e4, rows=9.0, terms=terms)
    for lured, found in ((frozenset[tuple[str, str]](), False), (frozenset({("public", "t")}), True)):
        harvest = Harvest(tables={("public", "t"): table}, lured=lured)
        partial = [c for c in harvest.candidates(access) if c.index.where == predicate]
        assert bool(partial) is found


def test_an_index_beside_a_standing_twin_has_to_save_much() -> None:
    twin = replace(A, is_twin=True)
    for cost, chosen in ((900.0, set[str]()), (5000.0, {"a"})):
        search, _ = _search({"q": [(NONE, cost), (frozenset({A}), 1.0)]})
        search.pool = [twin]
        search.cache.relevant = {"q": frozenset({twin})}
        assert _chosen(search) == chosen


@pytest.mark.parametrize("mean", [1.0, 1.005, 1.02, 1.3, 2.7, 8.0, 19.9, 20.0, 57.3])
def test_lists_are_as_long_on_average_as_they_should_be(mean: float) -> None:
    found = list(_lengths(mean))
    assert sum(share for _, share in found) == pytest.approx(1.0, abs=1e-6)
    assert sum(count * share for count, share in found) == pytest.approx(mean, rel=1e-4)


def test_sort_keys() -> None:
    key = read_sort_key("t.created_at DESC NULLS LAST")
    assert key is not None
    assert (key.subject, key.desc, key.nulls_first) == ("created_at", True, False)
    plain = read_sort_key("t.created_at DESC")
    assert plain is not None
    assert plain.nulls_first
    collated = read_sort_key('t.a COLLATE "C" DESC')
    assert collated is not None
    assert (collated.subject, collated.is_column, collated.desc) == ('a COLLATE "C"', False, True)
    nearest = read_sort_key("(t.place <-> '(5,5)'::point)")
    assert (nearest.subject, nearest.is_column, nearest.nearest) == ("place", True, True)
    assert read_sort_key("((t.a <-> '(5,5)'::point) <-> 1)").nearest


def test_sizes_of_real_indexes() -> None:
    # Built on PostgreSQL 15: 1.5 M rows over 5 000 values took 10.3 MB, 1.5 M different pairs 47.3 MB.
    four = ColumnFacts(name="a", width=4, align=4, distinct=5000)
    day = ColumnFacts(name="d", width=4, align=4, distinct=300)
    assert btree_bytes(1.5e6, [four]) / 10.3e6 == pytest.approx(1.0, abs=0.25)
    assert btree_bytes(1.5e6, [four, day]) / (47.3 * 2**20) == pytest.approx(0.75, abs=0.25)
    assert btree_bytes(1e6, [four], fraction=0.01) < btree_bytes(1e6, [four]) / 20


PLAN = [
    {
        "Plan": {
            "Node Type": "Limit", "Total Cost": 900.0, "Plan Rows": 10, "Output": ["o.id"],
            "Plans": [
                {
                    "Node Type": "Sort", "Total Cost": 900.0, "Plan Rows": 40, "Sort Key": ["o.at DESC"],
                    "Output": ["o.id", "o.at"],
                    "Plans": [
                        {
                            "Node Type": "Seq Scan", "Relation Name": "orders", "Schema": "public",
                            "Alias": "o",
                            "Total Cost": 890.0, "Plan Rows": 40,
                            "Filter": "((o.user_id = 5) AND (o.kind = 'new'::text))",
                            "Output": ["o.id", "o.at", "o.user_id", "o.kind"],
                        }
                    ],
                }
            ],
        }
    }
]  # fmt: skip
FACTS = TableFacts(
    schema="public",
    name="orders",
    rows=100_000,
    pages=1000,
    columns={
        "id": ColumnFacts(name="id", width=4, align=4),
        "at": ColumnFacts(name="at", width=8),
        "user_id": ColumnFacts(name="user_id", width=4, align=4, distinct=5000),
        "kind": ColumnFacts(name="kind", width=4, fixed=False, distinct=3, common={"old": 0.97, "new": 0.02}),
    },
)


def test_a_plan_becomes_candidates() -> None:
    facts = read_plan(PLAN)
    (access,) = facts.accesses
    assert access.limited
    assert access.needed >= {"id", "at", "user_id", "kind"}
    harvest = Harvest(tables={("public", "orders"): FACTS})
    harvest.note(facts.accesses)
    bodies = [candidate.index.body_sql() for candidate in harvest.candidates(access)]
    assert 'using "btree" ("user_id", "kind", "at")' in bodies
    assert 'using "btree" ("user_id", "at") where ("kind" = \'new\'::text)' in bodies
    assert len(bodies) == len(set(bodies))


def test_no_predicate_on_one_of_many_values() -> None:
    harvest = Harvest(tables={("public", "orders"): FACTS})
    (access,) = read_plan(PLAN).accesses
    assert not [c for c in harvest.candidates(access) if c.index.where and "user_id" in c.index.where]


# -- the search ---


def _candidate(name: str, size: float = 1e6) -> Candidate:
    return Candidate(index=Index("t", name), table=("public", "t"), subjects=(name,), size_bytes=size)


A, B, C = _candidate("a"), _candidate("b"), _candidate("c", 5e6)


@dataclass
class TableOracle:
    """Costs from a table of rules: a query costs its least rule whose indexes all exist."""

    rules: dict[str, list[tuple[frozenset[Candidate], float]]]
    asked: list[tuple[str, frozenset[Candidate]]] = field(default_factory=list)

    async def estimate(self, query: str, indexes: frozenset[Candidate], /) -> Estimate:
        self.asked.append((query, indexes))
        used, cost = min(
            ((needs, cost) for needs, cost in self.rules[query] if needs <= indexes), key=lambda rule: rule[1]
        )
        return Estimate(cost=cost, used=used)


NONE: frozenset[Candidate] = frozenset()


def _search(
    rules: dict[str, list[tuple[frozenset[Candidate], float]]], **options: object
) -> tuple[Search, TableOracle]:
    oracle = TableOracle(rules)
    pool = [A, B, C]
    cache = CostCache(oracle=oracle, relevant=dict.fromkeys(rules, frozenset(pool)), limit=1000)
    values = {"weights": dict.fromkeys(rules, 1.0), "penalties": {}, "limits": Limits()} | options
    return Search(cache=cache, pool=pool, **values), oracle  # type: ignore[arg-type]


def _chosen(search: Search) -> set[str]:
    selection = anyio.run(search.run)
    return {choice.candidate.subjects[0] for choice in selection.chosen}


def test_what_saves_is_chosen_and_what_does_not_is_explained() -> None:
    search, _ = _search({"q": [(NONE, 1000.0), (frozenset({A}), 10.0), (frozenset({B}), 950.0)]})
    selection = anyio.run(search.run)
    assert [choice.candidate for choice in selection.chosen] == [A]
    assert selection.chosen[0].queries == {"q": (1000.0, 10.0)}
    assert {rejection.candidate for rejection in selection.rejected} == {B, C}
    assert all(rejection.reason for rejection in selection.rejected)


def test_two_that_only_pay_together_are_found_as_a_bundle() -> None:
    rules = {"q": [(NONE, 1000.0), (frozenset({A, B}), 10.0)]}
    assert _chosen(_search(rules)[0]) == set()
    assert _chosen(_search(rules, bundles=[frozenset({A, B})])[0]) == {"a", "b"}


def test_the_limits_hold() -> None:
    rules = {"q": [(NONE, 1000.0), (frozenset({A}), 500.0)], "r": [(NONE, 1000.0), (frozenset({C}), 10.0)]}
    assert _chosen(_search(rules)[0]) == {"a", "c"}
    assert _chosen(_search(rules, limits=Limits(budget_bytes=5.5e6))[0]) <= {"a", "c"}
    assert _chosen(_search(rules, limits=Limits(budget_bytes=5.5e6))[0]) != {"a", "c"}
    assert _chosen(_search(rules, limits=Limits(max_indexes=0))[0]) == set()


def test_upkeep_can_outweigh() -> None:
    rules = {"q": [(NONE, 1000.0), (frozenset({A}), 10.0)]}
    assert _chosen(_search(rules, penalties={A: 2000.0})[0]) == set()
    assert write_penalty(A, FACTS, 1000) > write_penalty(A, FACTS, 10) > 0


def test_what_another_one_begins_with_goes_unless_it_saves_much() -> None:
    both = Candidate(index=Index("t", ("a", "b")), table=("public", "t"), subjects=("a", "b"), size_bytes=2e6)
    for without, chosen in ((103.0, {("a", "b")}), (150.0, {("a",), ("a", "b")})):
        rules = {
            "q": [(NONE, 1000.0), (frozenset({A}), 100.0), (frozenset({both}), without)],
            "r": [(NONE, 1000.0), (frozenset({both}), 10.0)],
        }
        cache = CostCache(
            oracle=TableOracle(rules), relevant=dict.fromkeys(rules, frozenset([A, both])), limit=1000
        )
        search = Search(
            cache=cache, pool=[A, both], weights=dict.fromkeys(rules, 1.0), penalties={}, limits=Limits()
        )
        assert {choice.candidate.subjects for choice in anyio.run(search.run).chosen} == chosen


def test_what_execution_refuted_is_not_believed_again() -> None:
    """A is the better promise for both, B the next best; q was slower with A and r with A and B together."""
    rules = {
        "q": [(NONE, 1000.0), (frozenset({A}), 10.0), (frozenset({B}), 300.0)],
        "r": [(NONE, 1000.0), (frozenset({A}), 400.0), (frozenset({A, B}), 5.0)],
    }
    assert _chosen(_search(rules)[0]) == {"a", "b"}
    search, _ = _search(rules)
    search.cache.refuted = Refuted(refutations=[Refutation(query="q", indexes=(A.index,))])
    assert _chosen(search) == {"b"}  # A would serve r as well, but q would take it
    search, _ = _search(rules)
    search.cache.refuted = Refuted(refutations=[Refutation(query="r", indexes=(A.index, B.index))])
    assert _chosen(search) == {"a"}
    assert search.reasons[B] == "executed, it made r slower"


def test_an_index_is_no_better_if_it_leads_to_the_same_rows_and_holds_no_more_of_what_is_read() -> None:
    def candidate(*keys: str, include: tuple[str, ...] = (), where: str | None = None) -> Candidate:
        index = Index("t", list(keys), include=include, where=where, schema="public")
        return Candidate(index=index, table=("public", "t"), subjects=keys, size_bytes=1.0)

    refuted = Refuted(
        refutations=[Refutation(query="q", indexes=(Index("t", ["a", "b"]),))],
        read={("q", ("public", "t")): frozenset({"a", "b", "c"})},
    )
    no_better = [candidate("a", "b"), candidate("a"), candidate("a", "d"), candidate("a", include=("b", "d"))]
    better = [
        candidate("a", "c"),
        candidate("a", "b", include=("c",)),
        candidate("b", "a"),
        candidate("a", where="c"),
    ]
    assert all(refuted.forbids("q", [one]) for one in no_better)
    assert not any(refuted.forbids("q", [one]) or refuted.forbids("p", [one]) for one in better)
    assert refuted.spared("q", frozenset([*no_better, *better])) == [frozenset(better)]
    assert refuted.spared("p", frozenset(no_better)) == [frozenset(no_better)]


def test_an_index_that_another_made_needless_goes() -> None:
    rules = {"q": [(NONE, 1000.0), (frozenset({A}), 100.0), (frozenset({C}), 10.0)]}
    assert len(_chosen(_search(rules)[0])) == 1


def test_a_plan_that_uses_a_subset_is_not_asked_for_again() -> None:
    _, oracle = _search({})
    oracle.rules["q"] = [(NONE, 1000.0), (frozenset({A}), 10.0)]
    cache = CostCache(oracle=oracle, relevant={"q": frozenset({A, B, C})}, limit=10)

    async def check() -> None:
        await cache.estimate("q", frozenset({A, B, C}))
        assert (await cache.estimate("q", frozenset({A, B}))).cost == 10.0
        assert (await cache.estimate("q", frozenset({A}))).cost == 10.0
        assert len(oracle.asked) == 1
        assert (await cache.estimate("q", NONE)).cost == 1000.0
        assert len(oracle.asked) == 2

    anyio.run(check)


@given(st.integers(0, 2**32))
def test_the_search_never_makes_the_whole_dearer(seed: int) -> None:
    dice = random.Random(seed)
    sets = [NONE, frozenset({A}), frozenset({B}), frozenset({C}), frozenset({A, B}), frozenset({B, C})]
    rules = {
        f"q{number}": [(NONE, 1000.0), *((needs, dice.uniform(1, 1500)) for needs in dice.sample(sets, 3))]
        for number in range(3)
    }
    search, _ = _search(rules, limits=Limits(max_indexes=dice.randint(0, 3)))
    selection = anyio.run(search.run)
    assert selection.cost_after <= selection.cost_before + 1e-6
    assert search.limits.allow(choice.candidate for choice in selection.chosen)


# -- the workload ---


def test_a_fingerprint_ignores_constants_spaces_and_case() -> None:
    assert fingerprint("SELECT * FROM t WHERE a = 1") == fingerprint("select *\nfrom t where a = $1")
    assert fingerprint("select a from t") != fingerprint("select b from t")
    assert fingerprint("select 'open") == fingerprint("select  'open")


def test_the_recorder_is_bounded_and_samples_five() -> None:
    recorder = WorkloadRecorder(limit=2, seed=1)
    for number in range(100):
        recorder.record("select * from t where a = $1", (number,), 0.5)
    recorder.record("vacuum t")
    recorder.record("select 1")
    recorder.record("select * from t where a = $1", (7,))
    recorder.record("select * from u")
    assert len(recorder) == 2
    assert recorder.forgotten == 1
    query = max(recorder.workload().queries, key=lambda query: query.calls)
    assert query.calls == 101
    assert query.seconds == pytest.approx(50.0)
    assert len(query.samples) == 5
    assert any(sample[0] >= 5 for sample in query.samples)
    assert "7" not in repr(query)


def test_the_recorder_redacts() -> None:
    recorder = WorkloadRecorder(redact=lambda sql, values: None if "secret" in sql else values)
    recorder.record("select secret from t where a = $1", (1,))
    recorder.record("select a from t where a = $1", (1,))
    assert sorted(len(query.samples) for query in recorder.workload().queries) == [0, 1]


def test_an_empty_workload_is_refused() -> None:
    with pytest.raises(WorkloadError):
        Workload.of([])
    assert Query(sql="select $2, '$9', $1").parameters == 2
    with pytest.raises(InvalidIndex):
        Index("t", [])
