"""Sizes modelled over sizes built, index by index, on the application's database.

    python benchmarks/indexes/bench_sizes.py [url] [--quick]

Uses the database that ``bench_app.py --keep`` leaves, or makes one and drops it.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import asyncpg
from bench_app import URL, Bench

from backstay.indexes import Index, Key
from backstay.indexes.candidates import Candidate
from backstay.indexes.inverted import gin_bytes
from backstay.indexes.postgres.items import sample_items
from backstay.indexes.sizes import TableFacts, brin_bytes, btree_bytes, read_tables
from backstay.indexes.statements import statement

BTREES = (
    "users(email)",
    "users(username)",
    "users(created_at)",
    "users(lower(email))",
    "users(status)",
    "sessions(token_hash)",
    "sessions(user_id)",
    "sessions(expires_at)",
    "assets(symbol)",
    "assets(kind,rank)",
    "prices(asset_id)",
    "prices(asset_id,day)",
    "prices(day)",
    "orders(user_id)",
    "orders(status)",
    "orders(user_id,created_at)",
    "orders(asset_id,created_at)",
    "orders(total)",
    "orders(created_at)",
    "orders(asset_id)",
    "orders(status,created_at)",
    "events(order_id)",
    "events(order_id,at)",
    "events(user_id,type)",
    "events(type)",
    "events(type,user_id)",
    "events(user_id)",
    "events(at)",
    "notifications(user_id)",
    "notifications(user_id,is_read)",
    "notifications(user_id,created_at)",
)


def modelled(tables: dict[str, TableFacts], definition: str) -> float:
    table, _, rest = definition.partition("(")
    keys = [rest[:-1]] if "(" in rest else rest[:-1].split(",")
    return btree_bytes(tables[table].rows, [tables[table].column(key) for key in keys])


async def built(connection: asyncpg.Connection, definition: str) -> int:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"create index measured on {definition}")
        size: int = await connection.fetchval("select pg_relation_size('measured')")
    finally:
        await transaction.rollback()
    return size


async def main(server: str, *, quick: bool) -> dict[str, float]:
    bench = Bench(server)
    made = not await bench.exists()
    if made:
        await bench.create(quick=quick)
    try:
        return await ratios(bench)
    finally:
        await bench.drop(base=made)


async def ratios(bench: Bench) -> dict[str, float]:
    connection = await asyncpg.connect(bench.base)
    rows = await connection.fetch(statement("tables"))
    tables = {facts.name: facts for facts in read_tables(rows).values()}
    found = {name: modelled(tables, name) / await built(connection, name) for name in BTREES}
    events, payload = tables["events"], tables["events"].column("payload")
    gin = await built(connection, "events using gin (payload jsonb_path_ops)")
    index = Index("events", Key(column="payload", opclass="jsonb_path_ops"), method="gin")
    inverted = Candidate(index=index, table=("public", "events"), subjects=("payload",), size_bytes=0)
    samples = await sample_items(connection, [inverted], {inverted.table: events})
    sample = samples[inverted.table, index.keys[0]]
    found["gin events(payload)"] = gin_bytes(events.rows, events.pages, payload, sample=sample) / gin
    brin = await built(connection, "events using brin (at)")
    found["brin events(at)"] = brin_bytes(events.pages, [events.column("at")]) / brin
    await connection.close()
    return {name: round(ratio, 2) for name, ratio in found.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", nargs="?", default=URL)
    parser.add_argument("--quick", action="store_true", help="a smoke run: a twentieth of the rows")
    given = parser.parse_known_args()[0]
    print(json.dumps(asyncio.run(main(given.server, quick=given.quick)), indent=2))
