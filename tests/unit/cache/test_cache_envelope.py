"""Envelopes: whatever befalls the bytes, they are taken for what was stored, or for nothing."""

import os
import random
from zlib import crc32

import pytest

from backstay.cache.envelope import Doubt, Envelope, Flag, associated_data, pack, plain, unpack

KEY = "prices:symbol:MSFT"
DAMAGED = 1_000_000 if os.environ.get("BACKSTAY_NIGHTLY") else 100_000


def envelope(**changes):
    fields = {
        "key": KEY,
        "codec": 3,
        "flags": Flag.COMPRESSED,
        "epoch": 1_700_000_000_000_000,
        "fresh_until": 1_700_000_300_000,
        "dead_after": 1_700_000_600_000,
        "cost": 1234,
        "tags": ("prices", "é\ud800"),
        "payload": bytes(range(256)),
    }
    return Envelope(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [{}, {"payload": b""}, {"tags": ()}, {"key": "\ud800\x00"}, {"cost": 0}, {"tags": tuple("abc") * 10}],
)
def test_what_was_packed_comes_back(changes):
    packed = envelope(**changes)
    assert unpack(pack(packed), packed.key) == packed


def test_a_cost_beyond_its_field_is_no_error():
    assert unpack(pack(envelope(cost=2**40)), KEY).cost == 2**32 - 1


def mutated(draw, raw, other):
    place = draw.randrange(len(raw))
    match draw.randrange(7):
        case 0:
            return raw[:place] + bytes((raw[place] ^ 1 << draw.randrange(8),)) + raw[place + 1 :]
        case 1:
            return raw[:place]
        case 2:
            return raw[:place] + draw.randbytes(1 + draw.randrange(4)) + raw[place:]
        case 3:
            return raw[:place] + other[place:]
        case 4:
            return raw[:place] + raw[place + 1 + draw.randrange(8) :]
        case 5:
            return draw.randbytes(draw.randrange(400))
        case _:
            swap = draw.randrange(len(raw))
            out = bytearray(raw)
            out[place], out[swap] = out[swap], out[place]
            return bytes(out)


def test_of_many_damaged_envelopes_none_is_accepted():
    draw = random.Random(3)
    raw, other = pack(envelope()), pack(envelope(key="prices:symbol:AAPL", payload=b"other" * 60))
    for _ in range(DAMAGED):
        damaged = mutated(draw, raw, other)
        if damaged != raw:
            assert isinstance(unpack(damaged, KEY), Doubt)


def test_the_quick_look_agrees_with_the_close_one():
    """`plain` accepts what `unpack` accepts, if nothing in it is unusual; and nothing else."""
    draw = random.Random(5)
    usual = {"flags": 0, "tags": ()}
    raw, other = pack(envelope(**usual)), pack(envelope(key="prices:symbol:AAPL", payload=b"other" * 60, **usual))
    assert raw[plain(raw, KEY, 3) : -4] == envelope().payload
    for unusual in ({"flags": 1}, {"tags": ("a",)}, {"codec": 4}, {"key": "prices:symbol:MSF"}):
        assert plain(pack(envelope(**usual | unusual)), KEY, 3) == 0
    for _ in range(DAMAGED):
        damaged = mutated(draw, raw, other)
        if damaged != raw:
            assert plain(damaged, KEY, 3) == 0


def test_damage_under_a_right_checksum_raises_nothing():
    """Whoever can write to the store can compute a checksum."""
    draw = random.Random(4)
    raw, other = pack(envelope()), pack(envelope(key="other", tags=()))
    for _ in range(30_000):
        body = mutated(draw, raw, other)[:-4]
        under_checksum = body + crc32(body).to_bytes(4, "little")
        unpack(under_checksum, KEY)
        plain(under_checksum, KEY, 3)


def test_another_keys_envelope_is_refused():
    assert unpack(pack(envelope(key="a")), "b") is Doubt.OTHER_KEY
    assert unpack(pack(envelope(key="ab")), "a") is Doubt.OTHER_KEY


def test_each_doubt_has_its_name():
    raw = pack(envelope())
    assert unpack(b"", KEY) is Doubt.SHORT
    assert unpack(b"x" * 100, KEY) is Doubt.FOREIGN
    assert unpack(raw[:30] + b"\xff" + raw[31:], KEY) is Doubt.VERSION
    assert unpack(raw[:-1], KEY) is Doubt.CHECKSUM


def test_what_a_sealed_payload_is_bound_to():
    changed = [{}, {"key": "b"}, {"codec": 9}, {"flags": 2}, {"epoch": 1}, {"fresh_until": 1}, {"dead_after": 1}]
    changed += [{"cost": 1}, {"tags": ("prices",)}, {"tags": ("price", "s")}]
    assert len({associated_data(envelope(**each)) for each in changed}) == len(changed)
    assert associated_data(envelope(payload=b"another")) == associated_data(envelope())
