"""What is known of a database before the search for indexes begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import asyncpg

from backstay.errors import WorkloadError
from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.foreign import ForeignKey
from backstay.indexes.plans import Access, PlanFacts, Table
from backstay.indexes.predicates import as_compared, as_sampled, own_comparisons
from backstay.indexes.sizes import TableFacts, read_tables
from backstay.indexes.statements import statement

from .connect import Connection
from .counted import counted_shares
from .definitions import read_catalog
from .expressions import measured_expressions
from .health import read_foreign_keys
from .whatif import WhatIf, has_extension


@dataclass(slots=True, kw_only=True)
class Survey:
    """The tables, the queries' plans, and what may be asked of the server."""

    tables: dict[Table, TableFacts]
    roots: dict[Table, Table]
    leaves: dict[Table, list[Table]]
    existing: tuple[CatalogIndex, ...]
    foreign_keys: tuple[ForeignKey, ...]
    has_trigram: bool
    has_hypopg: bool
    plans: dict[str, PlanFacts] = field(default_factory=dict[str, PlanFacts])
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def read_plans(self, what_if: WhatIf, names: Iterable[str]) -> None:
        """Note the plan of each query, or why it has none."""
        for name in names:
            try:
                plan = await what_if.facts(name)
            except (asyncpg.PostgresError, WorkloadError) as exc:
                self.skipped.append((name, str(exc)))
                continue
            for access in plan.accesses:
                facts = self.tables.get((access.schema, access.table))
                if facts is not None:
                    terms = [as_compared(term, facts) for term in access.terms]
                    access.terms = [as_sampled(term, what_if.queries[name].samples) for term in terms]
            self.plans[name] = plan
        await self._count_own(what_if.connection)
        if self.has_hypopg:  # which tells what is immutable
            await self._measure_expressions(what_if)

    async def _count_own(self, connection: Connection) -> None:
        """Count how many rows meet the conditions that compare their own columns."""
        for table, conditions in self._asked(lambda access: own_comparisons(access.terms)).items():
            shares = await counted_shares(connection, self.tables[table], conditions)
            self.tables[table] = replace(self.tables[table], shares=shares)

    async def _measure_expressions(self, what_if: WhatIf) -> None:
        """Count what the expressions are like that rows are found or sorted by."""
        for table, expressions in self._asked(lambda access: access.expressions).items():
            lasting = [each for each in expressions if await what_if.is_immutable(table, each)]
            measured = await measured_expressions(what_if.connection, self.tables[table], lasting)
            self.tables[table] = replace(self.tables[table], expressions=measured)

    def _asked(self, of: Callable[[Access], Iterable[str]]) -> dict[Table, list[str]]:
        """Something of every access of all plans, each once, by the table that is known of."""
        asked: dict[Table, dict[str, None]] = {}
        for plan in self.plans.values():
            for access in plan.accesses:
                table = self.roots.get((access.schema, access.table), (access.schema, access.table))
                if table in self.tables:
                    asked.setdefault(table, {}).update(dict.fromkeys(of(access)))
        return {table: list(texts) for table, texts in asked.items()}


async def survey_of(connection: Connection) -> Survey:
    """Read the catalogue and the statistics."""
    tables = read_tables(await connection.fetch(statement("tables")))
    roots: dict[Table, Table] = {}
    leaves: dict[Table, list[Table]] = {}
    for row in await connection.fetch(statement("partition_roots")):
        root, member = (row["root_schema"], row["root_name"]), (row["schema_name"], row["table_name"])
        roots[member] = root
        if row["is_leaf"]:
            leaves.setdefault(root, []).append(member)
    return Survey(
        tables={(facts.schema, facts.name): facts for facts in tables.values()},
        roots=roots,
        leaves=leaves,
        existing=await read_catalog(connection),
        foreign_keys=await read_foreign_keys(connection),
        has_trigram=await has_extension(connection, "pg_trgm"),
        has_hypopg=await has_extension(connection, "hypopg"),
    )
