# ruff: noqa: E501, PT017, RUF005 - tables of SQL, one case a line
"""Cutting SQL into statements, judged by PostgreSQL's own parser."""

from __future__ import annotations

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.migrations import split
from backstay.migrations.lexer import SqlTextError, tokenize
from backstay.migrations.statements import controls_transaction, locked_relations, runs_outside_transaction

CASES = [
    "select 1;select 2",
    "select 'a;''b;'; select \"x;\"\"y\" from t",
    "select E'a\\';b'; select e'\\\\'; select 1",
    "select E'a'\n  'b\\';c'; select 2",
    "select E'a' -- why;\n 'b\\';c'; select 2",
    "select U&'d\\0061;' uescape '!'; select U&\"d;\" from t",
    "select b'01', x'1F', n'a;b'; select 1",
    "select $a$;$$;$a$; /* ; /* ; */ ;*/ select 2 -- ;\n; select $$;$$",
    "select a$b$ from t; select $1; prepare p as select $1 + 1",
    "do $$begin perform 1; end$$; ; ;",
    "create function f() returns int begin atomic select 1; select case when true then 1 end; end; select 2",
    "create or replace procedure p() begin atomic insert into t select 1 as end; delete from t; end; select 3",
    "create function atomic(begin int) returns int language sql return begin; select 1",
    "create rule r as on insert to t do also (select 1; delete from u); select 3",
    "select (1), (select 2); create table t (a int[], b text default ';')",
    "select a[1:2], b::text from t; select 1 as end; select t.end from t",
    "select 1.5, .5, 1e-5, 0x1F, 1_000; select 5*/*;*/2",
    "begin; select 1; end; commit",
    "select 'ünï;cödé'; select \"naïve;\" as ñ; select $ñ$;$ñ$",
    "",
    "-- only a comment;",
    "create trigger g before insert on t for each row execute function f(); select 1",
]


@pytest.mark.parametrize("sql", CASES)
def test_cuts_where_postgres_cuts(sql):
    assert [statement.text for statement in split(sql)] == expected(sql)


def expected(sql):
    """What the server's parser says, without the comments that stand before a statement."""
    cut = []
    for statement in pglast.parser.parse_sql(sql):
        begin = statement.stmt_location
        end = begin + statement.stmt_len if statement.stmt_len else len(sql)
        tokens = [t for t in pglast.parser.scan(sql[begin:end]) if "COMMENT" not in t.name]
        text = sql[begin:end]
        cut.append(text[tokens[0].start : tokens[-1].end + 1].rstrip(";").rstrip())
    return cut


PIECES = st.sampled_from(
    [
        "select 1",
        ";",
        "'a;b'",
        "''",
        '"q;"',
        "E'\\';'",
        "$$;$$",
        "$t$;$$;$t$",
        "/*;*/",
        "/*/*;*/*/",
        "--;\n",
        "\n",
        " ",
        ",",
        "(",
        ")",
    ]
    + [
        "as x",
        "a",
        "1",
        "U&'x;'",
        "||",
        "case when a then 1 end",
        "from t",
        "b'1'",
        "$1",
        "where a = 1",
        "e''",
        "'\n'",
        "a$b",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map(" ".join) | st.lists(PIECES, max_size=14).map("".join))
def test_whatever_postgres_parses_is_cut_alike(sql):
    try:
        wanted = expected(sql)
    except (pglast.parser.ParseError, IndexError):
        return
    assert [statement.text for statement in split(sql)] == wanted


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab'\"$\\;/*-\n eEuU&:()", max_size=60))
def test_any_text_is_cut_or_refused_and_no_character_is_lost(sql):
    try:
        tokens = tokenize(sql)
    except SqlTextError as exc:
        assert 0 <= exc.offset < len(sql)
        return
    rest = sql
    for token in reversed(tokens):
        assert sql[token.start : token.start + len(token.text)] == token.text
        rest = rest[: token.start] + rest[token.start + len(token.text) :]
    assert rest.strip() == ""


@pytest.mark.parametrize(
    ("sql", "line", "column", "words"),
    [
        ("select 1;\n\\connect other", 2, 1, "psql command"),
        ("\\copy t from 'x'", 1, 1, "psql command"),
        ("select :'name'", 1, 8, "psql variable"),
        ("select 1;\n  copy t from stdin;\n1\n\\.", 4, 1, "psql command"),
        ("copy t (a) from stdin", 1, 1, "COPY FROM stdin"),
        ("select 'open", 1, 8, "not closed"),
        ('select "open', 1, 8, "not closed"),
        ("select $a$ open $b$", 1, 8, "not closed"),
        ("select 1 /* /* */", 1, 10, "not closed"),
    ],
)
def test_what_is_no_sql_is_refused_by_name_and_place(sql, line, column, words):
    from backstay.migrations.lexer import locate

    with pytest.raises(SqlTextError, match=words) as caught:
        split(sql)
    assert locate(sql, caught.value.offset) == (line, column)


def test_an_unclosed_quote_fails_in_linear_time():
    with pytest.raises(SqlTextError):
        split("select '" + "a''" * 200_000)


def test_sqlite_triggers_stay_whole():
    sql = "create trigger g after insert on t begin update t set a = case when 1 then 2 end; delete from u; end; select 1"
    assert len(split(sql)) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "create index concurrently i on t (a)",
        "create unique index /* x */ concurrently if not exists i on t (a)",
        "drop index concurrently i",
        "reindex table concurrently t",
        "reindex (verbose, concurrently) index i",
        "reindex schema s",
        "alter table p detach partition s.p1 concurrently",
        "vacuum (analyze) t",
        "cluster",
        "alter system set work_mem = '1MB'",
        "create database d",
        "drop tablespace x",
        "create subscription s connection '' publication p",
    ],
)
def test_sees_what_cannot_run_in_a_transaction(sql):
    assert runs_outside_transaction(split(sql)[0])


@pytest.mark.parametrize(
    "sql",
    [
        "create index i on t (concurrently)",
        "select 'vacuum'",
        "alter type e add value 'x'",
        "cluster t using i",
        "reindex table t",
    ],
)
def test_sees_what_can(sql):
    assert not runs_outside_transaction(split(sql)[0])


@pytest.mark.parametrize(
    ("sql", "yes"),
    [
        ("begin", True),
        ("commit", True),
        ("end transaction", True),
        ("rollback", True),
        ("begin isolation level serializable", True),
        ("savepoint a", False),
        ("rollback to a", False),
        ("release a", False),
    ],
)
def test_sees_who_would_take_the_transaction_away(sql, yes):
    assert controls_transaction(split(sql)[0]) is yes


@pytest.mark.parametrize(
    ("sql", "relations"),
    [
        ("alter table only s.t add column a int", ('"s"."t"',)),
        ("alter table if exists T add foreign key (a) references O (id)", ('"t"', '"o"')),
        ("create index on t (a)", ('"t"',)),
        ("create table n (a int references o)", ('"o"',)),
        ("drop table if exists t", ('"t"',)),
        ("truncate t", ('"t"',)),
        ("select 1", ()),
    ],
)
def test_knows_what_a_statement_locks(sql, relations):
    assert locked_relations(split(sql)[0]) == relations
