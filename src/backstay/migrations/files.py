"""One migration and its scripts: what they say, what they ask for, and what tells that they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from backstay.errors import InvalidMigration

from .directives import Directives, read_directives

# What reads SQL is imported where it is first needed: a start that finds nothing to do reads none.
if TYPE_CHECKING:
    from .splitting import Statement

_MAX_BYTES: Final = 64 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_NO_DIRECTIVES: Final = Directives()


class Script:
    """One script as it stands in its file. What is dear to compute is computed when it is first asked for."""

    def __init__(self, data: bytes, *, name: str) -> None:
        """`name` is what errors call it: a path, most often."""
        if len(data) > _MAX_BYTES:
            raise InvalidMigration(f"{name}: {len(data)} bytes; a migration has at most {_MAX_BYTES}")
        self.data = data
        self.name = name
        self.load: Callable[[Any], Callable[[Any], Awaitable[object]]] | None = None
        """For scripts that are no plain files: makes the Python step for a direction."""
        self._in_transaction: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"Script({self.name!r})"

    @property
    def is_python(self) -> bool:
        """Whether it is Python rather than SQL."""
        return self.name.endswith(".py")

    @cached_property
    def text(self) -> str:
        """The text, without a byte-order mark. Line ends stay as they are."""
        try:
            return self.data.removeprefix(_BOM).decode()
        except UnicodeDecodeError as exc:
            raise InvalidMigration(f"{self.name}: byte {exc.start} is not UTF-8; save the file as UTF-8") from exc

    @cached_property
    def raw_checksum(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def directives(self) -> Directives:
        """What the header comments ask for."""
        if b"backstay:" not in self.data[:8192]:
            return _NO_DIRECTIVES
        return read_directives(self.text, name=self.name, comment="#" if self.is_python else "--")

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The statements of an SQL script; none of a Python one.

        Raises:
            InvalidMigration: with line and column, see `split`.
        """
        if self.is_python:
            return ()
        from .lexer import SqlTextError, locate
        from .splitting import split

        try:
            return tuple(split(self.text))
        except SqlTextError as exc:
            line, column = locate(self.text, exc.offset)
            raise InvalidMigration(f"{self.name}:{line}:{column}: {exc}") from exc

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """A digest per statement, over its tokens: white space, comments and line ends do not count.

        Inside a string literal every character counts. Inside a dollar-quoted one, which is most often the
        body of a function, a line end counts as one whichever way it is written.
        """
        if self.is_python:
            lines = (line.rstrip() for line in self.text.splitlines())
            return (_digest("\n".join(lines).strip("\n")),)
        return tuple(_digest(_canonical(statement)) for statement in self.statements)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over the digests, in hex: changes exactly when what is run changes."""
        return hashlib.sha256(",".join(self.digests).encode()).hexdigest()

    def in_transaction(self, dialect: str = "postgresql") -> bool:
        """Whether the script can run as one transaction: not declared, and not seen, to be unable to.

        Raises:
            InvalidMigration: it begins or ends transactions itself.
        """
        if dialect not in self._in_transaction:
            self._in_transaction[dialect] = self._can_be_transaction(dialect)
        return self._in_transaction[dialect]

    def _can_be_transaction(self, dialect: str) -> bool:
        from .statements import controls_transaction, runs_outside_transaction

        for statement in self.statements:
            if controls_transaction(statement):
                raise InvalidMigration(
                    f"{self.name}:{statement.line}:{statement.column}: {statement.text[:40]!r} takes the "
                    "transaction out of the runner's hands; leave it out (or declare '-- "
                    "backstay: no-transaction')"
                )
        if self.directives.no_transaction or (self.is_python and b"autocommit_block" in self.data):
            return False
        return not any(runs_outside_transaction(one, dialect=dialect) for one in self.statements)


def _canonical(statement: Statement) -> str:
    from .lexer import Kind

    return "\x1f".join(
        token.text.replace("\r\n", "\n").replace("\r", "\n") if token.kind is Kind.DOLLAR else token.text
        for token in statement.tokens
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration. `id` is its file's name without the ending, after ``source:`` if that has a name."""

    id: str
    source: str
    version: tuple[int, ...]
    """Its number, part by part; empty for a repeatable migration."""
    up: Script
    down: Script | None = None
    repeatable: bool = False

    @property
    def directives(self) -> Directives:
        """What the header of the up script asks for."""
        return self.up.directives

    @property
    def reversible(self) -> bool:
        """Whether there is something to undo it with."""
        return self.down is not None


def changed_statements(script: Script, digests: str) -> str:
    """In words, which statements differ from the ones whose digests were recorded."""
    before, after = digests.split(",") if digests else [], script.digests
    if script.is_python or not before:
        return "its text changed"
    changed = [i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b]
    words = [f"statement {i + 1} (line {script.statements[i].line}) changed" for i in changed[:5]]
    if len(after) != len(before):
        words.append(f"it has {len(after)} statements and had {len(before)}")
    return ", ".join(words) or "its text changed"
