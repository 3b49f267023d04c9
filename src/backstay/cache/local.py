"""The local tier's memory: decoded values in this process, bounded by entries and by bytes.

Two queues, as in S3-FIFO (Yang et al., SOSP 2023): what is new waits in the small one and goes on to the main
one only if it was used there, so that a scan passes through without washing out what is hot. Keys that were
pushed out are remembered for a while by their hash; one that comes back goes straight to the main queue. Unlike
S3-FIFO's fixed tenth, the share of the small queue follows what comes back (the idea of ARC and CAR, Bansal and
Modha, FAST 2004), but only what comes back *soon* after it went: that is what a little more room would have kept.
Drifting working sets make it grow, loops and scans leave it alone. ``benchmarks/cache/bench_hit_ratio.py`` has
the figures.

Nothing here waits, reads a clock or takes a lock: who shares a tier between threads has a lock of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from backstay.errors import ConfigError

OVERHEAD: Final = 250
"""Bytes that an entry costs beside key and value: the object, and its slots in dict and queue (CPython 3.11)."""

LARGEST_SHARE: Final = 8
"""A value may take one part in this many of the tier; a larger one would drive out too much."""

MAX_MARKS: Final = 4096
"""Most dropped keys that are remembered one by one; beyond, tickets older than the oldest are refused."""

_FIRST_SHARE: Final = 0.3
_LEAST_SHARE: Final = 0.01
_SOON: Final = 0.2  # a key was pushed out too early if its queue has lost at most this share of the entries since
_STEP: Final = 1 / 2500
_LEAST_STEP: Final = 4


class LocalEntry:
    """A decoded value and what decides whether it may be served. Mutable on purpose: a hit sets `used`."""

    __slots__ = (
        "checked", "codec", "counts", "epoch", "main", "plain_until", "size", "tags", "until", "used", "value",
    )  # fmt: skip

    codec: Any
    """What decoded the value. This and the two below are set by whoever admits it: nothing here looks at them."""
    counts: Any
    """Where its hits are counted."""
    plain_until: float
    """`until`, where who asks without options may be served the value as it is; else 0."""

    def __init__(
        self, value: Any, *, size: int, until: float, epoch: int, checked: int, tags: tuple[str, ...], main: bool
    ) -> None:
        self.value = value
        self.until = until
        self.plain_until = 0.0
        """Monotonic seconds up to which it may be served."""
        self.epoch = epoch
        """The epoch of the scope log at which its computation began."""
        self.checked = checked
        """The epoch of the scope log at which it was last judged."""
        self.tags = tags
        self.size = size
        self.used = False
        """Whether there was a hit since the queues last looked."""
        self.main = main


class LocalTier:
    """Entries by key. The hit path reads `entries` itself: ``entry = tier.entries.get(key)``.

    Whether an entry may be served is not decided here. Not promised: that what was admitted stays; that an
    admitted entry is still there when `admit` returns.
    """

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        """Bounds: entries, and bytes of keys and values with `OVERHEAD` for each.

        Raises:
            ConfigError: a bound is below 1.
        """
        if min(max_entries, max_bytes) < 1:
            raise ConfigError("the bounds of a local tier are at least 1")
        self.entries: dict[str, LocalEntry] = {}
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        # OrderedDict: taking the oldest out of a dict again and again walks over all the holes before it.
        self._small: OrderedDict[str, LocalEntry] = OrderedDict()
        self._main: OrderedDict[str, LocalEntry] = OrderedDict()
        self._small_bytes = 0
        self._share = _FIRST_SHARE
        self._small_losses = 0
        self._left_small: OrderedDict[int, int] = OrderedDict()
        self._left_main: OrderedDict[int, int] = OrderedDict()
        self._drops = 0
        self._dropped: OrderedDict[int, int] = OrderedDict()
        self._floor = 0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def bytes(self) -> int:
        """The bytes that the entries take, with `OVERHEAD` for each."""
        return self._bytes

    def ticket(self) -> int:
        """Take this when a read leaves, and give it to `admit` with what the read brought."""
        return self._drops

    def admit(
        self,
        key: str,
        value: Any,
        *,
        size: int,
        until: float,
        epoch: int,
        checked: int,
        tags: tuple[str, ...],
        ticket: int | None,
    ) -> LocalEntry | None:
        """Keep a value of `size` bytes, and push out others for it. None if it is not kept.

        It is refused if the key was dropped (or all was cleared) since the ticket was taken; `MAX_MARKS` other
        drops since then refuse it as well, to be safe. It is also refused if it is too large, see
        `LARGEST_SHARE`: what was there under the key is gone then, because it is older.
        """
        if ticket is not None and ticket < self._dropped.get(hash(key), self._floor):
            return None
        weight = size + key.__sizeof__() + OVERHEAD
        old = self._take(key)
        if weight > max(1, self._max_bytes // LARGEST_SHARE):
            return None
        main = old.main if old is not None else self._came_back(hash(key))
        entry = LocalEntry(value, size=weight, until=until, epoch=epoch, checked=checked, tags=tags, main=main)
        entry.used = old is not None and old.used
        self._put(key, entry)
        while len(self.entries) > self._max_entries or self._bytes > self._max_bytes:
            self._make_room()
        return self.entries.get(key)

    def drop(self, key: str) -> bool:
        """Forget the key, and refuse what reads bring that left before now. Whether it was there."""
        self._drops += 1
        mark = hash(key)
        self._dropped[mark] = self._drops
        self._dropped.move_to_end(mark)
        if len(self._dropped) > MAX_MARKS:
            self._floor = self._dropped.popitem(last=False)[1]
        return self._take(key) is not None

    def clear(self) -> None:
        """Forget everything, and refuse what reads bring that left before now."""
        self._drops += 1
        self._floor = self._drops
        self._dropped.clear()
        self.entries.clear()
        self._small.clear()
        self._main.clear()
        self._bytes = self._small_bytes = 0

    def _put(self, key: str, entry: LocalEntry) -> None:
        self.entries[key] = entry
        self._bytes += entry.size
        if entry.main:
            self._main[key] = entry
        else:
            self._small[key] = entry
            self._small_bytes += entry.size

    def _take(self, key: str) -> LocalEntry | None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
            if entry.main:
                del self._main[key]
            else:
                del self._small[key]
                self._small_bytes -= entry.size
        return entry

    def _came_back(self, mark: int) -> bool:
        """Whether the key was pushed out not long ago; if very lately, the queue that lost it grows a step."""
        held = len(self.entries) + 1
        step = max(_LEAST_STEP / held, _STEP)
        left = self._left_small.pop(mark, None)
        if left is not None:
            if self._small_losses - left <= held * _SOON:
                self._share = min(1.0, self._share + step)
        elif self._left_main.pop(mark, None) is not None:
            self._share = max(_LEAST_SHARE, self._share - step)
        else:
            return False
        return True

    def _make_room(self) -> None:
        """Take the oldest of one queue: out, or once more to the main queue's end if it was used."""
        from_small = self._small_is_due()
        key, entry = next(iter((self._small if from_small else self._main).items()))
        self._take(key)
        if entry.used:
            entry.used = False
            entry.main = True
            self._put(key, entry)
        elif from_small:
            self._small_losses += 1
            self._remember(self._left_small, key, len(self.entries))
        else:
            # Only the latest of these teach anything, so that no longer memory is needed.
            self._remember(self._left_main, key, len(self.entries) * _SOON)

    def _remember(self, left: OrderedDict[int, int], key: str, most: float) -> None:
        left[hash(key)] = self._small_losses
        while len(left) > most:
            left.popitem(last=False)

    def _small_is_due(self) -> bool:
        if not self._main or not self._small:
            return not self._main
        if len(self.entries) > self._max_entries:
            return len(self._small) >= self._share * self._max_entries
        return self._small_bytes >= self._share * self._max_bytes
