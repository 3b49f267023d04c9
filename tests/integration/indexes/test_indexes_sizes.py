"""What an index is modelled to take beside what it takes once it is built; for GIN, from a sample of the rows."""

from __future__ import annotations

import uuid

import asyncpg
import pytest

from backstay.indexes import Index, Key
from backstay.indexes.candidates import Candidate
from backstay.indexes.inverted import gin_bytes
from backstay.indexes.postgres.counted import counted_combinations, counted_shares
from backstay.indexes.postgres.expressions import measured_expressions
from backstay.indexes.postgres.items import sample_items
from backstay.indexes.sizes import TableFacts, btree_bytes, read_tables
from backstay.indexes.statements import statement

from .test_indexes_advice import database

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

SHAPES = """
create table events as select i as id,
    jsonb_build_object('k', i % 20000, 'source', 'web', 'page', i % 50) as payload
    from generate_series(1, 300000) i;
create table small as select i as id, jsonb_build_object('k', i % 1000) as payload from generate_series(1, 60000) i;
create table mixed as select i as id, jsonb_build_object('ref', 'R' || i,
    'tags', jsonb_build_array('a' || i % 900, 'b' || i % 7),
    'nested', jsonb_build_object('deep', md5(i::text))) as payload from generate_series(1, 100000) i;
create table sparse as select i as id,
    case when i % 10 = 0 then jsonb_build_object('k', i) end as payload from generate_series(1, 300000) i;
create table scalar as select i as id, to_jsonb(i % 500) as payload from generate_series(1, 60000) i;
create table numbers as select i as id, array[i % 100, i % 7919, i * 7 % 31] as tags
    from generate_series(1, 200000) i;
select setseed(0.5);
create table words as select i as id,
    array['t' || (random() * random() * 5000)::int, 't' || (random() * 50)::int] as tags
    from generate_series(1, 150000) i;
create table texts as select i as id, 'user ' || md5(i::text) || ' of street ' || i % 5000 as note
    from generate_series(1, 100000) i;
create table found as select i as id, to_tsvector('simple',
    'order ' || i || ' of customer ' || i % 3000 || ' by card ' || i * 7 % 20) as terms
    from generate_series(1, 100000) i;
create table parted (id int, tags int[]) partition by range (id);
create table parted_1 partition of parted for values from (0) to (60000);
create table parted_2 partition of parted for values from (60000) to (200000);
insert into parted select i, array[i % 100, i % 3000] from generate_series(1, 120000) i;
analyze;
"""

CASES = [
    ("events", "payload", "jsonb_path_ops"),
    ("events", "payload", None),
    ("small", "payload", "jsonb_path_ops"),
    ("mixed", "payload", "jsonb_path_ops"),
    ("mixed", "payload", None),
    ("sparse", "payload", "jsonb_path_ops"),
    ("scalar", "payload", None),
    ("numbers", "tags", None),
    ("words", "tags", None),
    ("texts", "note", "gin_trgm_ops"),
    ("found", "terms", None),
]


def inverted(table: str, column: str, opclass: str | None) -> Candidate:
    index = Index(table, Key(column=column, opclass=opclass), method="gin")
    return Candidate(index=index, table=("public", table), subjects=(column,), size_bytes=0)


async def facts_of(connection: asyncpg.Connection) -> dict[tuple[str, str], TableFacts]:
    tables = read_tables(await connection.fetch(statement("tables"))).values()
    return {(facts.schema, facts.name): facts for facts in tables}


async def test_inverted_indexes_are_as_large_as_modelled(postgres_url: str) -> None:
    async with database(postgres_url, "pg_trgm") as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SHAPES)
        tables = await facts_of(connection)
        ratios = {}
        for table, column, opclass in CASES:
            candidate = inverted(table, column, opclass)
            samples = await sample_items(connection, [candidate], tables)
            facts = tables[candidate.table]
            sample = samples[candidate.table, candidate.index.keys[0]]
            modelled = gin_bytes(facts.rows, facts.pages, facts.column(column), sample=sample)
            await connection.execute(f"create index built on {table} using gin ({column} {opclass or ''})")
            ratios[table, opclass] = modelled / await connection.fetchval("select pg_relation_size('built')")
            await connection.execute("drop index built")
        await connection.close()
    assert {case: ratio for case, ratio in ratios.items() if not 0.75 <= ratio <= 1.25} == {}


@pytest.mark.parametrize(
    "columns", [["part", "price"], ["part", "supplier", "price"], ["part", "rate", "price", "line", "supplier"]]
)
async def test_a_number_in_a_covering_index_is_as_wide_as_most_of_its_values(
    postgres_url: str, columns: list[str]
) -> None:
    """The statistics say 8 bytes of what takes 7 or 9, and nine is padded to the next eight."""
    async with database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "create table lines as select i as line, i * 7 % 4000 as part, i % 200 as supplier,"
            "  (900 + i * 31 % 90000)::numeric(15, 2) + 0.25 as price, (i % 11)::numeric(15, 2) / 100 as rate"
            " from generate_series(1, 100000) i; analyze lines"
        )
        facts = (await facts_of(connection))["public", "lines"]
        keys, include = columns[:1], columns[1:]
        modelled = btree_bytes(facts.rows, [facts.column(keys[0])], [facts.column(name) for name in include])
        await connection.execute(f"create index built on lines ({keys[0]}) include ({', '.join(include)})")
        built = await connection.fetchval("select pg_relation_size('built')")
        await connection.close()
    assert 0.9 < modelled / built < 1.1


