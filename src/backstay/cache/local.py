"""The local tier's store: S3-FIFO, bounded by entries and by bytes, with tickets against late arrivals (pure).

S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson: "FIFO queues are all you need for cache eviction", SOSP 2023) keeps a
small queue for newcomers, a main queue for what was used again, and the names of what was lately evicted. A hit
only raises a small counter, so whoever serves one needs no call: look into `entries` and raise `uses`.

A *ticket* is drawn when a read leaves. If the key is dropped before the answer is put in, the ticket is void: an
answer that was under way while somebody else wrote is never kept.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Final

MOST_USES: Final = 3
"""Beyond this many, uses are not counted: the counter only has to tell rare from frequent."""

_SMALL_SHARE: Final = 0.1  # the paper's
_OVERHEAD: Final = 400  # bytes of an entry beside its value: object, dict slot, queue place (CPython 3.11)


class LocalEntry:
    """One kept value."""

    __slots__ = ("checked", "codec", "counts", "epoch", "key", "plain", "size", "tags", "until", "uses", "value")

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
        codec: Any = None,
        counts: Any = None,
        plain: bool = True,
    ) -> None:
        self.key = key
        self.value = value
        self.size = size + _OVERHEAD
        self.until = until
        """Monotonic seconds until which it may be served."""
        self.epoch = epoch
        """The newest epoch known when its computation began."""
        self.checked = checked
        """The epoch of the log at which it was last judged."""
        self.tags = tags
        self.codec = codec
        self.counts = counts
        self.plain = plain
        """Whether who asks without options is served the value as it is."""
        self.uses = 0


class LocalTier:
    """Entries under keys. Not thread-safe: whoever shares it between threads locks."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self.entries: dict[str, LocalEntry] = {}
        """For look-ups. Entries come and go by the methods only."""
        self.bytes = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        # Queues hold entries and not keys: one that was dropped is skipped when its turn comes.
        self._small: deque[LocalEntry] = deque()
        self._main: deque[LocalEntry] = deque()
        self._small_bytes = 0
        self._ghosts: OrderedDict[str, None] = OrderedDict()
        self._drops = 0
        self._dropped: OrderedDict[str, int] = OrderedDict()
        self._void_before = 0

    def __len__(self) -> int:
        return len(self.entries)

    def ticket(self) -> int:
        """Drawn when a read leaves; handed in with what it brought."""
        return self._drops

    def admit(self, entry: LocalEntry, ticket: int) -> bool:
        """Keep an entry, unless its key was dropped since the ticket was drawn, or it would not fit at all."""
        key = entry.key
        if ticket < self._void_before or self._dropped.get(key, 0) > ticket or entry.size > self._max_bytes // 8:
            return False
        old = self.entries.get(key)
        if old is not None:
            entry.uses = old.uses
            self._remove(old)
        self.entries[key] = entry
        self.bytes += entry.size
        if key in self._ghosts:
            del self._ghosts[key]
            self._main.append(entry)
        else:
            self._small.append(entry)
            self._small_bytes += entry.size
        while len(self.entries) > self._max_entries or self.bytes > self._max_bytes:
            self._evict()
        self._sweep_queues()
        return True

    def drop(self, key: str) -> bool:
        """Forget a key, and void the tickets that were drawn for it so far. Whether it was there."""
        self._drops += 1
        self._dropped[key] = self._drops
        self._dropped.move_to_end(key)
        if len(self._dropped) > self._max_entries:
            # Forgetting when a key was dropped is only safe if all tickets from before are void.
            self._void_before = max(self._void_before, self._dropped.popitem(last=False)[1])
        entry = self.entries.get(key)
        if entry is None:
            return False
        self._remove(entry)
        return True

    def clear(self) -> None:
        """Forget everything, and void all tickets."""
        self._drops += 1
        self._void_before = self._drops
        for entry in self.entries.values():
            entry.until = 0.0  # somebody may hold it in hand
        self.entries.clear()
        self._small.clear()
        self._main.clear()
        self._ghosts.clear()
        self._dropped.clear()
        self.bytes = self._small_bytes = 0

    def _remove(self, entry: LocalEntry) -> None:
        entry.until = 0.0
        del self.entries[entry.key]
        self.bytes -= entry.size

    def _gone(self, entry: LocalEntry) -> bool:
        return self.entries.get(entry.key) is not entry

    def _evict(self) -> None:
        """Take one entry out, or move one on."""
        if self._small and (
            self._small_bytes > self._max_bytes * _SMALL_SHARE or self._small_is_long() or not self._main
        ):
            self._evict_small()
        else:
            self._evict_main()

    def _small_is_long(self) -> bool:
        return len(self._small) > self._max_entries * _SMALL_SHARE

    def _evict_small(self) -> None:
        entry = self._small.popleft()
        self._small_bytes -= entry.size
        if self._gone(entry):
            return
        if entry.uses > 1:
            entry.uses = 0
            self._main.append(entry)
            return
        self._remove(entry)
        self._ghosts[entry.key] = None
        if len(self._ghosts) > self._max_entries:
            self._ghosts.popitem(last=False)

    def _evict_main(self) -> None:
        entry = self._main.popleft()
        if self._gone(entry):
            return
        if entry.uses:
            entry.uses -= 1
            self._main.append(entry)
        else:
            self._remove(entry)

    def _sweep_queues(self) -> None:
        """Dropped entries must not fill the queues of a tier that is never full."""
        if len(self._small) + len(self._main) > 2 * len(self.entries) + 64:
            self._small = deque(entry for entry in self._small if not self._gone(entry))
            self._main = deque(entry for entry in self._main if not self._gone(entry))
            self._small_bytes = sum(entry.size for entry in self._small)
