"""Zstandard, with its bound on what a small value may become."""

from __future__ import annotations

import pytest

from backstay.cache.zstd import Zstd


def test_what_was_compressed_comes_back():
    data = b"the same again " * 1000
    small = Zstd().compress(data)
    assert len(small) < len(data) / 10
    assert Zstd().decompress(small, len(data)) == data


def test_a_bomb_is_refused_before_it_is_opened():
    bomb = Zstd().compress(bytes(50_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(ValueError, match="more than 1024 bytes"):
        Zstd().decompress(bomb, 1024)


def test_a_frame_that_does_not_tell_its_size_is_bounded_all_the_same():
    import zstandard

    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    frame = stream.compress(bytes(50_000_000)) + stream.flush()
    with pytest.raises(ValueError, match=r"bytes|damaged"):
        Zstd().decompress(frame, 1024)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x28\xb5\x2f\xfd"])
def test_damage_is_a_value_error(damage):
    with pytest.raises(ValueError, match=r"damaged|bytes"):
        Zstd().decompress(damage, 1024)
