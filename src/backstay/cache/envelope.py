"""How a value lies in the store: every envelope names the key it was stored under, and proves itself (pure).

::

    crc32 u32 | magic "bs" | version u8 | codec u8 | flags u8 | key length u16 | tags length u16
    | epoch u64 | fresh-until u64 | dead-after u64 | cost u32 | key | tags | payload

Little-endian. The checksum covers everything behind it. Epoch is in microseconds, the two instants are
milliseconds since 1970, the cost of the computation is in microseconds. Each tag is led by its length (u16).

A reader that has any doubt (too short, foreign magic, another version, another key, a wrong checksum) gets a
reason and no value: a reply delivered to the wrong caller, a swapped value and a flipped bit are all caught
here. The checksum stops accidents and not attackers; values that are sealed are authenticated as well, and all of
the envelope with them.
"""

from __future__ import annotations

import struct
from enum import Enum, IntFlag
from typing import Any, Final, NamedTuple
from zlib import crc32

_FIXED: Final = struct.Struct("<2sBBBHHQQQI")
_WHOLE: Final = struct.Struct("<I3sBBHHQQQI")
_CRC: Final = struct.Struct("<I")
_START: Final = _CRC.size + _FIXED.size
_MAGIC: Final = b"bs"
_VERSION: Final = 1
_MARK: Final = _MAGIC + bytes([_VERSION])
_COPY_BELOW: Final = 2048
_TAG_LENGTH: Final = struct.Struct("<H")

_new: Final[Any] = getattr(tuple, "__new__")  # noqa: B009 - its type says less than Any does

HEAD_BYTES: Final = 32
"""How much of an envelope a reader hands back as "I have seen this and it will not do"."""

MAX_TAGS: Final = 64
"""Most tags that one entry carries."""


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
    return _CRC.pack(crc32(body)) + body


def unpack(raw: bytes, key: str) -> Envelope | Doubt:
    """What was stored under `key`, or why the bytes are not that."""
    if len(raw) < _START:
        return Doubt.SHORT
    crc, mark, codec, flags, key_length, tags_length, epoch, fresh, dead, cost = _WHOLE.unpack_from(raw)
    if mark != _MARK:
        return Doubt.VERSION if mark.startswith(_MAGIC) else Doubt.FOREIGN
    # Below a few KiB a slice is cheaper than a view; above, the copy is what costs.
    if crc32(raw[_CRC.size :] if len(raw) < _COPY_BELOW else memoryview(raw)[_CRC.size :]) != crc:
        return Doubt.CHECKSUM
    tags_start = _START + key_length
    if raw[_START:tags_start] != (key.encode() if key.isascii() else key.encode("utf-8", "surrogatepass")):
        return Doubt.OTHER_KEY
    tags: tuple[str, ...] = ()
    payload_start = tags_start + tags_length
    if tags_length:
        try:
            tags = _unpack_tags(raw[tags_start:payload_start])
        except (struct.error, UnicodeDecodeError):  # a right checksum over wrong content: not packed here
            return Doubt.FOREIGN
    # As Envelope(...) would, without its detour: this line runs for every hit.
    envelope: Envelope = _new(Envelope, (key, codec, flags, epoch, fresh, dead, cost, tags, raw[payload_start:]))
    return envelope


def associated_data(entry: Envelope) -> bytes:
    """All of the entry but its payload, which a sealed payload is bound to.

    Change the key, the codec, a tag, the epoch or an instant, and what was sealed does not open.
    """
    key = entry.key.encode("utf-8", "surrogatepass")
    tags = _pack_tags(entry.tags)
    cost = min(entry.cost, 0xFFFFFFFF)
    fixed = _FIXED.pack(
        _MAGIC,
        _VERSION,
        entry.codec,
        entry.flags,
        len(key),
        len(tags),
        entry.epoch,
        entry.fresh_until,
        entry.dead_after,
        cost,
    )
    return b"".join((fixed, key, tags))


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
