"""Breached passwords in one local file, built from the official range files.

Why not a Bloom or fuse filter: SHA-1 is uniform and the range files are sorted, so sorted 32-bit
fingerprints per
range can be written in one pass without memory, and read by every worker from the same pages. At 10^9
entries this
takes 4 bytes each (binary fuse16: 2.3) and is wrong for one clear password in four million (fuse16: in
65,000).

The file, little-endian: a header; the fingerprints; an index of 2^20 + 1 places where each range starts.
"""

from __future__ import annotations

import mmap
import struct
import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from backstay.errors import BreachDataError
from backstay.secret import Secret

from .protocol import CLEAR, BreachChecker, BreachOutcome
from .ranges import sha1_of

MAGIC: Final = b"BSTBRDB1"
RANGES: Final = 1 << 20
HEADER: Final = struct.Struct("<8sIIQ8x")
"""Magic, minimum count, reserved, entries."""

_HIT = BreachOutcome(state="breached", count=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseInfo:
    """What a database file says of itself."""

    entries: int
    min_count: int
    size_bytes: int

    @property
    def false_positives(self) -> float:
        """The share of clear passwords that are taken for breached."""
        return self.entries / RANGES / 2**32


class BreachDatabase:
    """The offline check, over a memory-mapped file. Takes a few microseconds and no I/O once pages are warm.

    Raises:
        BreachDataError: no such file, not a database, or a truncated one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as exc:
            raise BreachDataError(f"the breach database {path.name} is missing or empty: build it first") from exc
        self.info = self._read_header()
        whole = memoryview(self._map)
        index_at = HEADER.size + 4 * self.info.entries
        # The index is copied (8 MiB): it is touched by every query, and its bytes may be unaligned.
        self._index = array("Q", whole[index_at:].tobytes())
        self._prints = whole[HEADER.size : index_at].cast("I")
        if sys.byteorder != "little":
            raise BreachDataError("breach databases are read on little-endian machines only")
        if self._index[0] != 0 or self._index[-1] != self.info.entries:
            self.close()
            raise BreachDataError(f"the index of the breach database {path.name} is damaged: build it anew")

    def _read_header(self) -> DatabaseInfo:
        size = len(self._map)
        if size >= HEADER.size:
            magic, min_count, _, entries = HEADER.unpack_from(self._map)
            if magic == MAGIC and size == HEADER.size + 4 * entries + 8 * (RANGES + 1):
                return DatabaseInfo(entries=entries, min_count=min_count, size_bytes=size)
        self._map.close()
        raise BreachDataError(f"{self._path.name} is no breach database, or a truncated one: build it anew")

    async def look_up(self, password: Secret, /) -> BreachOutcome:
        """Whether the password is among the breached. Never ``unknown``."""
        try:
            return _HIT if self.contains(sha1_of(password)) else CLEAR
        except BreachDataError as exc:
            # Without the frames, which hold the hash of the password.
            raise exc.with_traceback(None) from None

    def contains(self, sha1: str) -> bool:
        """Whether a SHA-1, in hexadecimal, is in the database."""
        start, end = self._bounds(int(sha1[:5], 16))
        wanted = int(sha1[5:13], 16)
        at = bisect_left(self._prints, wanted, start, end)
        return at < end and self._prints[at] == wanted

    def _bounds(self, place: int) -> tuple[int, int]:
        start, end = self._index[place], self._index[place + 1]
        if not start <= end <= self.info.entries:
            raise BreachDataError(f"the index of {self._path.name} is damaged: build it anew")
        return start, end

    def verify(self) -> None:
        """Read everything once. Takes about a minute for 10^9 entries.

        Raises:
            BreachDataError: a range is out of order.
        """
        for place in range(RANGES):
            start, end = self._bounds(place)
            prints = self._prints[start:end].tolist()
            if prints != sorted(prints):
                raise BreachDataError(f"range {place:05X} of {self._path.name} is damaged: build it anew")

    def close(self) -> None:
        """Unmap the file."""
        self._prints.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


_: type[BreachChecker] = BreachDatabase
