"""How a value lies in the store: every envelope names the key it was stored under, and proves itself (pure).

::

    checksum u64 | epoch u64 | fresh-until u64 | dead-after u64 | cost u32
    | magic "bs" | version u8 | codec u8 | flags u8 | key length u16 | tags length u16
    | key | tags | payload

Big-endian. The checksum is XXH3-64 of everything behind it. Epoch is in microseconds, the two instants are
milliseconds since 1970, the cost of the computation is in microseconds. Each tag is led by its length (u16).

The order serves the reader, which does this for every hit: all that is the same in every usual entry of a key (no
flags, no tags) stands in one place and is compared at once, and what differs stands before it and is read at once.

A reader that has any doubt (too short, foreign magic, another version, another key, a wrong checksum) gets a
reason and no value: a reply delivered to the wrong caller, a swapped value and a flipped bit are all caught
here. The checksum stops accidents and not attackers (of damaged envelopes one in 2^64 has the right one by chance);
values that are sealed are authenticated as well, and all of the envelope with them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, IntFlag
from operator import add, getitem, itemgetter
from typing import Any, Final, NamedTuple, Protocol

from xxhash import xxh3_64_digest, xxh3_64_intdigest

CHECKSUM_BYTES: Final = 8
"""The checksum at the front, of all that stands behind it."""

_TIMES: Final = struct.Struct(">QQQI")
_KIND: Final = struct.Struct(">3sBBHH")
_KIND_AT: Final = CHECKSUM_BYTES + _TIMES.size
_START: Final = _KIND_AT + _KIND.size
_WORTH_A_VIEW: Final = 4096  # bytes: a smaller copy costs less than a view
_MAGIC: Final = b"bs"
_VERSION: Final = 3
_MARK: Final = _MAGIC + bytes([_VERSION])
_MOST_COST: Final = 0xFFFFFFFF
_TAG_LENGTH: Final = struct.Struct(">H")

times_in: Final[Callable[[bytes], tuple[int, int, int, int, int]]] = struct.Struct(">QQQQI").unpack_from
"""Checksum, epoch, fresh-until, dead-after and cost of an envelope that `plain` has proven."""

_pack_times: Final = _TIMES.pack
_freshness_in: Final[Callable[[bytes], tuple[int, int, int]]] = struct.Struct(">QQQ").unpack_from

_number: Final = struct.Struct(">Q").pack
_checksum_in: Final = itemgetter(slice(0, 8))
_epoch_in: Final = itemgetter(slice(8, 16))
_fresh_in: Final = itemgetter(slice(16, 24))
_body_in: Final = itemgetter(slice(CHECKSUM_BYTES, None))

HEAD_BYTES: Final = 32
"""How much of an envelope a reader hands back as "I have seen this and it will not do"."""

MAX_TAGS: Final = 64
"""Most tags that one entry carries."""


class Log(Protocol):
    """What is known of invalidations; see `ScopeLog`."""

    @property
    def latest(self) -> int:
        """Nothing concerns an entry that was begun at this epoch or later."""
        ...

    def newest(self, key: str, tags: Sequence[str], begun: int, /) -> int:
        """The newest epoch at which something that concerns them was invalidated; 0 if not after `begun`."""
        ...


class Flag(IntFlag):
    """How the payload is to be read."""

    PLAIN = 0
    COMPRESSED = 1
    SEALED = 2
    ERROR = 4


class Doubt(Enum):
    """Why stored bytes were not accepted. The value is the label that statistics use."""

    SHORT = "short"
    FOREIGN = "foreign"
    VERSION = "version"
    CHECKSUM = "checksum"
    OTHER_KEY = "other-key"
    CODEC = "codec"
    UNDECODABLE = "undecodable"
    UNSEALABLE = "unsealable"


class Envelope(NamedTuple):
    """One stored entry, its payload still encoded. A tuple: one is made for every value that is read."""

    key: str
    codec: int
    flags: int
    """A sum of what `Flag` names."""
    epoch: int
    """The newest invalidation known when the computation began, in microseconds."""
    fresh_until: int
    """Milliseconds since 1970 from which on the entry is stale."""
    dead_after: int
    """Milliseconds since 1970 from which on it is not even served stale."""
    cost: int
    """What the computation took, in microseconds."""
    tags: tuple[str, ...]
    payload: bytes


def pack(entry: Envelope) -> bytes:
    """The bytes to store."""
    body = associated_data(entry) + entry.payload
    return xxh3_64_digest(body) + body


class _Kinds(dict[int, bytes]):
    """What stands between times and key in a usual envelope of a codec, by the key's length. Each is made once."""

    def __init__(self, codec: int) -> None:
        super().__init__()
        self._codec = codec

    def __missing__(self, key_length: int) -> bytes:
        kind = self[key_length] = _KIND.pack(_MARK, self._codec, 0, key_length, 0)
        return kind


class _ByCodec(dict[int, _Kinds]):
    def __missing__(self, codec: int) -> _Kinds:
        kinds = self[codec] = _Kinds(codec)
        return kinds


_kinds: Final = _ByCodec()


def plain(raw: bytes, key: str, codec: int) -> int:
    """Where the payload begins, if this is the usual envelope: of this key and codec, no flags, no tags, unharmed.

    It goes on to the end of the bytes. 0: it is anything else, and `unpack` knows what.
    """
    name = key.encode() if key.isascii() else key.encode("utf-8", "surrogatepass")
    if raw.startswith(_kinds[codec][len(name)] + name, _KIND_AT) and raw.startswith(
        xxh3_64_digest(raw[CHECKSUM_BYTES:] if len(raw) < _WORTH_A_VIEW else memoryview(raw)[CHECKSUM_BYTES:])
    ):
        return _START + len(name)
    return 0