async def test_a_sample_is_of_all_partitions_and_reads_no_more_than_it_needs(postgres_url: str) -> None:
    async with database(postgres_url, "pg_trgm") as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SHAPES)
        tables = await facts_of(connection)
        candidates = [inverted("parted", "tags", None), inverted("events", "payload", None)]
        for sample in (await sample_items(connection, candidates, tables)).values():
            assert 9_000 < sample.rows < 11_000
        await connection.close()


async def test_what_may_not_be_read_is_not_sampled(postgres_url: str) -> None:
    async with database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("create table t (tags int[]); insert into t values ('{1}'); analyze t")
        await connection.execute("drop role if exists backstay_reads_nothing; create role backstay_reads_nothing")
        tables = await facts_of(connection)
        await connection.execute("set role backstay_reads_nothing")
        assert await sample_items(connection, [inverted("t", "tags", None)], tables) == {}
        await connection.execute("reset role; drop role backstay_reads_nothing")
        await connection.close()


@pytest.mark.parametrize("keys", [("part", "supplier"), ("supplier", "part"), ("part", "supplier", "day")])
async def test_columns_that_depend_on_each_other_are_counted_together(
    postgres_url: str, keys: tuple[str, ...]
) -> None:
    """Each part has four suppliers: as if the two were independent, every pair would be unique."""
    async with database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "create table lines as select part, part % 50 + i % 4 * 50 as supplier, i % 4 as day, i from"
            " (select abs(hashint4(i)) % 20000 as part, i from generate_series(1, 600000) i) as i; analyze lines"
        )
        facts = (await facts_of(connection))["public", "lines"]
        index = Index("lines", keys)
        candidate = Candidate(index=index, table=("public", "lines"), subjects=keys, size_bytes=0)
        counted = await counted_combinations(connection, facts, [candidate])
        together = counted[frozenset(keys)]
        modelled = btree_bytes(facts.rows, [facts.column(key) for key in keys], together=together)
        await connection.execute(f"create index built on lines ({', '.join(keys)})")
        built = await connection.fetchval("select pg_relation_size('built')")
        await connection.close()
    assert 0.85 < modelled / built < 1.15


async def test_a_table_that_may_not_be_read_is_not_counted(postgres_url: str) -> None:
    async with database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "create table secret as select i % 9 as a, i % 7 as b from generate_series(1, 999) i"
        )
        await connection.execute("analyze secret")
        facts = (await facts_of(connection))["public", "secret"]
        candidate = Candidate(
            index=Index("secret", ("a", "b")), table=("public", "secret"), subjects=("a", "b"), size_bytes=0
        )
        assert await counted_shares(connection, facts, ["a < b"]) == {"a < b": pytest.approx(1 / 3, abs=0.05)}
        name = f"stranger_{uuid.uuid4().hex[:8]}"
        await connection.execute(f"create role {name}; set role {name}")
        assert await counted_combinations(connection, facts, [candidate]) == {}
        assert await counted_shares(connection, facts, ["a < b"]) == {}
        await connection.execute(f"reset role; drop role {name}")
        await connection.close()


@pytest.mark.parametrize("rows", [1.3, 2.7, 6.0])
async def test_values_that_rows_have_by_chance_are_counted_and_not_guessed(postgres_url: str, rows: float) -> None:
    """Of these ANALYZE finds a fifth too few, and the index takes a tenth more than with so few."""
    async with database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            f"create table drawn as select abs(hashint8extended(i, 7)) % {int(250_000 / rows)} as a,"
            "  case when i % 3 > 0 then i end as id from generate_series(1, 250000) i; analyze drawn"
        )
        facts = (await facts_of(connection))["public", "drawn"]
        for name in ("a", "id"):  # NULLs are no value
            candidate = Candidate(
                index=Index("drawn", name), table=("public", "drawn"), subjects=(name,), size_bytes=0
            )
            counted = await counted_combinations(connection, facts, [candidate])
            modelled = btree_bytes(facts.rows, [facts.column(name)], together=counted.get(frozenset([name])))
            await connection.execute(f"create index built on drawn ({name})")
            built = await connection.fetchval("select pg_relation_size('built')")
            await connection.execute("drop index built")
            assert 0.95 < modelled / built < 1.05
        await connection.close()


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("lower(email)", "text"),
        ("qty::numeric * unit", "numeric"),
        ("at::date", "date"),
        ("date_trunc('hour', at)", "timestamp without time zone"),
        ("doc ->> 'k'", "text"),
        ("coalesce(nullif(qty, 5), 0)", "integer"),
        ("id % 3", "integer"),
    ],
)
async def test_an_index_over_an_expression_is_as_large_as_modelled(
    postgres_url: str, expression: str, kind: str
) -> None:
    async with database(postgres_url) as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            "create table facts as select i as id, 'User' || i || '@shop.org' as email, 1 + i * 71 % 100 as qty,"
            "  (i * 929 % 100000)::numeric(10, 2) / 100 as unit, jsonb_build_object('k', 'R' || i % 4000) as doc,"
            "  timestamp '2026-01-01' + (i::bigint * 48271 % 9000000) * interval '1 second' as at"
            " from generate_series(1, 100000) i; analyze facts"
        )
        facts = (await facts_of(connection))["public", "facts"]
        fact = (await measured_expressions(connection, facts, [expression, "no_such(id)"]))[expression]
        assert fact.type == kind
        modelled = btree_bytes(facts.rows, [fact])
        await connection.execute(f"create index built on facts (({expression}))")
        built = await connection.fetchval("select pg_relation_size('built')")
        await connection.close()
    assert 0.9 < modelled / built < 1.1
