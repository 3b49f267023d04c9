"""Between objects and bytes. No codec here runs code that it finds in the bytes.

Each codec has a number, written into every envelope, so that a reader never decodes with another codec than
the writer encoded with. Numbers below 128 are backstay's; from 128 on they are the application's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from backstay.errors import EncodingError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Codec(Protocol[T]):
    """A pair of inverse functions with a number."""

    @property
    def number(self) -> int:
        """1 to 255; the same in every process that shares the store."""
        ...

    def encode(self, value: T, /) -> bytes:
        """The bytes. Raises EncodingError for a value that would not come back as it went."""
        ...

    def decode(self, data: bytes, /) -> T:
        """The value. Raises ValueError (or a subclass), or RecursionError, for bytes that are none of its own."""
        ...


class Bytes:
    """Bytes as they are."""

    number: int = 1

    def encode(self, value: bytes, /) -> bytes:
        """The value itself."""
        if not isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EncodingError(f"the Bytes codec stores bytes, not {type(value).__qualname__}")
        return value

    def decode(self, data: bytes, /) -> bytes:
        """The data itself."""
        return data


class Text:
    """Text as UTF-8."""

    number: int = 2

    def encode(self, value: str, /) -> bytes:
        """The text's UTF-8."""
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EncodingError(f"the Text codec stores text, not {type(value).__qualname__}")
        return value.encode("utf-8", "surrogatepass")

    def decode(self, data: bytes, /) -> str:
        """The text."""
        return data.decode("utf-8", "surrogatepass")


class _Msgspec(Generic[T]):
    """What the two msgspec formats share: a type to decode into, or none."""

    def __init__(self, into: type[T] | None, encoder: Any, decoder: Any) -> None:
        self._into = into
        self._encoder = encoder
        self.decode: Callable[[bytes], T] = decoder.decode
        """The value, checked against the type if one was given. msgspec's own: a call less for every hit."""

    def encode(self, value: T, /) -> bytes:
        """The bytes.

        Raises:
            EncodingError: a value of a class that msgspec does not know, or one that would come back as a
                plain dict because no type to decode into was given.
        """
        if self._into is None and type(value) not in _ATOMS:
            _refuse_lossy(value)
        try:
            return bytes(self._encoder.encode(value))
        except (TypeError, OverflowError, ValueError, RecursionError) as exc:
            raise EncodingError(
                f"a {type(value).__qualname__} cannot be encoded ({type(exc).__name__}); pass a codec that can"
            ) from exc


class MessagePack(_Msgspec[T]):
    """MessagePack by msgspec: compact, fast, and the default.

    Without a type, tuples and sets come back as lists. With `into` the value comes back as that type, checked:
    a schema that has moved on is a miss and not a crash.
    """

    number: int = 3

    def __init__(self, into: type[T] | None = None) -> None:
        decoder: Any = msgspec.msgpack.Decoder(into) if into is not None else msgspec.msgpack.Decoder()
        super().__init__(into, msgspec.msgpack.Encoder(), decoder)


class Json(_Msgspec[T]):
    """JSON by msgspec: for stores that other programs read, or that people look into.

    Without a type, bytes come back as base64 text and datetimes as ISO text; give `into` where that matters.
    """

    number: int = 4

    def __init__(self, into: type[T] | None = None) -> None:
        decoder: Any = msgspec.json.Decoder(into) if into is not None else msgspec.json.Decoder()
        super().__init__(into, msgspec.json.Encoder(), decoder)


class Model(Generic[T]):
    """A pydantic model, by its own JSON methods. Nothing of pydantic is imported here."""

    number: int = 5

    def __init__(self, into: type[T]) -> None:
        self._into: Any = into

    def encode(self, value: T, /) -> bytes:
        """The model's JSON."""
        if not isinstance(value, self._into):
            raise EncodingError(f"a codec for {self._into.__qualname__} was given a {type(value).__qualname__}")
        model: Any = value
        return str(model.model_dump_json()).encode()

    def decode(self, data: bytes, /) -> T:
        """The model, validated. pydantic's ValidationError is a ValueError."""
        value: T = self._into.model_validate_json(data)
        return value


DEFAULT: Final[Codec[Any]] = MessagePack[Any]()
"""What is used where nothing else is asked for."""


def codec_for(spec: Codec[T] | type[T] | None) -> Codec[T]:
    """The codec that an option means: one as it is, a typed one for a type, the default for none.

    A type is `bytes`, `str`, a pydantic model, or anything that msgspec decodes into (dataclasses, Structs,
    TypedDicts, ``list[Price]``, …).
    """
    if spec is None:
        return DEFAULT
    if not _is_type(spec):
        return spec  # type: ignore[return-value]
    return _typed(spec)


_cache_of_typed: dict[Any, Codec[Any]] = {}
_MOST_TYPES = 1024
_LOSSY_DEPTH = 8
_ATOMS = frozenset({str, bytes, int, float, bool, type(None)})


def _typed(spec: Any) -> Codec[Any]:
    """One codec per type: msgspec compiles a decoder, which costs more than the decoding does."""
    found = _cache_of_typed.get(spec)
    if found is None:
        if len(_cache_of_typed) >= _MOST_TYPES:
            _cache_of_typed.clear()
        found = _cache_of_typed[spec] = _make_typed(spec)
    return found


def _make_typed(spec: Any) -> Codec[Any]:
    if spec is bytes:
        return Bytes()
    if spec is str:
        return Text()
    if hasattr(spec, "model_validate_json"):
        return Model(spec)
    return MessagePack(spec)


def _is_type(spec: Any) -> bool:
    return isinstance(spec, type) or hasattr(spec, "__origin__") or not hasattr(spec, "decode")


def _refuse_lossy(value: Any) -> None:
    """The second caller must not get a dict where the first got an object.

    Looks at the first item of each container on the way down: mixed containers are the caller's to know.
    """
    sample = value
    for _ in range(_LOSSY_DEPTH):
        sample = _first(sample)
    struct = dataclasses.is_dataclass(sample) or isinstance(sample, msgspec.Struct)
    if struct or hasattr(sample, "model_dump_json"):
        kind = type(sample).__qualname__
        raise EncodingError(f"a {kind} would come back from the cache as a dict; say codec={kind} to get it back")


def _first(value: Any) -> Any:
    """The first item of a container; anything else, and an empty one, as it is."""
    if issubclass(value.__class__, dict):
        return next(iter(value.values()), value)
    return next(iter(value), value) if issubclass(value.__class__, list | tuple) else value
