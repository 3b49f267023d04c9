"""Codecs, compression, sealing and signing: what goes in comes out, and nothing else does."""

# ruff: noqa: PT011 - ValueError is what the Protocols promise, with no text

import os
import pickle
import zlib
from dataclasses import dataclass

import msgspec
import pytest
from pydantic import BaseModel

from backstay.cache import Bytes, Json, MessagePack, Model, Text, Transcoder, Zlib
from backstay.cache.aead import Aead
from backstay.cache.codecs import DEFAULT, codec_for
from backstay.cache.envelope import Doubt, unpack
from backstay.cache.signed import SignedPickle
from backstay.cache.transcode import Times
from backstay.errors import ConfigError, EncodingError, SealingRequired, ValueTooLarge
from backstay.secret import Secret

TIMES = Times(epoch=1, fresh_until=2, dead_after=3)
KEY_1, KEY_2 = os.urandom(32), os.urandom(32)


@dataclass
class Price:
    symbol: str
    close: float


class Row(msgspec.Struct):
    symbol: str
    close: float


class Quote(BaseModel):
    symbol: str
    close: float


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (None, {"a": [1, None, 2.5, "x", b"y", True]}),
        (None, None),
        (bytes, bytes(range(256))),
        (str, "é\ud800\x00"),
        (Price, Price("MSFT", 1.5)),
        (Row, Row("MSFT", 1.5)),
        (Quote, Quote(symbol="MSFT", close=1.5)),
        (list[Price], [Price("MSFT", 1.5)]),
        (dict[str, Row], {"a": Row("MSFT", 1.5)}),
        (int | None, None),
        (tuple[int, str], (1, "a")),
        (Json(Price), Price("MSFT", 1.5)),
        (Json(), {"a": 1}),
    ],
)
def test_what_goes_in_comes_out(spec, value):
    codec = codec_for(spec)
    found = codec.decode(codec.encode(value))
    assert found == value
    assert type(found) is type(value)


def test_every_codec_has_a_number_of_its_own():
    numbers = [
        codec.number
        for codec in (Bytes(), Text(), MessagePack(), Json(), Model(Quote), SignedPickle(Secret("x" * 32)))
    ]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 128 for number in numbers)


def test_one_codec_per_type():
    assert codec_for(Price) is codec_for(Price)
    assert codec_for(None) is DEFAULT


@pytest.mark.parametrize(
    "value",
    [
        Price("a", 1), Row("a", 1), Quote(symbol="a", close=1), [Price("a", 1)], (Row("a", 1),),
        {"a": Price("a", 1)}, [[Price("a", 1)]], {"rows": [Row("a", 1)]},
    ],
)  # fmt: skip
def test_what_would_come_back_as_a_dict_is_refused(value):
    with pytest.raises(EncodingError, match="codec"):
        DEFAULT.encode(value)


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (DEFAULT, object()),
        (DEFAULT, 2**70),
        (Bytes(), "a"),
        (Text(), b"a"),
        (Model(Quote), Price("a", 1)),
        (Json(), {1j}),
    ],
)
def test_what_cannot_be_encoded_is_refused(codec, value):
    with pytest.raises(EncodingError):
        codec.encode(value)


@pytest.mark.parametrize("spec", [Price, Row, Quote, list[Price], int])
@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b'{"symbol": 1}', MessagePack().encode({"symbol": 1, "close": "x"})]
)
def test_bytes_of_another_shape_are_a_value_error(spec, data):
    with pytest.raises(ValueError):
        codec_for(spec).decode(data)


def test_deep_nesting_is_refused():
    for codec, data in ((MessagePack(), b"\x91" * 100_000), (Json(), b"[" * 100_000)):
        with pytest.raises((ValueError, RecursionError)):
            codec.decode(data)


def test_compression_is_bounded():
    bomb = zlib.compress(b"\x00" * 10_000_000)
    with pytest.raises(ValueError, match="1000 bytes"):
        Zlib().decompress(bomb, 1000)
    data = b"ab" * 500
    assert Zlib().decompress(Zlib().compress(data), 1000) == data
    for damaged in (b"", b"x" * 20, Zlib().compress(data)[:-3]):
        with pytest.raises(ValueError):
            Zlib().decompress(damaged, 1000)


def write(transcoder, key, value, codec=DEFAULT, *, sensitive=False):
    return transcoder.write(key, value, codec, TIMES, (), sensitive=sensitive)


def read(transcoder, key, raw, codec=DEFAULT):
    found = transcoder.read(unpack(raw, key), raw, codec)
    return found if isinstance(found, Doubt) else found.value


def test_large_values_are_compressed_where_that_helps():
    transcoder = Transcoder(compress_above=100)
    text, noise = "a" * 10_000, os.urandom(1000)
    assert len(write(transcoder, "k", text)) < 500
    assert read(transcoder, "k", write(transcoder, "k", text)) == text
    assert read(transcoder, "k", write(transcoder, "k", noise)) == noise


