"""Compression by Zstandard: faster and smaller than DEFLATE where both sides have the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backstay.errors import MissingExtraError

from .compression import Compressor

try:
    import zstandard
except ImportError as exc:
    raise MissingExtraError("compression", "backstay.cache.zstd") from exc


class Zstd:
    """Zstandard. Level 1 takes 14 kB of JSON to a ninth in about 40 µs (measured); higher levels seldom pay.

    A reader without it treats what this wrote as a miss, so switch all processes that share a store together.
    """

    def __init__(self, level: int = 1) -> None:
        """`level` from 1 (fast) to 22 (small)."""
        self._level: Final = level

    def compress(self, data: bytes, /) -> bytes:
        """One frame, which says how large its content is."""
        return zstandard.ZstdCompressor(level=self._level).compress(data)

    def decompress(self, data: bytes, most: int, /) -> bytes:
        """The content, if the frame says that it is at most `most` bytes."""
        try:
            # The library trusts the frame's own figure above any limit it is given: look at it first.
            size = zstandard.get_frame_parameters(data).content_size
            if size > most:
                raise ValueError(f"more than {most} bytes")
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=most)
        except zstandard.ZstdError as exc:
            raise ValueError("damaged zstandard data") from exc


if TYPE_CHECKING:
    _: type[Compressor] = Zstd
