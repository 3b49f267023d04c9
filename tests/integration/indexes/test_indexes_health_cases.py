"""One table for each thing that can be wrong with indexes, or that only looks so; and who may ask."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import asyncpg
import pytest

from backstay.errors import IndexServerUnavailable
from backstay.indexes import HealthReport, PostgresIndexPlanner, Trouble

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

D, R, M, F, B = Trouble.DUPLICATE, Trouble.REDUNDANT, Trouble.MIRROR, Trouble.MISSING_FK, Trouble.BLOATED
FIRST = """
create schema other;
create collation other.mine from "C"; create collation public.mine from "POSIX";
create table target (a int primary key); create table words (b text primary key);
create table pairs (x int, y int, primary key (x, y))
"""
# The tables, what is found on the last of them: (trouble, index) and whether it may be dropped.
CASES: list[tuple[str, dict[tuple[Trouble, str], bool]]] = [
    # Overlaps that are none.
    ("create table n1 (a int, b int); create index n1_1 on n1 (a, b); create index n1_2 on n1 (a desc, b)", {}),
    ("create table n2 (a int); create index n2_1 on n2 (a); create index n2_2 on n2 (a desc nulls last)", {}),
    (("create table n3 (b text); create index n3_1 on n3 (b collate other.mine);"
     "create index n3_2 on n3 (b collate public.mine)"), {}),
    ("create table n4 (a int); create index n4_1 on n4 using hash (a); create index n4_2 on n4 (a)", {}),
    ("create table n5 (a int, b int); create unique index n5_1 on n5 (a); create index n5_2 on n5 (a, b)", {}),
    (("create table n6 (a int, b int, c int); create index n6_1 on n6 (a) include (c);"
     "create index n6_2 on n6 (a, b)"), {}),
    (("create table n7 (j jsonb, k jsonb); create index n7_1 on n7 using gin (j);"
     "create index n7_2 on n7 using gin (j, k)"), {}),
    ("create table n8 (a int, f boolean); create index n8_1 on n8 (a) where f; create index n8_2 on n8 (a)", {}),
    # What a constraint guards is not redundant because a wider index begins like it.
    ("create table c1 (id int primary key, n text); create unique index c1_1 on c1 (id) include (n)", {}),
    (("create table c2 (a int, b int, constraint c2_1 exclude using btree (a with =));"
     "create index c2_2 on c2 (a, b)"), {}),
    (("create table c3 (r int4range, constraint c3_1 exclude using gist (r with &&),"
     "constraint c3_2 exclude using gist (r with =))"), {}),
    (("create table c4 (r int4range, constraint c4_1 exclude using gist (r with &&));"
     "create index c4_2 on c4 using gist (r)"), {(D, "c4_2"): True}),
    ("create table c5 (a int, constraint c5_1 unique (a)); create index c5_2 on c5 (a)", {(D, "c5_2"): True}),
    # Of a pair the one goes that nothing holds.
    (("create table o1 (a int); create index o1_1 on o1 (a); create index o1_2 on o1 (a);"
     "alter table o1 cluster on o1_2"), {(D, "o1_1"): True}),
    (("create table o2 (a int not null); create unique index o2_1 on o2 (a); create unique index o2_2 on o2 (a);"
     "alter table o2 replica identity using index o2_2"), {(D, "o2_1"): True}),
    (("create table o3 (a int, b int); create index o3_1 on o3 (a); create index o3_2 on o3 (a, b);"
     "alter table o3 cluster on o3_1"), {(R, "o3_1"): False}),
    ("create table o4 (a int, b int); create index o4_1 on o4 (a, b desc); create index o4_2 on o4 (a desc, b)",
     {(M, "o4_2"): True}),
    ("create table o5 (a int, b int); create index o5_1 on o5 (a desc); create index o5_2 on o5 (a, b)",
     {(R, "o5_1"): True}),
    (("create table o6 (a int, b int, c int); create index o6_1 on o6 (a) include (b, c);"
     "create index o6_2 on o6 (a) include (c, b)"), {(D, "o6_2"): True}),
    (("create materialized view o7 as select 1 as a, 2 as b; create index o7_1 on o7 (a);"
     "create index o7_2 on o7 (a, b)"), {(R, "o7_1"): True}),
    (("create table o8 (a int, b int) partition by range (a);"
     "create table o8_1 partition of o8 for values from (0) to (9);"
     "create index o8_2 on o8 (b); create index o8_3 on o8 (b)"), {(D, "o8_3"): True}),
    # Foreign keys.
    ("create table f1 (a int references target)", {(F, ""): False}),
    (("create table f2 (x int, y int, z int, foreign key (x, y) references pairs);"
     "create index f2_1 on f2 (y, x, z)"), {}),
    (("create table f3 (x int, y int, z int, foreign key (x, y) references pairs);"
     "create index f3_1 on f3 (x, z, y)"), {(F, ""): False}),
    ("create table f4 (a int references target); create index f4_1 on f4 (a) where a is not null", {}),
    ("create table f5 (b text references words); create index f5_1 on f5 (b collate \"POSIX\")", {(F, ""): False}),
    ("create table f6 (b text references words); create index f6_1 on f6 (b text_pattern_ops)", {}),
    ("create table f7 (a int references target); create index f7_1 on f7 using brin (a)", {(F, ""): False}),
    (("create table f8 (a int references target, k int) partition by range (k);"
     "create table f8_1 partition of f8 for values from (0) to (9)"), {(F, ""): False}),
    # Bloat: what was emptied, and not what was loaded after it was counted.
    (("create table b1 (id int); insert into b1 select generate_series(1, 60000); create index b1_1 on b1 (id);"
     "delete from b1 where id < 60000"), {(B, "b1_1"): False}),
    (("create table b2 (id int); insert into b2 select generate_series(1, 60000); create index b2_1 on b2 (id);"
     "delete from b2"), {(B, "b2_1"): False}),
    ("create table b3 (id int); create index b3_1 on b3 (id)", {}),
    ("create table b4 (id int); insert into b4 select generate_series(1, 10); create index b4_1 on b4 (id);", {}),
]  # fmt: skip


_RESET = "select stats_reset is not null from pg_stat_database where datname = current_database()"


def _found(report: HealthReport) -> dict[str, dict[tuple[Trouble, str], bool]]:
    found: dict[str, dict[tuple[Trouble, str], bool]] = {}
    for finding in report.findings:
        found.setdefault(finding.table, {})[finding.trouble, finding.index] = finding.droppable
    return found


async def test_each_case_is_judged_by_itself(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    for sql in (FIRST, *(sql for sql, _ in CASES), "vacuum analyze"):
        await connection.execute(sql)
    await connection.execute("insert into b3 select generate_series(1, 60000)")
    await connection.execute("insert into b4 select generate_series(1, 60000)")
    report = await PostgresIndexPlanner.from_dsn(database_url).health()
    expected = {f"public.{sql.split()[3 if sql.startswith('create mat') else 2]}": e for sql, e in CASES if e}
    assert _found(report) == expected
    # Every remedy is a statement that the server takes, and so is every undo.
    for finding in report.findings:
        await connection.execute(str(finding.remedy or "select 1"))
    left = _found(await PostgresIndexPlanner.from_dsn(database_url).health())
    assert left == {"public.o3": {(R, "o3_1"): False}}
    for finding in report.findings:
        await connection.execute(str(finding.undo or "select 1"))
    assert _found(await PostgresIndexPlanner.from_dsn(database_url).health()) == {
        table: kept
        for table, troubles in expected.items()
        if (kept := {k: v for k, v in troubles.items() if k[0] is not B})
    }
    await connection.close()


async def test_tables_that_are_not_the_users_are_left_out_with_their_foreign_keys(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "create temporary table t1 (a int primary key); create temporary table t2 (a int references t1);"
        "create table e1 (a int primary key); create table e2 (a int references e1);"
        "alter extension plpgsql add table e1; alter extension plpgsql add table e2"
    )
    assert (await PostgresIndexPlanner.from_dsn(database_url).health(min_stats_age=timedelta(0))).findings == ()
    await connection.close()


async def test_a_leftover_is_invalid_also_while_a_session_has_written_the_table(database_url: str) -> None:
    connection, writer = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    await connection.execute("create table t (a int, b int); insert into t values (1, 1), (1, 2)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("create unique index concurrently broken on t (a)")
    await writer.execute("begin; update t set b = b + 1")  # keeps its lock on every index, broken ones too
    report = await PostgresIndexPlanner.from_dsn(database_url).health()
    assert [finding.index for finding in report.of(Trouble.INVALID)] == ["broken"]
    await writer.close()
    await connection.close()


async def test_a_role_without_privileges_may_ask(database_url: str) -> None:
    role = f"reader_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table t (a int, b int); create index one on t (a); create index two on t (a)")
    await connection.execute(f"create role {role} login")
    try:
        plain = f"postgresql://{role}@{database_url.rpartition('@')[2]}"
        report = await PostgresIndexPlanner.from_dsn(plain).health(min_stats_age=timedelta(0))
        assert [finding.index for finding in report.findings] == ["two"]  # how old the counts are is not known
        assert report.stats_age is None
        await connection.execute("select pg_stat_reset()")
        async with asyncio.timeout(20):
            while not await connection.fetchval(_RESET):  # noqa: ASYNC110 - the server's own process notes it
                await asyncio.sleep(0.02)
        report = await PostgresIndexPlanner.from_dsn(plain).health(min_stats_age=timedelta(0))
        assert {finding.index for finding in report.of(Trouble.UNUSED)} == {"one", "two"}
    finally:
        await connection.execute(f"drop role {role}")
        await connection.close()


async def test_a_table_that_is_being_rewritten_does_not_hang_the_question(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backstay.indexes.postgres.planner.READING", "set jit = off; set lock_timeout = '200ms'")
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table t (a int primary key)")
    await connection.execute("begin; alter table t alter a type bigint")
    with pytest.raises(IndexServerUnavailable, match="exclusively"):
        await PostgresIndexPlanner.from_dsn(database_url).health()
    await connection.close()
