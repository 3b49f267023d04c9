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
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Protocol, cast

from backstay.errors import InvalidMigration

from .files import Migration, Script

_NAME: Final = re.compile(r"(\d+(?:\.\d+)*)(?:[_-]+.+)?")
_REPEATABLE: Final = re.compile(r"R_{1,2}.+")
_DEFINES_DOWN: Final = re.compile(rb"^async def down\(", re.MULTILINE)
_DIGEST_FORMAT: Final = "2"
"""Counted up when the same files come to mean something else."""
_BLOCK: Final = 1 << 20


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

    @property
    def where(self) -> str:
        """The directory, for errors."""
        return os.fspath(self.path)

    def files(self) -> Mapping[str, bytes]:
        """The files. A missing directory is an error, an empty one is not."""
        # Not pathlib: a thousand files are read at every start, and this is what that costs.
        where = self.where
        try:
            names = os.listdir(where)  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise InvalidMigration(f"{where}: no such directory of migrations") from exc
        return {name: _read(f"{where}/{name}") for name in names if _may_be_migration(name)}

    def load(self) -> Iterable[Migration]:
        """Read every migration."""
        return read_migrations(self.files(), source=self.name, where=self.where)


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The files that an installed package carries: ``PackageSource("auth_lib.migrations")``."""

    package: str
    name: str = ""
    after: Sequence[str] = ()

    @property
    def where(self) -> str:
        """The package, for errors."""
        return self.package

    def files(self) -> Mapping[str, bytes]:
        """The files."""
        from importlib.resources import files as package_files

        try:
            root = package_files(self.package)
        except ModuleNotFoundError as exc:
            raise InvalidMigration(f"{self.package}: no such package of migrations") from exc
        return {entry.name: entry.read_bytes() for entry in root.iterdir() if _may_be_migration(entry.name)}

    def load(self) -> Iterable[Migration]:
        """Read every migration."""
        return read_migrations(self.files(), source=self.name, where=self.where)


class Loaded:
    """A source that was read, once. Implements `Source`.

    Its files are read at once, and looked into only when somebody wants the migrations in them: most starts want
    to know no more than that every byte is as it was.
    """

    def __init__(self, source: Source) -> None:
        """Read a source. Raises InvalidMigration."""
        self.name = source.name
        self.after = tuple(source.after)
        self._load = source.load
        self._files: Mapping[str, bytes] | None = None
        # Exactly these: what is derived from them may load otherwise.
        if type(source) in {DirectorySource, PackageSource}:
            of_files = cast("DirectorySource | PackageSource", source)
            self._files = files = of_files.files()
            self._load = partial(read_migrations, files, source=self.name, where=of_files.where)

    @cached_property
    def migrations(self) -> tuple[Migration, ...]:
        """The migrations. Raises InvalidMigration."""
        return tuple(self._load())

    def load(self) -> Iterable[Migration]:
        """What was read."""
        return self.migrations

    def contents(self) -> Mapping[str, bytes]:
        """All that decides what the migrations are, by name."""
        if self._files is not None:
            return self._files
        scripts = ((migration.id, migration.up, migration.down) for migration in self.migrations)
        return {
            f"{name} {way}": script.data for name, *both in scripts for way, script in enumerate(both) if script
        }


def digest(sources: Iterable[Loaded], *options: object) -> str:
    """SHA-256, in hex, over every byte of every script, and over what else decides what is pending."""
    whole = hashlib.sha256(repr((_DIGEST_FORMAT, *options)).encode())
    for source in sources:
        contents = source.contents()
        whole.update(repr((source.name, source.after, len(contents))).encode())
        for name in sorted(contents):
            whole.update(b"%b\0%d\0" % (name.encode("utf-8", "surrogateescape"), len(contents[name])))
            whole.update(contents[name])
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
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return b"".join(iter(partial(os.read, file, _BLOCK), b""))
    finally:
        os.close(file)
