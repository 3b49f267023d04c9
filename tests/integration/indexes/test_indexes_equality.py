"""Definitions beside what the server made of another spelling: sharp pairs, plain ones and SQLAlchemy's."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from backstay.errors import InvalidIndex
from backstay.indexes import Index, Key, PostgresIndexPlanner, from_metadata

pytestmark = [pytest.mark.postgres]

TABLES = """
create schema app; create schema other;
create function other.norm(text) returns text immutable language sql as 'select lower($1)';
create collation other.mine from "C"; create collation public.mine from "POSIX";
create operator class other.back for type int4 using btree as operator 1 >, operator 2 >=, operator 3 =,
    operator 4 <=, operator 5 <, function 1 btint4cmp (int4, int4);
create operator class public.back for type int4 using btree as operator 1 >, operator 2 >=, operator 3 =,
    operator 4 <=, operator 5 <, function 1 btint4cmp (int4, int4);
create table t (id bigint primary key, a int, b text, c varchar(20), d timestamptz, e text collate "C", f boolean,
    j jsonb, n numeric, s smallint, r int4range, p point, v tsvector, "Odd Col" int, "größe" text,
    g int generated always as (a * 2) stored);
create table two (a int); create table app.two (a int);
create table late (a int, constraint late_a unique (a) deferrable);
create table barred (r int4range, exclude using gist (r with &&));
create table parts (x int, at date) partition by range (at);
create table parts_1 partition of parts for values from ('2020-01-01') to ('2021-01-01')
"""
# What exists (after "create … index i"), what is wanted, whether they are the same.
VECTORS: list[tuple[str, Index, bool]] = [
    # An expression may name its table, as CREATE INDEX lets it.
    ("on t (lower(b))", Index("t", "lower(t.b)"), True),
    ("on t (a) where f is true", Index("t", "a", where="t.f is true"), True),
    ("on app.two ((a + 1))", Index("two", "(two.a + 1)", schema="app"), True),
    # Names that two schemas have.
    ("on t (b collate other.mine)", Index("t", Key(column="b", collation="public.mine")), False),
    ("on t (b collate public.mine)", Index("t", Key(column="b", collation="public.mine")), True),
    ("on t (a other.back)", Index("t", Key(column="a", opclass="public.back")), False),
    ("on t (a other.back)", Index("t", Key(column="a", opclass="other.back")), True),
    ("on two (a)", Index("two", "a", schema="app"), False),
    ("on app.two (a)", Index("two", "a", schema="app"), True),
    ("on two (a)", Index("two", "a", schema="public"), True),
    ("on t (other.norm(b))", Index("t", "other.norm(b)"), True),
    ("on t (lower(b))", Index("t", "other.norm(b)"), False),
    # Parameters: what is asked for has to be so, in whatever spelling; more is somebody's tuning.
    ("on t (a) with (fillfactor = 70, deduplicate_items = off)", Index("t", "a", options={"fillfactor": 70}), True),
    ("on t (a) with (fillfactor = 80)", Index("t", "a", options={"fillfactor": 70}), False),
    ("on t using gin (j) with (fastupdate = off)", Index("t", "j", method="gin", options={"fastupdate": 0}), True),
    ("on t using gin (j) with (fastupdate = 1)", Index("t", "j", method="gin", options={"fastupdate": True}), True),
    ("on t using gin (j) with (fastupdate)", Index("t", "j", method="gin", options={"fastupdate": False}), False),
    ("on t using brin (d)", Index("t", "d", method="brin", options={"pages_per_range": 32}), False),
    # What guards only at the commit, and what guards more than keys.
    ("", Index("late", "a", unique=True), False),
    ("", Index("barred", "r", method="gist"), True),
    ("", Index("t", "id", unique=True), True),
    # The server's own rewriting.
    ("on t (a) where c = 'x'", Index("t", "a", where="(c)::text = 'x'::text"), True),
    ("on t (a) where a between 1 and 5", Index("t", "a", where="1 <= a and a <= 5"), False),
    ("on t (a) where a not in (1, 2)", Index("t", "a", where="a <> all (array[1, 2])"), True),
    ("on t (a) where b in ('x', 'y')", Index("t", "a", where="b in ('y', 'x')"), False),
    ("on t (a) where b like 'x%'", Index("t", "a", where="b ~~ 'x%'"), True),
    ("on t (a) where a != 3", Index("t", "a", where="a <> 3"), True),
    ("on t (a) where f and a > 1", Index("t", "a", where="a > 1 and f"), False),
    ("on t (a) where s = 1", Index("t", "a", where="s = 1::smallint"), False),
    ("on t (a) where n > 1.5", Index("t", "a", where="n > 1.50"), False),
    ("on t ((b || ' ' || c))", Index("t", "(b||' '::text||c)"), True),
    ("on t (((j ->> 'k')::int))", Index("t", "cast(j->>'k' as integer)"), True),
    ("on t ((case when f then a end))", Index("t", "(CASE WHEN f THEN a ELSE NULL END)"), True),
    ("on t using gin (to_tsvector('english', b))",
     Index("t", "to_tsvector('english'::regconfig, b)", method="gin"), True),
    ("on t (b collate \"C\")", Index("t", Key(expression='b collate "C"')), True),
    ("on t (e)", Index("t", Key(column="e", collation="C")), True),
    ("on t (b)", Index("t", Key(column="b", collation="C")), False),
    # Order, kinds, columns.
    ("on t (a desc)", Index("t", "a desc nulls last"), False),
    ("on t using spgist (p kd_point_ops)", Index("t", "p", method="spgist"), False),
    ("on t using spgist (p quad_point_ops)", Index("t", "p", method="spgist"), True),
    ("on t using gist (v tsvector_ops (siglen = 64))", Index("t", "v", method="gist"), False),
    ("on t using gist (v tsvector_ops (siglen = 64))",
     Index("t", Key(column="v", opclass="tsvector_ops(siglen=64)"), method="gist"), True),
    ("on t using brin (d timestamptz_minmax_multi_ops)", Index("t", "d", method="brin"), False),
    ("on t (g)", Index("t", "g"), True),
    ("on t ((g + 1))", Index("t", "(g + 1)"), True),
    ("on t (lower(\"größe\"))", Index("t", "lower(größe)"), True),
    ("on t (a) include (\"Odd Col\")", Index("t", "a", include=["Odd Col"]), True),
    ("on parts (x)", Index("parts", "x"), True),
    ("on parts_1 (x)", Index("parts", "x"), False),
]  # fmt: skip


@asynccontextmanager
async def _planner(url: str) -> AsyncIterator[tuple[asyncpg.Connection, PostgresIndexPlanner]]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(TABLES)
        yield connection, PostgresIndexPlanner.from_dsn(url)
    finally:
        await connection.close()


async def _same(connection: asyncpg.Connection, planner: PostgresIndexPlanner, sql: str, wanted: Index) -> bool:
    if sql:
        await connection.execute(f"create index i {sql}")
    diff = await planner.diff([wanted.named(None)])
    await connection.execute("drop index if exists i; drop index if exists app.i")
    return diff.clean


@pytest.mark.asyncio
async def test_sharp_pairs_are_told_apart(database_url: str) -> None:
    async with _planner(database_url) as (connection, planner):
        if connection.get_server_version().major < 14:
            pytest.skip("operator classes have parameters and minmax_multi since PostgreSQL 14 at the latest")
        wrong = [v for v in VECTORS if await _same(connection, planner, v[0], v[1]) is not v[2]]
    assert not wrong


def _declared(make: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]) -> Index:
    metadata = sa.MetaData()
    table = sa.Table(
        "t", metadata, sa.Column("a", sa.Integer), sa.Column("b", sa.Text), sa.Column("c", sa.String(20)),
        sa.Column("f", sa.Boolean), sa.Column("j", JSONB), sa.Column("v", sa.Text),
        sa.Column("Odd Col", sa.Integer, key="odd"),
    )  # fmt: skip
    keys, options = make(table.c)
    sa.Index("ix", *keys, _table=table, **options)
    return from_metadata(metadata)[0]


MODELS: list[tuple[str, Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]]] = [
    ("on t (a desc nulls last)", lambda c: ((c.a.desc().nulls_last(),), {})),
    ("on t (a desc nulls last)", lambda _: ((sa.text("a DESC NULLS LAST"),), {})),
    ("on t (lower(b) text_pattern_ops)", lambda _: ((sa.text("lower(b) TEXT_PATTERN_OPS"),), {})),
    ("on t (b collate \"C\" text_pattern_ops desc)",
     lambda _: ((sa.text('b COLLATE "C" text_pattern_ops DESC'),), {})),
    ("on t (other.norm(b), a)", lambda _: ((sa.text("other.norm(t.b)"), sa.text("a")), {})),
    ("on t ((j ->> 'k'))", lambda _: ((sa.text("j ->> 'k'"),), {})),
    ("on t using gist (v tsvector_ops (siglen = 64))",
     lambda _: ((sa.text("v tsvector_ops (siglen=64)"),), {"postgresql_using": "gist"})),
    ("on t using gist (v tsvector_ops (siglen = 64))",
     lambda c: ((c.v,), {"postgresql_using": "gist", "postgresql_ops": {"v": "tsvector_ops(siglen=64)"}})),
    ("on t (\"Odd Col\" int4_ops)", lambda c: ((c.odd,), {"postgresql_ops": {"odd": "int4_ops"}})),
    ("on t (a) include (\"Odd Col\", b)", lambda c: ((c.a,), {"postgresql_include": ["odd", c.b]})),
    ("on t (lower(b) text_pattern_ops)",
     lambda c: ((sa.func.lower(c.b).label("low"),), {"postgresql_ops": {"low": "text_pattern_ops"}})),
    ("on t ((a % 10))", lambda c: ((c.a % 10,), {})),
    ("on t (((j ->> 'k')::int))", lambda c: ((c.j["k"].astext.cast(sa.Integer),), {})),
    ("on t (a) where b ~ '^\\d+$'", lambda c: ((c.a,), {"postgresql_where": c.b.regexp_match("^\\d+$")})),
    ("on t (a) where b = 'it''s C:\\x %'", lambda c: ((c.a,), {"postgresql_where": c.b == "it's C:\\x %"})),
    ("on t (a) where b = E'C:\\\\'", lambda c: ((c.a,), {"postgresql_where": sa.text("b = E'C:\\\\'")})),
    ("on t (a) where b like 'x%' and not f",
     lambda c: ((c.a,), {"postgresql_where": sa.and_(c.b.like("x%"), ~c.f)})),
]  # fmt: skip


@pytest.mark.asyncio
async def test_an_index_of_a_model_is_what_sqlalchemy_would_create(database_url: str) -> None:
    async with _planner(database_url) as (connection, planner):
        wrong = [sql for sql, make in MODELS if not await _same(connection, planner, sql, _declared(make))]
    assert not wrong


def test_a_name_made_by_a_convention_is_cut_as_sqlalchemy_cuts_it() -> None:
    metadata = sa.MetaData()
    table = sa.Table("a_table_of_a_very_long_name_indeed", metadata)
    table.append_column(sa.Column("a_column_of_a_name_that_is_as_long_as_that", sa.Integer, index=True))
    (index,) = from_metadata(metadata)
    (made,) = table.indexes
    statement = str(sa.schema.CreateIndex(made).compile(dialect=sa.dialects.postgresql.dialect()))
    assert index.name == statement.split()[2]
    sa.Index("x" * 64, table.c[0])
    with pytest.raises(InvalidIndex, match="exceeds maximum length"):
        from_metadata(metadata)


def test_a_cycle_of_foreign_keys_is_no_matter() -> None:
    metadata = sa.MetaData()
    for one, other in (("b", "a"), ("a", "b")):
        key = sa.ForeignKey(f"{other}.id")
        sa.Table(one, metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("x", key, index=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [index.table for index in from_metadata(metadata)] == ["a", "b"]
