"""What stands in documents, arrays and texts, counted by the server in a sample of rows: no value leaves it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg

from backstay.indexes.candidates import Candidate
from backstay.indexes.declared import Key, quote_identifier
from backstay.indexes.inverted import ItemKind, ItemSample
from backstay.indexes.sizes import TableFacts

from .connect import Connection
from .sample import sampled

_HASHED = ("jsonb_path_ops", "gin_trgm_ops")  # keep four bytes of an item, however long it is
_VARYING = 2.0  # bytes that say how long an item is, and of what type
_SCALARS = """
select top.key, s::text
from jsonb_each(case jsonb_typeof({0}) when 'object' then {0} else jsonb_build_object('', {0}) end) as top,
    jsonb_path_query(top.value, 'strict $.**') as s
where jsonb_typeof(s) not in ('object', 'array')
"""
_JSON_KEYS = """
select '', k::text from jsonb_path_query({0}, 'strict $.** ? (@.type() == "object").keyvalue().key') as k
"""
_ITEMS = {
    "jsonb_path_ops": _SCALARS,
    "jsonb": _SCALARS + "union" + _JSON_KEYS,
    "gin_trgm_ops": "select '', unnest(show_trgm({0}))",
    "tsvector": "select '', unnest(tsvector_to_array({0}))",
    "array": "select distinct '', unnest({0})::text",
}
_COUNTED = """
with taken as materialized (
    select {subject} as value {sampled} and {subject} is not null
), seen as (
    select kind, count(*) as times, octet_length(i) as width
    from taken, lateral ({items}) as item (kind, i) group by kind, i
), counted as (
    select json_build_object('items', json_object_agg(times, items), 'width', sum(width) / sum(items)) as kind
    from (select kind, times, count(*) as items, sum(width) as width from seen group by kind, times) as s
    group by kind
)
select (select count(*) from taken) as rows, (select json_agg(kind) from counted) as kinds
"""


async def sample_items(
    connection: Connection, candidates: Iterable[Candidate], tables: Mapping[tuple[str, str], TableFacts]
) -> dict[tuple[tuple[str, str], Key], ItemSample]:
    """A sample for each GIN index that could have one. What cannot be read is left out, and its size guessed."""
    samples: dict[tuple[tuple[str, str], Key], ItemSample] = {}
    for candidate in candidates:
        items = _items_of(candidate, tables[candidate.table])
        if items is not None:
            try:
                row = await connection.fetchrow(_sql(candidate, tables[candidate.table], items))
            except asyncpg.PostgresError:
                continue
            if row is not None and row["kinds"] is not None:
                (key,) = candidate.index.keys
                kinds = _kinds_in(row["kinds"], hashed=key.opclass in _HASHED)
                samples[candidate.table, key] = ItemSample(rows=row["rows"], kinds=kinds)
    return samples


def _items_of(candidate: Candidate, facts: TableFacts) -> str | None:
    """The query for the items of one value."""
    (key,) = candidate.index.keys
    if key.opclass is not None:
        return _ITEMS.get(key.opclass)
    kind = facts.column(candidate.subjects[0]).type
    return _ITEMS.get("array" if kind.endswith("[]") else kind)


def _kinds_in(found: Any, *, hashed: bool) -> list[ItemKind]:
    kinds: list[dict[str, Any]] = json.loads(found) if isinstance(found, str) else found
    return [
        ItemKind(
            frequencies={int(times): items for times, items in kind["items"].items()},
            width=4.0 if hashed else float(kind["width"]) + _VARYING,
        )
        for kind in kinds
    ]


def _sql(candidate: Candidate, facts: TableFacts, items: str) -> str:
    (key,) = candidate.index.keys
    subject = quote_identifier(key.column) if key.column is not None else f"({key.expression})"
    return _COUNTED.format(subject=subject, sampled=sampled(facts), items=items.format("value"))