def test_too_large_values_are_refused():
    with pytest.raises(ValueTooLarge):
        write(Transcoder(max_value_bytes=10), "k", "x" * 20)


def test_another_codec_does_not_read_it():
    raw = write(Transcoder(), "k", "text", Text())
    assert read(Transcoder(), "k", raw, Bytes()) is Doubt.CODEC


def test_sensitive_values_need_an_encryptor():
    with pytest.raises(SealingRequired):
        write(Transcoder(), "k", "secret", sensitive=True)


def sealing(keys, current):
    return Transcoder(encryptor=Aead(keys, current))


def test_sealed_values_show_nothing_and_open_for_their_key_only():
    transcoder = sealing({"1": KEY_1}, "1")
    raw, other = (write(transcoder, key, "confidential", sensitive=True) for key in ("a", "b"))
    assert b"confidential" not in raw
    assert read(transcoder, "a", raw) == "confidential"
    payload = unpack(other, "b").payload
    envelope = unpack(raw, "a")
    assert transcoder.read(envelope._replace(payload=payload), raw, DEFAULT) is Doubt.UNSEALABLE
    assert transcoder.read(envelope._replace(codec=4), raw, Json()) is Doubt.UNSEALABLE
    for changed in ({"epoch": 9}, {"fresh_until": 2**60}, {"dead_after": 2**60}, {"tags": ("another",)}):
        assert transcoder.read(envelope._replace(**changed), raw, DEFAULT) is Doubt.UNSEALABLE


def test_a_sealed_value_can_be_given_other_times_and_is_sealed_anew():
    transcoder = sealing({"1": KEY_1}, "1")
    rewritten = transcoder.rewrite(unpack(write(transcoder, "a", "confidential", sensitive=True), "a"), 2**40)
    assert read(transcoder, "a", rewritten) == "confidential"
    assert unpack(rewritten, "a").fresh_until == 2**40
    assert sealing({"1": KEY_2}, "1").rewrite(unpack(rewritten, "a"), 2**41) is None


def test_plain_bytes_are_not_taken_for_sealed_ones_nor_the_other_way():
    plain, sealed = Transcoder(), sealing({"1": KEY_1}, "1")
    assert read(sealed, "k", write(plain, "k", 1)) is Doubt.UNSEALABLE
    assert read(plain, "k", write(sealed, "k", 1)) is Doubt.UNSEALABLE


def test_sealing_keys_rotate():
    old, both, new = sealing({"1": KEY_1}, "1"), sealing({"1": KEY_1, "2": KEY_2}, "2"), sealing({"2": KEY_2}, "2")
    assert read(both, "k", write(old, "k", 1)) == 1
    assert read(new, "k", write(both, "k", 1)) == 1
    assert read(new, "k", write(old, "k", 1)) is Doubt.UNSEALABLE


def test_sealed_bytes_cannot_be_changed():
    cipher = Aead({"1": KEY_1}, "1")
    sealed = cipher.seal(b"data", b"for")
    assert cipher.open(sealed, b"for") == b"data"
    assert cipher.seal(b"data", b"for") != sealed
    for place in range(len(sealed)):
        with pytest.raises(ValueError):
            cipher.open(sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :], b"for")
        with pytest.raises(ValueError):
            cipher.open(sealed[:place], b"for")
    with pytest.raises(ValueError):
        cipher.open(sealed, b"other")


@pytest.mark.parametrize(
    ("keys", "current"),
    [
        ({"1": KEY_1}, "2"),
        ({"1": b"short"}, "1"),
        ({"1": Secret("zz")}, "1"),
        ({"": KEY_1}, ""),
        ({"k" * 65: KEY_1}, "k" * 65),
    ],
)
def test_wrong_sealing_keys_are_refused_without_showing_them(keys, current):
    with pytest.raises(ConfigError) as caught:
        Aead(keys, current)
    assert "zz" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_a_sealing_key_may_be_written_in_hex():
    assert Aead({"1": KEY_1}, "1").open(Aead({"1": Secret(KEY_1.hex())}, "1").seal(b"x", b""), b"") == b"x"


class Trap:
    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


def test_an_unsigned_pickle_is_never_loaded():
    codec, other = SignedPickle(Secret("k" * 32)), SignedPickle(Secret("o" * 32))
    trap = pickle.dumps(Trap())
    for data in (trap, b"\x00" * 32 + trap, other.encode(Trap()), b"", b"\x00" * 31):
        with pytest.raises(ValueError):
            codec.decode(data)
    assert not Trap.sprung
    assert codec.decode(codec.encode({1j, "a"})) == {1j, "a"}


def test_signing_keys_are_long_and_what_cannot_be_pickled_is_refused():
    with pytest.raises(ConfigError):
        SignedPickle(Secret("short"))
    with pytest.raises(EncodingError):
        SignedPickle(Secret("k" * 32)).encode(lambda: None)
