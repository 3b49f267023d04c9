"""How a value lies in the store: every envelope names the key it was stored under, and proves itself (pure).

::

    crc32 u32 | magic "bs" | version u8 | codec u8 | flags u8 | key length u16 | tags length u16
    | epoch u64 | fresh-until u64 | dead-after u64 | cost u32 | key | tags | payload

Little-endian. The checksum covers everything behind it. Epoch is in microseconds, the two instants are
milliseconds since 1970, the cost of the computation is in microseconds. Each tag is led by its length (u16).

A reader that has any doubt (too short, foreign magic, another version, another key, a wrong checksum) gets a
reason and no value: a reply delivered to the wrong caller, a swapped value and a flipped bit are all caught
here. The checksum stops accidents and not attackers; values that are sealed are authenticated as well.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import Final
from zlib import crc32

_FIXED: Final = struct.Struct("<2sBBBHHQQQI")
_CRC: Final = struct.Struct("<I")
_START: Final = _CRC.size + _FIXED.size
_MAGIC: Final = b"bs"
_VERSION: Final = 1
_TAG_LENGTH: Final = struct.Struct("<H")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One stored entry, its payload still encoded."""

    key: str
    codec: int
    flags: Flag
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
    key = entry.key.encode("utf-8", "surrogatepass")
    tags = _pack_tags(entry.tags)
    body = b"".join(
        (
            _FIXED.pack(
                _MAGIC,
                _VERSION,
                entry.codec,
                entry.flags,
                len(key),
                len(tags),
                entry.epoch,
                entry.fresh_until,
                entry.dead_after,
                min(entry.cost, 0xFFFFFFFF),
            ),
            key,
            tags,
            entry.payload,
        )
    )
    return _CRC.pack(crc32(body)) + body


def unpack(raw: bytes, key: str) -> Envelope | Doubt:
    """What was stored under `key`, or why the bytes are not that."""
    if len(raw) < _START:
        return Doubt.SHORT
    magic, version, codec, flags, key_length, tags_length, epoch, fresh, dead, cost = _FIXED.unpack_from(raw, 4)
    if magic != _MAGIC:
        return Doubt.FOREIGN
    if version != _VERSION:
        return Doubt.VERSION
    if crc32(memoryview(raw)[_CRC.size :]) != _CRC.unpack_from(raw)[0]:
        return Doubt.CHECKSUM
    tags_start = _START + key_length
    payload_start = tags_start + tags_length
    if raw[_START:tags_start] != key.encode("utf-8", "surrogatepass"):
        return Doubt.OTHER_KEY
    try:
        tags = _unpack_tags(raw[tags_start:payload_start])
    except (struct.error, UnicodeDecodeError):  # a right checksum over wrong content: not packed here
        return Doubt.FOREIGN
    return Envelope(
        key=key,
        codec=codec,
        flags=Flag(flags),
        epoch=epoch,
        fresh_until=fresh,
        dead_after=dead,
        cost=cost,
        tags=tags,
        payload=raw[payload_start:],
    )


def associated_data(key: str, codec: int) -> bytes:
    """What a sealed payload is bound to: move the bytes to another key or codec and they do not open."""
    return b"%d:%d:%s" % (_VERSION, codec, key.encode("utf-8", "surrogatepass"))


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
