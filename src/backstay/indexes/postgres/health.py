"""Reads what `judge` looks at, from the primary and from the replicas it was given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from backstay.indexes.catalog import CatalogIndex
from backstay.indexes.health import ForeignKey, HealthInput, HealthReport, IndexUse, judge
from backstay.indexes.sizes import read_tables
from backstay.indexes.statements import statement

from .connect import Connection, connect_dsn, translated
from .definitions import read_catalog


async def read_health(
    connection: Connection, now: datetime, min_stats_age: timedelta, replicas: Sequence[str]
) -> HealthReport:
    """Judge every index of the user's tables, counting the scans of the replicas as well."""
    indexes = await read_catalog(connection)
    ages = [await _age(connection, now)]
    scans: dict[str, int] = {}
    for replica in replicas:
        with translated("reading a replica"):
            async with connect_dsn(replica)() as standby:
                ages.append(await _age(standby, now))
                for row in await standby.fetch(statement("scans")):
                    scans[row["name"]] = scans.get(row["name"], 0) + row["scans"]
    known = [age for age in ages if age is not None]
    facts = HealthInput(
        uses=await _uses(connection, indexes, scans),
        foreign_keys=await read_foreign_keys(connection),
        tables=read_tables(await connection.fetch(statement("tables"))),
        stats_age=min(known) if len(known) == len(ages) else None,
        min_stats_age=min_stats_age,
        replicas=len(replicas),
    )
    return judge(facts)


async def _age(connection: Connection, now: datetime) -> timedelta | None:
    row = await connection.fetchrow(statement("statistics_age"))
    since = row["since"] if row else None
    if row and since is None and row["may_look"]:
        since = await connection.fetchval(statement("database_age"))
    return None if since is None else now - since


async def _uses(
    connection: Connection, indexes: Sequence[CatalogIndex], replica_scans: dict[str, int]
) -> tuple[IndexUse, ...]:
    counted = {row["index_oid"]: row for row in await connection.fetch(statement("usage"))}
    uses: list[IndexUse] = []
    for index in indexes:
        row = counted.get(index.oid)
        elsewhere = replica_scans.get(f"{index.schema}.{index.table}.{index.name}", 0)
        if row is None:
            uses.append(IndexUse(index=index, scans=elsewhere))
            continue
        uses.append(
            IndexUse(
                index=index,
                scans=row["scans"] + elsewhere,
                index_rows=row["index_rows"],
                table_rows=row["table_rows"],
                heap_pages=row["heap_pages"],
                inserted=row["inserted"],
                updated=row["updated"],
                hot_updated=row["hot_updated"],
                deleted=row["deleted"],
            )
        )
    return tuple(uses)


async def read_foreign_keys(connection: Connection) -> tuple[ForeignKey, ...]:
    """The foreign keys of the user's tables."""
    return tuple(
        ForeignKey(
            schema=row["schema_name"],
            table=row["table_name"],
            name=row["name"],
            columns=tuple(row["columns"]),
            referenced=row["referenced"],
            partitioned=row["is_partitioned"],
        )
        for row in await connection.fetch(statement("foreign_keys"))
    )
