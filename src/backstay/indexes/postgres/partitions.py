"""An index on a partitioned table without blocking its writers.

The server refuses ``CONCURRENTLY`` on the parent. So: an empty, still invalid index on the parent only (a
moment of SHARE on it), a concurrent build on each partition, and each of those attached. The parent turns
valid by itself with the last one; every step can be found done and is then passed over.
"""

from __future__ import annotations

import asyncpg

from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.declared import Index
from backstay.indexes.protocol import Comparison, Status
from backstay.indexes.statements import statement

from .builder import Builder, BuildRefused, qualified
from .definitions import read_diff


async def build_partitioned(builder: Builder, wanted: Index, table_oid: int, schema: str) -> int:
    """Build on a partitioned table and all below it. Returns the most attempts any step took."""
    parent = await _parent_index(builder, wanted, schema)
    attempts = 1
    for row in await builder.connection.fetch(statement("partitions"), table_oid):
        if row["is_foreign"]:
            continue
        name = None if wanted.name is None else f"{wanted.name[:40]}_{row['table_oid']}"
        child = Index(
            row["table_name"],
            wanted.keys,
            include=wanted.include,
            where=wanted.where,
            method=wanted.method,
            unique=wanted.unique,
            nulls_not_distinct=wanted.nulls_not_distinct,
            options=wanted.options,
            name=name,
            schema=row["schema_name"],
        )
        if row["is_partitioned"]:
            attempts = max(attempts, await build_partitioned(builder, child, row["table_oid"], row["schema_name"]))
        else:
            attempts = max(attempts, await _build_leaf(builder, child))
        await _attach(builder, child, parent)
    return attempts


async def _compare(builder: Builder, wanted: Index) -> Comparison:
    return (await read_diff(builder.connection, [wanted])).comparisons[0]


async def _parent_index(builder: Builder, wanted: Index, schema: str) -> CatalogIndex:
    comparison = await _compare(builder, wanted)
    if comparison.found is None:
        await builder.create(wanted, schema, only=True)
        comparison = await _compare(builder, wanted)
    if comparison.found is None or comparison.status is Status.CONFLICT:
        raise BuildRefused(f"{wanted.effective_name} exists with another definition", attempts=0)
    return comparison.found


async def _build_leaf(builder: Builder, wanted: Index) -> int:
    comparison = await _compare(builder, wanted)
    schema = wanted.schema or "public"
    if comparison.satisfied:
        return 1
    if comparison.status is Status.CONFLICT:
        raise BuildRefused(f"{wanted.effective_name} exists with another definition", attempts=0)
    if comparison.status is Status.INVALID and comparison.found is not None:
        await builder.drop_leftover(schema, comparison.found.name, wanted.table)
    return await builder.create(wanted, schema)


async def _attach(builder: Builder, child: Index, parent: CatalogIndex) -> None:
    found = (await _compare(builder, child)).found
    if found is None:
        raise BuildRefused(f"{child.effective_name} vanished before it could be attached", attempts=1)
    if found.parent is not None:
        return
    attach = (
        f"alter index {qualified(parent.schema, parent.name)} "
        f"attach partition {qualified(found.schema, found.name)}"
    )
    try:
        await builder.execute(attach, child, 0.8)
    except asyncpg.PostgresError as exc:
        raise BuildRefused(f"{found.qualified} could not be attached: {exc}", attempts=1) from exc
