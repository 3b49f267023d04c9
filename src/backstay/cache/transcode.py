"""The one way from an object to stored bytes and back: codec, compression, sealing, envelope (pure)."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

from backstay.errors import EncodingError, SealingRequired, ValueTooLarge

from .codecs import Codec
from .compression import Compressor, Zlib
from .envelope import Doubt, Envelope, Flag, associated_data, pack
from .sealing import Encryptor

T = TypeVar("T")

# Plain numbers: operators of an IntFlag cost a microsecond each.
_COMPRESSED = int(Flag.COMPRESSED)
_SEALED = int(Flag.SEALED)
_new: Any = getattr(tuple, "__new__")  # noqa: B009 - its type says less than Any does


class Times(NamedTuple):
    """What an entry knows of when it was made and how long it is good for; units as in `Envelope`."""

    epoch: int
    fresh_until: int
    dead_after: int
    cost: int = 0


class Decoded(NamedTuple, Generic[T]):
    """A stored value with what its envelope says."""

    value: T
    epoch: int
    fresh_until: int
    dead_after: int
    cost: int
    tags: tuple[str, ...]
    size: int
    """Bytes of the whole entry as it is stored."""
    payload: bytes
    """What the codec was given: opened and decompressed."""


class Transcoder:
    """How this cache writes values down. One object, used from everywhere, without state."""

    def __init__(
        self,
        *,
        compressor: Compressor | None = None,
        compress_above: int | None = None,
        encryptor: Encryptor | None = None,
        max_value_bytes: int = 1024 * 1024,
    ) -> None:
        """`compress_above`: payloads longer than this many bytes are compressed; None turns it off.

        `max_value_bytes` bounds the encoded payload, before compression and after decompression.
        """
        self._compressor: Compressor = compressor or Zlib()
        self._compress_above = compress_above
        self._encryptor = encryptor
        self._max_value_bytes = max_value_bytes

    @property
    def seals(self) -> bool:
        """Whether what is written is encrypted."""
        return self._encryptor is not None

    def write(
        self, key: str, value: T, codec: Codec[T], times: Times, tags: tuple[str, ...], *, sensitive: bool
    ) -> bytes:
        """The bytes to store.

        Raises:
            EncodingError: the codec cannot encode the value.
            ValueTooLarge: the payload exceeds the limit.
            SealingRequired: the value is sensitive and there is no Encryptor.
        """
        if sensitive and self._encryptor is None:
            raise SealingRequired(f"{key!r} is sensitive, and this cache has no Encryptor to seal it with")
        payload, flags = self._encode(key, value, codec), 0
        if self._compress_above is not None and len(payload) > self._compress_above:
            payload, flags = self._shrink(payload)
        envelope: Envelope = _new(Envelope, (key, codec.number, flags, *times, tags, payload))
        return pack(envelope) if self._encryptor is None else self._seal(envelope, self._encryptor)

    def rewrite(self, envelope: Envelope, until: int) -> bytes | None:
        """The bytes of the same entry, fresh until another instant (ms since 1970). None if it does not open."""
        payload = self._open(envelope)
        if payload is None:
            return None
        flags = envelope.flags & ~_SEALED
        renewed = envelope._replace(fresh_until=until, dead_after=until, flags=flags, payload=payload)
        return pack(renewed) if self._encryptor is None else self._seal(renewed, self._encryptor)

    def read(self, envelope: Envelope, raw: bytes, codec: Codec[T]) -> Decoded[T] | Doubt:
        """The value in the envelope, or why it cannot be had. Never raises for bytes."""
        if envelope.codec != codec.number:
            return Doubt.CODEC
        payload = self._open(envelope)
        if payload is None:
            return Doubt.UNSEALABLE
        try:
            if envelope.flags & _COMPRESSED:
                payload = self._compressor.decompress(payload, self._max_value_bytes)
            value = codec.decode(payload)
        except Exception:  # noqa: BLE001 - an application's codec may raise anything; doubt is a miss
            return Doubt.UNDECODABLE
        _, _, _, epoch, fresh, dead, cost, tags, _ = envelope
        return Decoded(value, epoch, fresh, dead, cost, tags, len(raw), payload)

    def _seal(self, envelope: Envelope, encryptor: Encryptor) -> bytes:
        sealed = envelope._replace(flags=envelope.flags | _SEALED)
        return pack(sealed._replace(payload=encryptor.seal(envelope.payload, associated_data(sealed))))

    def _encode(self, key: str, value: Any, codec: Codec[Any]) -> bytes:
        try:
            payload = codec.encode(value)
        except EncodingError:
            raise
        except Exception as exc:  # an application's codec may raise anything
            raise EncodingError(f"the codec for {key!r} failed: {type(exc).__name__}") from exc
        if len(payload) > self._max_value_bytes:
            raise ValueTooLarge(
                f"the value for {key!r} is {len(payload)} bytes when encoded; the limit is {self._max_value_bytes}"
            )
        return payload

    def _shrink(self, payload: bytes) -> tuple[bytes, int]:
        smaller = self._compressor.compress(payload)
        return (smaller, _COMPRESSED) if len(smaller) < len(payload) else (payload, 0)

    def _open(self, envelope: Envelope) -> bytes | None:
        """The payload as it was before sealing; None if it cannot be had.

        With an Encryptor, bytes that are not sealed are refused as well: else whoever can write to the store
        could pass plain bytes off as sealed ones.
        """
        sealed = envelope.flags & _SEALED
        if self._encryptor is None:
            return None if sealed else envelope.payload
        if not sealed:
            return None
        try:
            return self._encryptor.open(envelope.payload, associated_data(envelope))
        except ValueError:
            return None
