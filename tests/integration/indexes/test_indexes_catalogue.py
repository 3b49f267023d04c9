"""Known cases on a real server: definitions that are equal or not, and troubles to be found."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from backstay.indexes import Index, Key, PostgresIndexPlanner, Status, Trouble

pytestmark = [pytest.mark.postgres]


@asynccontextmanager
async def database(server: str, *scripts: str) -> AsyncIterator[str]:
    admin = await asyncpg.connect(server)
    name = f"indexes_{uuid.uuid4().hex[:12]}"
    await admin.execute(f"create database {name}")
    url = f"{server.rpartition('/')[0]}/{name}"
    connection = await asyncpg.connect(url)
    try:
        for script in scripts:
            await connection.execute(script)
        yield url
    finally:
        await connection.close()
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


TABLE = """
create table t (a int, b text, c varchar(20), d timestamptz, e jsonb, f boolean, dropped int, g int[],
                "Odd" int);
alter table t drop column dropped
"""
# What exists, what is wanted, whether they are the same index.
VECTORS: list[tuple[str, Index, bool]] = [
    ("create index i on t (a)", Index("t", "a"), True),
    ("create index i on t (a asc nulls last)", Index("t", "a"), True),
    ("create index i on t using btree (a int4_ops)", Index("t", "a"), True),
    ("create index i on t (a desc)", Index("t", "a"), False),
    ("create index i on t (a desc)", Index("t", "a desc nulls first"), True),
    ("create index i on t (a nulls first)", Index("t", "a"), False),
    ("create unique index i on t (a)", Index("t", "a"), False),
    ("create unique index i on t (a)", Index("t", "a", unique=True), True),
    ("alter table t add constraint i unique (a)", Index("t", "a", unique=True), True),
    ("create unique index i on t (a) nulls not distinct", Index("t", "a", unique=True), False),
    ("create unique index i on t (a) nulls not distinct",
     Index("t", "a", unique=True, nulls_not_distinct=True), True),
    ("create index i on t (a, b)", Index("t", ["b", "a"]), False),
    ("create index i on t (a) include (b)", Index("t", "a"), False),
    ("create index i on t (a) include (b, d)", Index("t", "a", include=["d", "b"]), False),
    ("create index i on t (a) include (b)", Index("t", "a", include=["b"]), True),
    ("create index i on t (LOWER( b ))", Index("t", "lower(b)"), True),
    ("create index i on t (lower(c))", Index("t", "lower((c)::text)"), True),
    ("create index i on t ((a + 1))", Index("t", "(a+1)"), True),
    ("create index i on t ((a + 1))", Index("t", "(1+a)"), False),
    ("create index i on t (a) where b = 'x'", Index("t", "a", where="b='x'::text"), True),
    ("create index i on t (a) where b = 'x'", Index("t", "a", where="b = 'X'"), False),
    ("create index i on t (a) where b in ('x', 'y')",
     Index("t", "a", where="b = any (array['x', 'y'])"), True),
    ("create index i on t (a) where f", Index("t", "a"), False),
    ("create index i on t (b text_pattern_ops)", Index("t", "b"), False),
    ("create index i on t (b collate \"C\")", Index("t", Key(column="b", collation="C")), True),
    ("create index i on t using gin (e)",
     Index("t", Key(column="e", opclass="jsonb_ops"), method="gin"), True),
    ("create index i on t using gin (e jsonb_path_ops)", Index("t", "e", method="gin"), False),
    ("create index i on t using hash (a)", Index("t", "a"), False),
    ("create index i on t (a) with (fillfactor = 70)", Index("t", "a", options={"fillfactor": 70}), True),
    ("create index i on t (\"Odd\")", Index("t", "Odd"), True),
    ("create index i on t (a) with (fillfactor = 70)", Index("t", "a"), True),  # somebody's tuning
    ("create index i on t (a)", Index("t", "a", options={"fillfactor": 70}), False),
    ("create index i on t (c varchar_ops)", Index("t", "c"), True),
    ("create index i on t (b varchar_pattern_ops)", Index("t", Key(column="b", opclass="text_pattern_ops")), True),
    ("create index i on t (b collate \"default\" text_ops)", Index("t", "b"), True),
    ("create index i on t using gin (g) with (fastupdate = off)",
     Index("t", "g", method="gin", options={"fastupdate": False}), True),
    ("create index i on t using gin (g) with (fastupdate = on)",
     Index("t", "g", method="gin", options={"fastupdate": False}), False),
    ("create index i on t (a) where not (b is null)", Index("t", "a", where="b is not null"), False),
    ("create index i on t (a) where a between 1 and 5", Index("t", "a", where="a >= 1 and a <= 5"), True),
    ("create index i on t ((a))", Index("t", Key(expression="a")), True),
    ("alter table t add constraint i primary key (a)", Index("t", "a", unique=True), True),
]  # fmt: skip


@pytest.mark.asyncio
async def test_definitions_are_the_same_when_the_server_says_so(postgres_url: str) -> None:
    async with database(postgres_url, TABLE) as url:
        connection = await asyncpg.connect(url)
        wrong = []
        for sql, wanted, same in VECTORS:
            await connection.execute(sql)
            (found,) = (await PostgresIndexPlanner.from_dsn(url).diff([wanted])).comparisons
            if (found.status is Status.PRESENT) is not same:
                wrong.append((sql, wanted, found.status))
            await connection.execute("alter table t drop constraint if exists i; drop index if exists i")
        await connection.close()
        assert not wrong


CATALOGUE = """
create table parent (id int primary key, code text unique, label text);
create table child (id int primary key, parent int references parent, code text references parent (code),
                    x int, y int, z text, flag boolean, tags int[]);
