"""An index on a partitioned table without blocking its writers.

The server refuses ``CONCURRENTLY`` on the parent. So: an empty, still invalid index on the parent only (a
moment of SHARE on it), a concurrent build on each partition, and each of those attached. The parent turns
valid by itself with the last one; every step can be found done and is then passed over.
"""

from __future__ import annotations

import hashlib

import asyncpg

from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.declared import Index
from backstay.indexes.protocol import Status
from backstay.indexes.statements import statement

from .builder import Builder, BuildRefused, qualified

_NAME_BYTES = 40  # of 63: the rest is for a table's number


async def build_partitioned(builder: Builder, wanted: Index, table_oid: int, schema: str) -> int:
    """Build on a partitioned table and all below it. Returns the most attempts any step took."""
    if await builder.connection.fetchval(statement("partition_foreign"), table_oid):
        return await _build_beside_foreign(builder, wanted, table_oid, schema)
    parent = await _parent_index(builder, wanted, schema)
    attempts = 1
    for row in await builder.connection.fetch(statement("partitions"), table_oid):
        child = _part(wanted, row)
        if row["is_partitioned"]:
            attempts = max(attempts, await build_partitioned(builder, child, row["table_oid"], row["schema_name"]))
        else:
            attempts = max(attempts, await _build_leaf(builder, child))
        await _attach(builder, child, parent)
    return attempts


async def _build_beside_foreign(builder: Builder, wanted: Index, table_oid: int, schema: str) -> int:
    """With a foreign table among the partitions a parent without parts would stay invalid for ever.

    The server counts that partition and waits for its part. So the parts that can be are built first, each by
    itself, and then the parent over all of them: it takes them as they are, and leaves the foreign ones out.
    """
    if wanted.unique:
        reason = f"{wanted.table} has a foreign table among its partitions, whose rows no unique index can guard"
        raise BuildRefused(reason, attempts=0)
    comparison = await builder.compare(wanted)
    if comparison.status is Status.CONFLICT:
        raise BuildRefused(f"{wanted.effective_name} exists with another definition", attempts=0)
    if comparison.found is not None:
        await builder.clear(schema, comparison.found.name, wanted)
    attempts = await _build_parts(builder, wanted, table_oid)
    return max(attempts, await builder.create(wanted, schema, gathering=True))


async def _build_parts(builder: Builder, wanted: Index, table_oid: int) -> int:
    attempts = 1
    for row in await builder.connection.fetch(statement("partitions"), table_oid):
        child = _part(wanted, row)
        if row["is_partitioned"]:
            attempts = max(attempts, await _build_parts(builder, child, row["table_oid"]))
        elif not row["is_foreign"]:
            attempts = max(attempts, await _build_leaf(builder, child))
    return attempts


def _part(wanted: Index, row: asyncpg.Record) -> Index:
    return Index(
        row["table_name"],
        wanted.keys,
        include=wanted.include,
        where=wanted.where,
        method=wanted.method,
        unique=wanted.unique,
        nulls_not_distinct=wanted.nulls_not_distinct,
        options=wanted.options,
        name=None if wanted.name is None else part_name(wanted.name, row["table_oid"]),
        schema=row["schema_name"],
    )


def part_name(name: str, table_oid: int) -> str:
    """The name of a partition's part of a named index; what does not fit is told apart by a digest."""
    if len(name.encode()) > _NAME_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()[:6]
        name = f"{name.encode()[: _NAME_BYTES - 7].decode(errors='ignore')}_{digest}"
    return f"{name}_{table_oid}"


async def _parent_index(builder: Builder, wanted: Index, schema: str) -> CatalogIndex:
    comparison = await builder.compare(wanted)
    if comparison.found is None:
        await builder.create(wanted, schema, only=True)
        comparison = await builder.compare(wanted)
    if comparison.found is None or comparison.status is Status.CONFLICT:
        raise BuildRefused(f"{wanted.effective_name} exists with another definition", attempts=0)
    return comparison.found


async def _build_leaf(builder: Builder, wanted: Index) -> int:
    comparison = await builder.compare(wanted)
    schema = wanted.schema or "public"
    if comparison.satisfied:
        return 1
    if comparison.status is Status.CONFLICT:
        raise BuildRefused(f"{wanted.effective_name} exists with another definition", attempts=0)
    if comparison.status is Status.INVALID and comparison.found is not None:
        if comparison.found.parent is not None:
            return await _rebuild_part(builder, comparison.found, comparison.found.parent)
        await builder.drop_leftover(schema, comparison.found.name, wanted)
    return await builder.create(wanted, schema)


async def _rebuild_part(builder: Builder, part: CatalogIndex, parent: int) -> int:
    """Make a part valid that was attached as it was, and let the server see that the parent may be valid now."""
    name = qualified(part.schema, part.name)
    try:
        sql = f"reindex index concurrently {name}"
        await builder.execute(sql, part.name, part.table, builder.options.lock_timeout)
        whole = await builder.connection.fetchval("select $1::oid::regclass::text", parent)
        await builder.execute(f"alter index {whole} attach partition {name}", part.name, part.table, 0.8)
    except asyncpg.PostgresError as exc:
        reason = f"the invalid part {name} could not be rebuilt: {exc}; it waited for {builder.names()}"
        raise BuildRefused(reason, attempts=1, blockers=builder.waiting_for) from exc
    return 1


async def _attach(builder: Builder, child: Index, parent: CatalogIndex) -> None:
    found = (await builder.compare(child)).found
    if found is None:
        raise BuildRefused(f"{child.effective_name} vanished before it could be attached", attempts=1)
    if found.parent is not None:
        return
    attach = (
        f"alter index {qualified(parent.schema, parent.name)} "
        f"attach partition {qualified(found.schema, found.name)}"
    )
    try:
        await builder.execute(attach, child.effective_name, child.table, 0.8)
    except asyncpg.PostgresError as exc:
        reason = f"{found.qualified} could not be attached: {exc}; it waited for {builder.names()}"
        raise BuildRefused(reason, attempts=1, blockers=builder.waiting_for) from exc