def fresh_payloads(
    keys: Sequence[str], raws: Sequence[bytes | None], codec: int, *, now_ms: float, log: Log
) -> dict[str, bytes]:
    """The payloads of those that are `plain`, fresh, and killed by nothing in the log. The others are left out.

    For a hundred at once: `_all_as_usual` first, else one loop without a call of ours. `plain` for each of them
    would take twice as long.
    """
    if not all(raws):
        keys, raws = [key for key, raw in zip(keys, raws, strict=True) if raw], [raw for raw in raws if raw]
    try:
        names = list(map(str.encode, keys))
    except UnicodeEncodeError:  # a lone surrogate: whoever looks closely knows what to do with it
        return {}
    present: Any = raws
    if lengths := _all_as_usual(names, present, codec, now_ms, log):
        payload_in = {length: slice(_START + length, None) for length in set(lengths)}
        return dict(zip(keys, _parts(present, payload_in, lengths), strict=True))
    payloads: dict[str, bytes] = {}
    kinds, latest = _kinds[codec], log.latest
    checksums = map(xxh3_64_intdigest, [raw[CHECKSUM_BYTES:] for raw in present])
    for key, name, raw, right in zip(keys, names, present, checksums, strict=True):
        start = _START + len(name)
        if raw[_KIND_AT:start] == kinds[len(name)] + name:
            checksum, epoch, fresh = _freshness_in(raw)
            if checksum == right and now_ms < fresh and (epoch >= latest or not log.newest(key, (), epoch)):
                payloads[key] = raw[start:]
    return payloads


def _all_as_usual(
    names: list[bytes], raws: Sequence[bytes], codec: int, now_ms: float, log: Log
) -> list[int] | None:
    """How long each key is, if what is asked of each holds of all: a few long comparisons instead of a loop.

    Numbers are big-endian, and so they compare as bytes do.
    """
    lengths = list(map(len, names))
    kind_in = {length: slice(_KIND_AT, _START + length) for length in set(lengths)}
    right = (
        list(_parts(raws, kind_in, lengths)) == list(map(add, map(_kinds[codec].__getitem__, lengths), names))
        and b"".join(map(_checksum_in, raws)) == b"".join(map(xxh3_64_digest, map(_body_in, raws)))
        and min(map(_fresh_in, raws), default=b"") > _number(int(now_ms))
        and (not log.latest or min(map(_epoch_in, raws)) >= _number(log.latest))
    )
    return lengths if right else None


def _parts(raws: Sequence[bytes], part_in: dict[int, slice], lengths: list[int]) -> Iterator[bytes]:
    """A part of each, which lies where the length of its key says. Mostly all are as long as each other."""
    if len(part_in) == 1:
        return map(itemgetter(*part_in.values()), raws)
    cut: Any = getitem  # its type says less than Any does
    return map(cut, raws, map(part_in.__getitem__, lengths))


def unpack(raw: bytes, key: str) -> Envelope | Doubt:
    """What was stored under `key`, or why the bytes are not that."""
    if len(raw) < _START:
        return Doubt.SHORT
    mark, codec, flags, key_length, tags_length = _KIND.unpack_from(raw, _KIND_AT)
    if mark != _MARK:
        return Doubt.VERSION if mark.startswith(_MAGIC) else Doubt.FOREIGN
    checksum, epoch, fresh, dead, cost = times_in(raw)
    if xxh3_64_intdigest(memoryview(raw)[CHECKSUM_BYTES:]) != checksum:
        return Doubt.CHECKSUM
    tags_start = _START + key_length
    if raw[_START:tags_start] != key.encode("utf-8", "surrogatepass"):
        return Doubt.OTHER_KEY
    tags: tuple[str, ...] = ()
    payload_start = tags_start + tags_length
    if payload_start > len(raw):  # a right checksum of wrong content: not packed here
        return Doubt.FOREIGN
    if tags_length:
        try:
            tags = _unpack_tags(raw[tags_start:payload_start])
        except (struct.error, UnicodeDecodeError):
            return Doubt.FOREIGN
    return Envelope(key, codec, flags, epoch, fresh, dead, cost, tags, raw[payload_start:])


def associated_data(entry: Envelope) -> bytes:
    """All of the entry but its payload, which a sealed payload is bound to.

    Change the key, the codec, a tag, the epoch or an instant, and what was sealed does not open.
    """
    key, codec, flags, epoch, fresh, dead, cost, tags, _ = entry
    name = key.encode() if key.isascii() else key.encode("utf-8", "surrogatepass")
    times = _pack_times(epoch, fresh, dead, min(cost, _MOST_COST))
    if not flags and not tags:
        return times + _kinds[codec][len(name)] + name
    packed = _pack_tags(tags)
    return times + _KIND.pack(_MARK, codec, flags, len(name), len(packed)) + name + packed


def _pack_tags(tags: tuple[str, ...]) -> bytes:
    encoded = [tag.encode("utf-8", "surrogatepass") for tag in tags]
    return b"".join(_TAG_LENGTH.pack(len(tag)) + tag for tag in encoded)


def _unpack_tags(raw: bytes) -> tuple[str, ...]:
    tags: list[str] = []
    place = 0
    while place < len(raw):
        start = place + _TAG_LENGTH.size
        place = start + _TAG_LENGTH.unpack_from(raw, place)[0]
        tags.append(raw[start:place].decode("utf-8", "surrogatepass"))
    return tuple(tags)
