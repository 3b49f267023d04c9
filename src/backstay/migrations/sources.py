"""Where migrations come from: directories and packages of ``.sql`` and ``.py`` files.

``0007_add_email.sql`` is a migration, ``0007_add_email.down.sql`` undoes it, ``R__totals.sql`` is repeatable:
it runs again whenever it changes. A Python file has ``async def up(db)`` and, if it can be undone, ``down``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from backstay.errors import InvalidMigration

from .files import Migration, Script

_NAME: Final = re.compile(r"(\d+(?:\.\d+)*)(?:[_-]+.+)?")
_REPEATABLE: Final = re.compile(r"R_{1,2}.+")
_DEFINES_DOWN: Final = re.compile(rb"^async def down\(", re.MULTILINE)
_DIGEST_FORMAT: Final = "1"
"""Counted up when the same files come to mean something else."""


class Source(Protocol):
    """A set of migrations with one numbering. Not promised: any order."""

    @property
    def name(self) -> str:
        """What stands before the colon in the ids of its migrations; empty for none."""
        ...

    @property
    def after(self) -> Sequence[str]:
        """Sources whose migrations all come before those of this one."""
        ...

    def load(self) -> Iterable[Migration]:
        """Read them. Raises InvalidMigration."""
        ...


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """The files of one directory; its subdirectories are not read."""

    path: Path | str
    name: str = ""
    after: Sequence[str] = ()

    def load(self) -> Iterable[Migration]:
        """Read every migration. A missing directory is an error, an empty one is not."""
        # Not pathlib: a thousand files are read at every start, and this is what that costs.
        where = os.fspath(self.path)
        try:
            names = os.listdir(where)  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise InvalidMigration(f"{where}: no such directory of migrations") from exc
        files = {name: _read(f"{where}/{name}") for name in names if _may_be_migration(name)}
        return read_migrations(files, source=self.name, where=where)


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The files that an installed package carries: ``PackageSource("auth_lib.migrations")``."""

    package: str
    name: str = ""
    after: Sequence[str] = ()

    def load(self) -> Iterable[Migration]:
        """Read every migration of the package."""
        from importlib.resources import files as package_files

        try:
            root = package_files(self.package)
        except ModuleNotFoundError as exc:
            raise InvalidMigration(f"{self.package}: no such package of migrations") from exc
        files = {entry.name: entry.read_bytes() for entry in root.iterdir() if _may_be_migration(entry.name)}
        return read_migrations(files, source=self.name, where=self.package)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A source whose migrations were read. Implements `Source`."""

    name: str
    after: Sequence[str]
    migrations: tuple[Migration, ...]

    @classmethod
    def from_source(cls, source: Source) -> Loaded:
        """Read a source. Raises InvalidMigration."""
        return cls(source.name, tuple(source.after), tuple(source.load()))

    def load(self) -> Iterable[Migration]:
        """What was read."""
        return self.migrations


def digest(sources: Iterable[Loaded], *options: object) -> str:
    """SHA-256, in hex, over every byte of every script, and over what else decides what is pending."""
    whole = hashlib.sha256(repr((_DIGEST_FORMAT, *options)).encode())
    for source in sources:
        whole.update(repr((source.name, source.after, len(source.migrations))).encode())
        for migration in sorted(source.migrations, key=lambda migration: migration.id):
            for script in (migration.up, migration.down):
                data = b"" if script is None else script.data
                whole.update(f"{migration.id} {len(data)} ".encode())
                whole.update(data)
    return whole.hexdigest()


def read_migrations(files: Mapping[str, bytes], *, source: str, where: str) -> Iterator[Migration]:
    """The migrations among some files. What has no number and no ``R__`` is not one, and is left alone.

    Raises:
        InvalidMigration: a down script without its up script, or one name twice.
    """
    stems: dict[str, str] = {}
    for name in sorted(files):
        stem = name.rpartition(".")[0].removesuffix(".up")
        if stem.endswith(".down") or not (_NAME.fullmatch(stem) or _REPEATABLE.fullmatch(stem)):
            continue
        if stem in stems:
            raise InvalidMigration(f"{where}: {stems[stem]} and {name} are the same migration twice; keep one")
        stems[stem] = name
    for name in files:
        if name.endswith(".down.sql") and name[0] in _DIGITS and name.removesuffix(".down.sql") not in stems:
            raise InvalidMigration(f"{where}/{name}: a down script without {name.removesuffix('.down.sql')}.sql")
    for stem, name in stems.items():
        script = Script(files[name], name=f"{where}/{name}")
        undone_by = f"{stem}.down.sql"
        down = Script(files[undone_by], name=f"{where}/{undone_by}") if undone_by in files else None
        yield _migration(stem, script, down, source=source)


def _migration(stem: str, up: Script, down: Script | None, *, source: str) -> Migration:
    if down is None and up.is_python and _DEFINES_DOWN.search(up.data):
        down = up
    named = _NAME.fullmatch(stem)
    return Migration(
        id=f"{source}:{stem}" if source else stem,
        source=source,
        version=tuple(map(int, named[1].split("."))) if named else (),
        up=up,
        down=down,
        repeatable=named is None or up.directives.repeatable,
    )


_DIGITS: Final = frozenset("0123456789")


def _may_be_migration(name: str) -> bool:
    return (name[0] in _DIGITS or name.startswith("R_")) and name.endswith((".sql", ".py"))


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()
