"""Definitions, their names and their SQL; the gate; the comparison."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, func
from sqlalchemy import Index as SQLAlchemyIndex

from backstay.errors import InvalidIndex
from backstay.indexes import Activity, Gate, Index, Key, Registry, Window, from_metadata
from backstay.indexes.declared import quote_identifier
from backstay.indexes.tokens import canonical, tokenize


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("email", '"email"'),
        ("created_at desc", '"created_at" desc'),
        ("created_at DESC NULLS LAST", '"created_at" desc nulls last'),
        ("a asc nulls first", '"a" nulls first'),
        ("lower(email)", "(lower(email))"),
        ("(payload ->> 'k') desc", "((payload ->> 'k')) desc"),
        ("Odd name", '"Odd name"'),
    ],
)
def test_short_forms(text: str, sql: str) -> None:
    assert Key.read(text).to_sql() == sql


def test_the_whole_statement() -> None:
    index = Index(
        "orders",
        ["user_id", Key(column="code", opclass="text_pattern_ops", collation="C")],
        include=["total"],
        where="not paid",
        unique=True,
        nulls_not_distinct=True,
        options={"fillfactor": 80, "deduplicate_items": False},
        name="mine",
        schema="shop",
    )
    assert index.to_sql() == (
        'create unique index concurrently "mine" on "shop"."orders" using "btree" '
        '("user_id", "code" collate "C" "text_pattern_ops") include ("total") nulls not distinct '
        "with (deduplicate_items = false, fillfactor = 80) where (not paid)"
    )


@pytest.mark.parametrize(
    "broken",
    [
        "f(a)); drop table t; --",
        "lower(a",
        "lower(a))",
        "lower(a) -- ",
        "lower(a) /* */",
        "lower('a)",
        "f($1)",
        "f('a\\')",
        "(a))||((b",
        "()) , (",
    ],
)
def test_an_expression_cannot_leave_its_parentheses(broken: str) -> None:
    with pytest.raises(InvalidIndex):
        Key(expression=broken)
    with pytest.raises(InvalidIndex):
        Index("t", "a", where=broken)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Index("t", []),
        lambda: Index("", "a"),
        lambda: Index("t", "a", name="x" * 64),
        lambda: Index("t", "a\0b"),
        lambda: Index("t", "a", nulls_not_distinct=True),
        lambda: Index("t", "a", options={"fillfactor": "80); drop table t"}),
        lambda: Index("t", "a", options={"x y": 1}),
        Key,
        lambda: Key(column="a", expression="f(a)"),
    ],
)
def test_what_no_server_would_take_is_refused(make: object) -> None:
    with pytest.raises(InvalidIndex):
        make()  # type: ignore[operator]


@given(st.text(min_size=1, max_size=70))
def test_a_quoted_name_is_one_token_of_that_name(name: str) -> None:
    try:
        quoted = quote_identifier(name)
    except InvalidIndex:
        assert "\0" in name or len(name.encode(errors="surrogatepass")) > 63
        return
    (token,) = tokenize(quoted)
    assert token.value == name


def test_naughty_names() -> None:
    vectors = Path(os.environ.get("BACKSTAY_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))
    file = vectors / "naughty_strings.json"
    if not file.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{file} is missing")
        pytest.skip("no vectors here")
    loaded = json.loads(file.read_text())
    for name in loaded if isinstance(loaded, list) else loaded["strings"]:
        try:
            quoted = quote_identifier(name)
        except InvalidIndex:
            continue
        assert tokenize(quoted)[0].value == name


def test_names_are_made_from_the_definition() -> None:
    one, again = Index("t", ["a", "b desc"]), Index("t", ["a", "b desc"])
    assert one == again
    assert one.effective_name == again.effective_name
    assert one.effective_name.startswith("ix_t_a_b_")
    different = [
        Index("t", ["a", "b"]),
        Index("t", ["a", "b desc"], where="c"),
        Index("t", ["a", "b desc"], unique=True),
    ]
    assert len({index.effective_name for index in (one, *different)}) == 4
    assert len(Index("t" * 60, "é" * 30).effective_name.encode()) <= 63


def test_a_registry_keeps_order_and_no_twice() -> None:
    registry = Registry([Index("t", "a")])
    registry.add(Index("t", "b"), Index("t", "a"))
    assert [index.keys[0].column for index in registry] == ["a", "b"]
    registry.clear()
    assert len(registry) == 0


def test_metadata_becomes_definitions() -> None:
    metadata = MetaData()
    table = Table("t", metadata, Column("a", Integer), Column("b", String), Column("c", Boolean), schema="s")
    SQLAlchemyIndex("one", table.c.a, table.c.b.desc().nulls_last(), postgresql_include=["c"])
    SQLAlchemyIndex("two", func.lower(table.c.b), unique=True, postgresql_where=table.c.a > 5)
    SQLAlchemyIndex("three", table.c.b, postgresql_ops={"b": "text_pattern_ops"}, postgresql_using="btree")
    assert from_metadata(metadata) == (
        Index("t", ["a", "b desc nulls last"], include=["c"], name="one", schema="s"),
        Index("t", Key(column="b", opclass="text_pattern_ops"), name="three", schema="s"),
        Index("t", "lower(b)", unique=True, where="a > 5", name="two", schema="s"),
    )


def test_canonical_text() -> None:
    assert canonical("((LOWER( a )))") == canonical("lower(a)")
    assert canonical("a = 'X'") != canonical("a = 'x'")


NIGHT = Window(start=time(22), end=time(4), days=frozenset({5}))


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-01-02T23:00", True),
        ("2026-01-03T03:59", True),
        ("2026-01-03T04:00", False),
        ("2026-01-03T23:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_starts(moment: str, inside: bool) -> None:
    assert NIGHT.contains(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is inside


def test_a_gate_names_every_reason() -> None:
    gate = Gate(windows=(NIGHT,), max_active_sessions=3, max_replica_lag=1.0, max_transactions_per_second=10)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    busy = Activity(active_sessions=4, replica_lag=2.0, transactions_per_second=11)
    assert len(gate.verdict(noon, busy).reasons) == 4
    friday = datetime(2026, 1, 2, 23, tzinfo=UTC)
    assert gate.verdict(friday, Activity(active_sessions=3, transactions_per_second=None)).open
    with pytest.raises(ValueError, match="weekdays"):
        Window(start=time(1), end=time(2), days=frozenset({0}))
