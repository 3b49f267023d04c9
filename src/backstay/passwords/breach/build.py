"""Builds a `BreachDatabase` from range files.

One pass, constant memory, and resumable after an interruption.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from backstay.errors import BreachDataError, ConfigError

from .database import HEADER, MAGIC, RANGES, DatabaseInfo

_SYNC_EVERY: Final = 4_096
_SUFFIX = re.compile(r"([0-9A-Fa-f]{35}):(\d{1,12})")
_WHOLE = re.compile(r"([0-9A-Fa-f]{40}):(\d{1,12})")


def build(
    source: Path, out: Path, *, min_count: int = 1, progress: Callable[[int, int], None] | None = None
) -> DatabaseInfo:
    """Write a database from the official data.

    Args:
        source: a directory of 1,048,576 range files (``00000.txt`` …), or one file of sorted
        ``SHA1:count`` lines, as
            the official downloader writes them.
        out: the database. ``out.partial`` and ``out.index`` hold what is done; an interrupted build goes
        on there.
        min_count: leave out what was seen less often.
        progress: called with ranges done and their total, every 4,096 ranges.

    Raises:
        BreachDataError: a missing range, a malformed line (named by file and number), or lines out of order.
        ConfigError: a minimum below 1, or a partial build with another one.
    """
    if min_count < 1 or sys.byteorder != "little":
        raise ConfigError("min_count is at least 1; databases are built on little-endian machines")
    partial, index_file = _beside(out, ".partial"), _beside(out, ".index")
    done, entries = _resume(partial, index_file, min_count)
    ranges = _from_directory(source, done) if source.is_dir() else _from_file(source, done)
    with partial.open("r+b") as prints, index_file.open("r+b") as index:
        prints.seek(HEADER.size + 4 * entries)
        index.seek(8 * done)
        for place, rows in enumerate(ranges, start=done):
            kept = array("I", [value for value, count in rows if count >= min_count])
            index.write(struct.pack("<Q", entries))
            kept.tofile(prints)
            entries += len(kept)
            if (place + 1) % _SYNC_EVERY == 0:
                _sync(prints, index)
                if progress is not None:
                    progress(place + 1, RANGES)
        index.write(struct.pack("<Q", entries))
    return _finish(partial, index_file, out, min_count, entries)


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(out.name + suffix)


def _sync(prints: object, index: object) -> None:
    for file in (prints, index):
        file.flush()  # type: ignore[attr-defined]
        os.fsync(file.fileno())  # type: ignore[attr-defined]


def _resume(partial: Path, index_file: Path, min_count: int) -> tuple[int, int]:
    """How many ranges are done and how many entries they have, with both files cut to just that."""
    head = _head(partial) if partial.exists() and index_file.exists() else b""
    if len(head) < HEADER.size:
        partial.write_bytes(HEADER.pack(MAGIC, min_count, 0, 0))
        index_file.write_bytes(b"")
        return 0, 0
    if HEADER.unpack(head)[1] != min_count:
        raise ConfigError(f"{partial.name} was begun with another minimum count: remove it to start anew")
    begun = array("Q")
    begun.frombytes(index_file.read_bytes()[: 8 * RANGES][: index_file.stat().st_size // 8 * 8])
    # The last range may be half written, and a machine that died may have kept the index and lost fingerprints
    # before it: go back to a range that begins within what is there.
    written = max(0, partial.stat().st_size - HEADER.size) // 4
    done = max(0, min(len(begun), bisect_right(begun, written)) - 1)
    return done, begun[done] if begun else 0


def _head(partial: Path) -> bytes:
    with partial.open("rb") as file:
        return file.read(HEADER.size)


def _finish(partial: Path, index_file: Path, out: Path, min_count: int, entries: int) -> DatabaseInfo:
    with partial.open("r+b") as file:
        file.truncate(HEADER.size + 4 * entries)
        file.write(HEADER.pack(MAGIC, min_count, 0, entries))
        file.seek(0, os.SEEK_END)
        with index_file.open("rb") as index:
            file.write(index.read(8 * (RANGES + 1)))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(out)
    index_file.unlink()
    return DatabaseInfo(entries=entries, min_count=min_count, size_bytes=out.stat().st_size)


def _from_directory(source: Path, start: int) -> Iterator[list[tuple[int, int]]]:
    for place in range(start, RANGES):
        path = source / f"{place:05X}.txt"
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as exc:
            raise BreachDataError(f"the range file {path.name} is missing or unreadable") from exc
        yield _sorted_rows(_rows(text.splitlines(), path.name), path.name)


def _rows(lines: list[str], name: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            match = _SUFFIX.fullmatch(line.strip().lstrip("\ufeff"))
            if match is None:
                raise BreachDataError(f"{name}, line {number}: not a hash suffix and a count")
            yield match[1].upper(), int(match[2])


def _sorted_rows(rows: Iterator[tuple[str, int]], name: str) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    previous = ""
    for suffix, count in rows:
        if suffix <= previous:
            raise BreachDataError(f"{name}: hashes are not in ascending order")
        previous = suffix
        kept.append((int(suffix[:8], 16), count))
    return kept


def _from_file(source: Path, start: int) -> Iterator[list[tuple[int, int]]]:
    place = 0
    for prefix, rows in groupby(_lines(source), key=lambda row: row[0][:5]):
        wanted = int(prefix, 16)
        if wanted < place:
            raise BreachDataError(f"{source.name}: hashes are not in ascending order")
        for empty in range(place, wanted):
            if empty >= start:
                yield []
        if wanted >= start:
            yield _sorted_rows(((digest[5:], count) for digest, count in rows), source.name)
        place = wanted + 1
    for empty in range(place, RANGES):
        if empty >= start:
            yield []


def _lines(source: Path) -> Iterator[tuple[str, int]]:
    try:
        with source.open(encoding="ascii") as file:
            for number, line in enumerate(file, start=1):
                match = _WHOLE.fullmatch(line.strip())
                if match is None:
                    raise BreachDataError(f"{source.name}, line {number}: not a SHA-1 and a count")
                yield match[1].upper(), int(match[2])
    except (OSError, UnicodeDecodeError) as exc:
        raise BreachDataError(f"{source.name} is missing or unreadable") from exc
