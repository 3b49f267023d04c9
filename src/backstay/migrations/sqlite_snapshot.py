"""The snapshot of an SQLite database, from its pragmas. CHECK constraints have none, and are not told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from .lexer import Kind, tokenize
from .quoting import quoted
from .snapshot import Item, Snapshot


def read_snapshot(connection: sqlite3.Connection) -> Snapshot:
    """Every table, view, index and trigger."""
    objects = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    )
    items = [item for row in objects.fetchall() for item in _items(connection, *row)]
    server = ".".join(sqlite3.sqlite_version.split(".")[:1])
    return Snapshot.of(items, dialect="sqlite", server=server)


def _items(connection: sqlite3.Connection, kind: str, name: str, table: str, sql: str | None) -> Iterator[Item]:
    if kind == "table":
        yield Item(kind=kind, name=name, relation=name, definition=_options(sql or ""))
        yield from _columns(connection, name)
        yield from _keys(connection, name)
    elif sql is not None:
        yield Item(kind=kind, name=name, relation=table, definition=_canonical(sql))


def _options(sql: str) -> str:
    words = [token.upper for token in tokenize(sql)]
    after = words[len(words) - words[::-1].index("") :] if "" in words else words
    return " ".join(["table", *(word for word in after if word in ("STRICT", "WITHOUT", "ROWID"))])


def _columns(connection: sqlite3.Connection, table: str) -> Iterator[Item]:
    for row in connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall():
        _, name, kind, required, default, key, hidden = row
        words = [kind.upper(), "not null" if required else "", f"default {default}" if default is not None else ""]
        words += [f"primary key {key}" if key else "", "generated" if hidden > 1 else ""]
        yield Item(kind="column", name=f"{table}.{name}", relation=table, definition=" ".join(filter(None, words)))


def _keys(connection: sqlite3.Connection, table: str) -> Iterator[Item]:
    """Foreign keys and UNIQUE constraints, which have no names here and are called by what they say."""
    said: list[str] = []
    parts: dict[int, list[tuple[str, str | None]]] = {}
    rows = connection.execute(f"PRAGMA foreign_key_list({quoted(table)})").fetchall()
    for number, _, _, here, there, *_ in rows:
        parts.setdefault(number, []).append((here, there))
    for number, _, target, _, _, on_update, on_delete, _ in {row[0]: row for row in rows}.values():
        columns = ", ".join(here for here, _ in parts[number])
        targets = ", ".join(there or "its key" for _, there in parts[number])
        said.append(f"foreign key ({columns}) references {target} ({targets}) {on_update} {on_delete}")
    for _, index, unique, origin, _ in connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
        if unique and origin == "u":
            names = [row[2] for row in connection.execute(f"PRAGMA index_info({quoted(index)})").fetchall()]
            said.append(f"unique ({', '.join(names)})")
    for one in said:
        yield Item(kind="constraint", name=f"{one} on {table}", relation=table, definition=one)


def _canonical(sql: str) -> str:
    tokens = [token for token in tokenize(sql) if token.kind is not Kind.COMMENT]
    return " ".join(token.text.strip('"') if token.kind is Kind.QUOTED else token.text for token in tokens)
