"""A schema as text: every object with its definition, as the database itself puts it. Pure.

Two databases with equal snapshots behave alike. Left out: data, owners and privileges, comments, storage
parameters, and the order of columns. Written to a file and kept beside the migrations, a snapshot shows in review
what a migration does, and `backstay.migrations.drift` finds what was done to a database behind its files' back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from backstay.errors import InvalidMigration

OWN_TABLES: Final = ("backstay_*", "alembic_version")
"""Tables of migration tools, as patterns: no part of the schema that the migrations describe."""
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object of a schema."""

    kind: str
    """``table``, ``column``, ``constraint``, ``index``, ``view``, ``function``, ``type`` and so on."""
    name: str
    """As it stands in SQL, with its table where it has one."""
    relation: str
    """The table or view that it is, or that it belongs to; empty for none."""
    definition: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The objects of a schema, by what they are called."""

    dialect: str
    server: str
    """The server's major version: from one to the next it may put the body of a view differently."""
    items: Mapping[str, Item] = field(default_factory=dict[str, Item])

    @classmethod
    def of(cls, items: Iterable[Item], *, dialect: str, server: str) -> Snapshot:
        """A snapshot of some items, in an order that depends on their names alone."""
        return cls(dialect=dialect, server=server, items={str(item): item for item in sorted(items, key=str)})

    def without(self, relations: Collection[str]) -> Snapshot:
        """The same without the tables and views of these names (``*`` stands for anything), and all of theirs."""
        kept = [item for item in self.items.values() if not any(_fits(item.relation, one) for one in relations)]
        return Snapshot.of(kept, dialect=self.dialect, server=self.server)

    def dumps(self) -> str:
        """As JSON, one object a line, so that a diff of two files reads well."""
        items = [[item.kind, item.name, item.relation, item.definition] for item in self.items.values()]
        lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in items)
        head = json.dumps({"format": _FORMAT, "dialect": self.dialect, "server": self.server})
        return f'{head[:-1]}, "items": [\n{lines}\n]}}\n'

    @classmethod
    def loads(cls, text: str, *, name: str = "snapshot") -> Snapshot:
        """What `dumps` wrote. Raises InvalidMigration, which calls it `name`, if it is not that."""
        try:
            read: dict[str, Any] = json.loads(text)
            if read["format"] != _FORMAT:
                raise InvalidMigration(
                    f"{name}: a snapshot of format {read['format']}, this backstay reads {_FORMAT}"
                )
            items = [Item(kind=k, name=n, relation=r, definition=d) for k, n, r, d in read["items"]]
            return cls.of(items, dialect=read["dialect"], server=read["server"])
        except (ValueError, KeyError, TypeError) as exc:
            raise InvalidMigration(
                f"{name}: no snapshot of a schema; write it with `migrate verify --write`"
            ) from exc

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Read a file that holds what `dumps` wrote."""
        return cls.loads(path.read_text("utf-8"), name=str(path))


def _fits(relation: str, pattern: str) -> bool:
    bare = relation.rpartition(".")[2].strip('"')
    return bool(relation) and (fnmatchcase(relation, pattern) or fnmatchcase(bare, pattern))