create index c_x1 on child (x);
create index c_x2 on child (x);                                   -- duplicate of c_x1
create index c_xy on child (x, y);                                -- makes c_x1 redundant too
create index c_y_desc on child (y desc);                          -- mirror of c_y
create index c_y on child (y);
create index c_z on child (z);
create index c_z_pattern on child (z text_pattern_ops);           -- no duplicate: another operator class
create index c_z_where on child (z) where flag;                   -- no duplicate: partial
create index c_id on child (id);                                  -- duplicate of the primary key
create index c_tags on child using gin (tags);
create index c_tags2 on child using gin (tags);                   -- duplicate of c_tags
create index c_lower on child (lower(z));
create index c_lower2 on child (LOWER( z ));                      -- duplicate of c_lower
create index c_code on child (code) where code is not null;       -- serves the foreign key on code
create table part (id int, day int, primary key (id, day)) partition by range (day);
create table part1 partition of part for values from (0) to (10);
create index part_day on part (day);
create index part1_day on part1 (day);                            -- duplicate of the part of part_day
alter table child add constraint c_later unique (tags, x) deferrable;
create unique index c_now on child (tags, x);                     -- no duplicate: that one is checked later
create index only_parent on only part (id);                       -- invalid, as a parent without parts is
insert into parent select i, 'c' || i from generate_series(1, 100) i;
insert into child select i, 1 + i % 100, 'c' || (1 + i % 100), i % 5 from generate_series(1, 1000) i;
analyze
"""
FOUND = {
    (Trouble.DUPLICATE, "c_x2"),
    (Trouble.REDUNDANT, "c_x1"),
    (Trouble.MIRROR, "c_y"),
    (Trouble.DUPLICATE, "c_id"),
    (Trouble.DUPLICATE, "c_tags2"),
    (Trouble.DUPLICATE, "c_lower2"),
    (Trouble.DUPLICATE, "part1_day"),
    (Trouble.INVALID, "c_bad"),
    (Trouble.MISSING_FK, ""),
}


@pytest.mark.asyncio
async def test_every_known_trouble_is_found_and_nothing_else(postgres_url: str) -> None:
    async with database(postgres_url, CATALOGUE) as url:
        connection = await asyncpg.connect(url)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("create unique index concurrently c_bad on child (parent, x)")
        planner = PostgresIndexPlanner.from_dsn(url)
        health = await planner.health()
        # c_x1 and c_x2 both yield to c_xy, which is the stronger stand-in.
        found = {(finding.trouble, finding.index) for finding in health.findings}
        assert found == (FOUND - {(Trouble.DUPLICATE, "c_x2")}) | {(Trouble.REDUNDANT, "c_x2")}
        assert all(finding.droppable for finding in health.findings if finding.index)
        # The remedies heal, and the undo statements bring back what was there.
        before = {index.ddl for index in await planner.indexes()}
        for finding in health.findings:
            await connection.execute(str(finding.remedy))
        assert (await planner.health()).findings == ()
        for finding in health.findings:
            if finding.trouble not in (Trouble.INVALID, Trouble.MISSING_FK):
                await connection.execute(str(finding.undo))
        missing = before - {index.ddl for index in await planner.indexes()}
        assert len(missing) == 1
        await connection.close()


@pytest.mark.asyncio
async def test_unused_waits_for_old_statistics(postgres_url: str) -> None:
    async with database(postgres_url, CATALOGUE) as url:
        planner = PostgresIndexPlanner.from_dsn(url)
        assert (await planner.health()).of(Trouble.UNUSED) == ()
        now = {f.index for f in (await planner.health(min_stats_age=timedelta(0))).of(Trouble.UNUSED)}
        assert {"c_xy", "c_z", "part_day"} <= now
        assert not {"child_pkey", "parent_code_key", "c_code", "part_pkey"} & now
