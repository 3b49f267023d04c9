"""The local tier's memory: decoded values in this process, bounded by entries and by bytes.

Two queues in the order of last use. What is new waits in the small one; what was used there goes on to the main
one instead of out. Keys that were pushed out are remembered for a while by their hash, and what comes back teaches:

* How large the small queue's share is (the idea of ARC, Megiddo and Modha, FAST 2003). It begins with everything,
  and then the tier is LRU. A key that comes back soon after the small queue lost it would have been kept by a bit
  more room: the share grows. One that comes back late was not to be had by recency, and one that the main queue
  lost should have been protected: the share shrinks, and scans pass through what is left of it.
* Where it goes: into the main queue if that has room, or if it was used more lately than the oldest one there (the
  idea of LIRS, Jiang and Zhang, SIGMETRICS 2002). So a loop larger than the tier keeps the part of it that fits,
  and does not wash itself out.

A hit only notes its time: the queues are put in order when something has to go. The figures are those of
``benchmarks/cache/bench_hit_ratio.py``.

Nothing here waits, reads a clock or takes a lock: who shares a tier between threads has a lock of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Final, NamedTuple

from backstay.errors import ConfigError

OVERHEAD: Final = 300
"""Bytes that an entry costs beside key and value: the object, and its slots in dict and queue (CPython 3.11)."""

LARGEST_SHARE: Final = 8
"""A value may take one part in this many of the tier; a larger one would drive out too much."""

MAX_MARKS: Final = 4096
"""Most dropped keys that are remembered one by one; beyond, tickets older than the oldest are refused."""

_MOST_SHARE: Final = 1.1  # above 1: one key that comes back late does not end LRU
_LEAST_SHARE: Final = 0.01
_SOON: Final = 0.2  # a key was pushed out too early if its queue has lost at most this share of the entries since
_STEP: Final = 1 / 150
_LEAST_STEP: Final = 4
_LATE: Final = 0.05  # of a step: to come back late says less, and happens more often
_STALE: Final = 64  # places in a heap that may be out of date, beside as many as are not


class LocalEntry:
    """A decoded value and what decides whether it may be served. Mutable on purpose: a hit sets `used`."""

    __slots__ = (
        "checked", "codec", "counts", "epoch", "key", "main", "plain_until", "size", "tags", "until", "used",
        "value",
    )  # fmt: skip

    codec: Any
    """What decoded the value. This and the two below are set by whoever admits it: nothing here looks at them."""
    counts: Any
    """Where its hits are counted."""
    plain_until: float
    """`until`, where who asks without options may be served the value as it is; else 0."""

    def __init__(
        self,
        key: str,
        value: Any,
        *,
        size: int,
        until: float,
        epoch: int,
        checked: int,
        tags: tuple[str, ...],
        main: bool,
    ) -> None:
        self.key = key
        self.value = value
        self.until = until
        """Monotonic seconds up to which it may be served."""
        self.plain_until = 0.0
        self.epoch = epoch
        """The epoch of the scope log at which its computation began."""
        self.checked = checked
        """The epoch of the scope log at which it was last judged."""
        self.tags = tags
        self.size = size
        self.used = 0.0
        """Monotonic seconds of the last hit; 0 before the first."""
        self.main = main

    def __lt__(self, other: LocalEntry) -> bool:
        """Neither goes before the other: what stands in a heap at the same time may come out in any order."""
        return False


class _ByUse:
    """A queue of entries in the order of their last use, put right where it is looked at.

    What was used since it was put there is only found to be when it comes to the front, and what is in `entries` no
    more is only then left out. Its entries are all in the tier's `entries`.
    """

    __slots__ = ("_entries", "_heap", "bytes", "count")

    def __init__(self, entries: Mapping[str, LocalEntry]) -> None:
        self._entries = entries
        self._heap: list[tuple[float, LocalEntry]] = []
        self.count = 0
        self.bytes = 0

    def add(self, entry: LocalEntry, at: float) -> None:
        """Put in an entry that was last used, or admitted, at a time."""
        self.count += 1
        self.bytes += entry.size
        heappush(self._heap, (at, entry))
        if len(self._heap) > 2 * self.count + _STALE:
            self._heap = [(at, each) for at, each in self._heap if self._entries.get(each.key) is each]
            heapify(self._heap)

    def discount(self, entry: LocalEntry) -> None:
        """An entry of this queue is no longer among `entries`."""
        self.count -= 1
        self.bytes -= entry.size

    def oldest(self) -> tuple[float, LocalEntry]:
        """What was used longest ago, and when. There must be something."""
        heap = self._heap
        while True:
            at, entry = heap[0]
            if self._entries.get(entry.key) is not entry:
                heappop(heap)
            elif entry.used > at:
                heapreplace(heap, (entry.used, entry))
            else:
                return at, entry

    def pop(self) -> tuple[float, LocalEntry]:
        """Take out the oldest."""
        found = self.oldest()
        heappop(self._heap)
        self.discount(found[1])
        return found

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self.count = self.bytes = 0


class _Left(NamedTuple):
    """What is remembered of a key that was pushed out."""

    losses: int
    """How many the small queue had lost by then."""
    used: float
    """When it was last used, or admitted."""


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
        self._small = _ByUse(self.entries)
        self._main = _ByUse(self.entries)
        self._share = _MOST_SHARE
        self._small_losses = 0
        self._left_small: OrderedDict[int, _Left] = OrderedDict()
        self._left_main: OrderedDict[int, _Left] = OrderedDict()
        self._drops = 0
        self._dropped: OrderedDict[int, int] = OrderedDict()
        self._floor = 0

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def bytes(self) -> int:
        """The bytes that the entries take, with `OVERHEAD` for each."""
        return self._small.bytes + self._main.bytes

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
        now: float,
    ) -> LocalEntry | None:
        """Keep a value of `size` bytes, and push out others for it. None if it is not kept. `now` is in seconds.

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
        entry = LocalEntry(key, value, size=weight, until=until, epoch=epoch, checked=checked, tags=tags, main=main)
        if old is not None:
            entry.used = old.used
        self.entries[key] = entry
        (self._main if main else self._small).add(entry, now)
        while len(self.entries) > self._max_entries or self.bytes > self._max_bytes:
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

    def _take(self, key: str) -> LocalEntry | None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            (self._main if entry.main else self._small).discount(entry)
        return entry

    def _came_back(self, mark: int) -> bool:
        """Whether a key was pushed out not long ago and belongs into the main queue; the share follows."""
        held = len(self.entries) + 1
        step = max(_LEAST_STEP / held, _STEP)
        left = self._left_small.pop(mark, None)
        if left is None:
            left, change = self._left_main.pop(mark, None), -step
        else:
            change = step if self._small_losses - left.losses <= held * _SOON else -step * _LATE
        if left is None:
            return False
        self._share = min(_MOST_SHARE, max(_LEAST_SHARE, self._share + change))
        return self._main_has_room() or left.used > self._main.oldest()[0]

    def _main_has_room(self) -> bool:
        share = 1.0 - self._share
        if not self._main.count:
            return True
        if len(self.entries) >= self._max_entries:
            return self._main.count < share * self._max_entries
        return self._main.bytes < share * self._max_bytes

    def _make_room(self) -> None:
        """Take the oldest of one queue: out, or from the small queue to the main one if it was used."""
        from_small = self._small_is_due()
        at, entry = (self._small if from_small else self._main).pop()
        if from_small and entry.used:
            entry.main = True
            self._main.add(entry, at)
            return
        del self.entries[entry.key]
        if from_small:
            self._small_losses += 1
            self._remember(self._left_small, entry.key, at, len(self.entries))
        else:
            # Only the latest of these teach anything, so that no longer memory is needed.
            self._remember(self._left_main, entry.key, at, len(self.entries) * _SOON)

    def _remember(self, left: OrderedDict[int, _Left], key: str, used: float, most: float) -> None:
        left[hash(key)] = _Left(self._small_losses, used)
        while len(left) > most:
            left.popitem(last=False)

    def _small_is_due(self) -> bool:
        """Whether the small queue has its share. If not, what was used longest ago goes, wherever it is."""
        small, main = self._small, self._main
        if not main.count or not small.count:
            return not main.count
        if len(self.entries) > self._max_entries:
            due = small.count >= self._share * self._max_entries
        else:
            due = small.bytes >= self._share * self._max_bytes
        return due or small.oldest()[0] < main.oldest()[0]
