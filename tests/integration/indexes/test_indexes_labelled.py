"""Each labelled case put to the advisor on a real PostgreSQL with HypoPG."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import anyio
import asyncpg
import pytest

from backstay.indexes import AdviceLimits, PostgresIndexAdvisor, Query, Workload

from . import labelled_cases, labelled_joins, labelled_operators
from .labelled import Case

pytestmark = pytest.mark.postgres


_UNSEEN = """
select exists (select from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
  and (relpages = 0 or relallvisible < relpages))
"""


async def _create(server: str, name: str, schema: str) -> str:
    admin = await asyncpg.connect(server)
    try:
        available = {row["name"] for row in await admin.fetch("select name from pg_available_extensions")}
        if "hypopg" not in available:
            assert "hypopg" not in os.environ.get("BACKSTAY_REQUIRE", ""), "BACKSTAY_REQUIRE names hypopg"
            pytest.skip("this server does not have hypopg")
        await admin.execute(f"create database {name}")
        # A sample as large as the tables, whoever analyses them: the same estimates at every run.
        await admin.execute(f"alter database {name} set default_statistics_target = 1000")
    finally:
        await admin.close()
    url = f"{server.rpartition('/')[0]}/{name}"
    connection = await asyncpg.connect(url)
    await connection.execute(schema)
    await _make_visible(connection)
    await connection.execute("analyze")
    await connection.close()
    return url


async def _make_visible(connection: Any) -> None:
    """Vacuum until every page is known to be visible, or covering indexes are priced as if they covered nothing.

    One VACUUM may not do: an autovacuum worker that looked at this database while the tables were being filled
    still sees them as they were, and until it ends their pages cannot be marked.
    """
    with anyio.fail_after(120):
        while await connection.fetchval(_UNSEEN):
            await connection.execute("vacuum")


async def _drop(server: str, name: str) -> None:
    admin = await asyncpg.connect(server)
    await admin.execute(f"drop database if exists {name} with (force)")
    await admin.close()


def _database(server: str, schema: str) -> Iterator[str]:
    name = f"labelled_{uuid.uuid4().hex[:12]}"
    try:
        yield anyio.run(_create, server, name, schema)
    finally:
        anyio.run(_drop, server, name)


@pytest.fixture(scope="module")
def labelled_url(postgres_url: str) -> Iterator[str]:
    yield from _database(postgres_url, labelled_cases.SCHEMA)


@pytest.fixture(scope="module")
def joins_url(postgres_url: str) -> Iterator[str]:
    yield from _database(postgres_url, labelled_joins.SCHEMA)


@pytest.fixture(scope="module")
def operators_url(postgres_url: str) -> Iterator[str]:
    yield from _database(postgres_url, labelled_operators.SCHEMA)


async def _advice(url: str, case: Case) -> frozenset[str]:
    samples = case.samples or [()] * len(case.sql)
    asked = zip(case.sql, samples, strict=True)
    workload = Workload(queries=tuple(Query(sql=sql, calls=calls, samples=sets) for (sql, calls), sets in asked))
    limits = AdviceLimits(budget_bytes=case.budget, max_indexes=case.most)
    plan = await PostgresIndexAdvisor.from_dsn(url).recommend(workload, limits=limits)
    assert not plan.skipped
    return frozenset(
        f"{index.table} {index.body_sql()}".replace('"', "").replace("using ", "") for index in plan.indexes
    )


def test_there_are_169_cases() -> None:
    assert len(labelled_cases.CASES) == len({case.name for case in labelled_cases.CASES}) == 169


@pytest.mark.parametrize("case", labelled_cases.CASES, ids=lambda case: case.name)
def test_the_advice_is_the_label(labelled_url: str, case: Case) -> None:
    assert anyio.run(_advice, labelled_url, case) in case.accepted


def test_there_are_65_cases_of_joins() -> None:
    assert len(labelled_joins.CASES) == len({case.name for case in labelled_joins.CASES}) == 65


@pytest.mark.parametrize("case", labelled_joins.CASES, ids=lambda case: case.name)
def test_the_advice_for_a_join_is_the_label(joins_url: str, case: Case) -> None:
    assert anyio.run(_advice, joins_url, case) in case.accepted


def test_there_are_21_cases_of_operators() -> None:
    assert len(labelled_operators.CASES) == len({case.name for case in labelled_operators.CASES}) == 21


@pytest.mark.parametrize("case", labelled_operators.CASES, ids=lambda case: case.name)
def test_the_advice_for_an_operator_is_the_label(operators_url: str, case: Case) -> None:
    assert anyio.run(_advice, operators_url, case) in case.accepted
