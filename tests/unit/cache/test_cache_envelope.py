"""Envelopes: whatever befalls the bytes, they are taken for what was stored, or for nothing."""

import os
import random

import pytest
from xxhash import xxh3_64_digest

from backstay.cache.envelope import Doubt, Envelope, Flag, associated_data, fresh_payloads, pack, plain, unpack
from backstay.cache.scopes import ScopeLog, pattern_scope

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
    assert raw[plain(raw, KEY, 3) :] == envelope().payload
    for unusual in ({"flags": 1}, {"tags": ("a",)}, {"codec": 4}, {"key": "prices:symbol:MSF"}):
        assert plain(pack(envelope(**usual | unusual)), KEY, 3) == 0
    for _ in range(DAMAGED):
        damaged = mutated(draw, raw, other)
        if damaged != raw:
            assert plain(damaged, KEY, 3) == 0


NOW = envelope().fresh_until - 1


def test_the_look_at_many_agrees_with_the_look_at_one():
    """Among what is missing, unusual and damaged, all that is usual is found, and nothing else."""
    draw = random.Random(6)
    keys = [f"prices:id:{number}é" if number % 3 else f"prices:id:{number}" for number in range(DAMAGED // 1000)]
    kinds = ({}, {"flags": 1}, {"tags": ("a",)}, {"codec": 4}, {"payload": b""})
    raws = [pack(envelope(**{"key": key, "flags": 0, "tags": ()} | draw.choice(kinds))) for key in keys]
    for _ in range(1000):
        seen = [draw.choice((raw, None, mutated(draw, raw, draw.choice(raws)))) for raw in raws]
        usual = {key: plain(raw, key, 3) for key, raw in zip(keys, seen, strict=True) if raw}
        expected = {key: raw[usual[key] :] for key, raw in zip(keys, seen, strict=True) if raw and usual[key]}
        assert fresh_payloads(keys, seen, 3, now_ms=NOW, log=ScopeLog()) == expected


def test_among_many_what_is_stale_or_invalidated_is_left_out():
    stale, old, usual = (
        pack(envelope(key=key, flags=0, tags=(), **times))
        for key, times in (("a:1", {"fresh_until": NOW}), ("a:2", {"epoch": 4}), ("b:1", {"epoch": 4}))
    )
    log = ScopeLog()
    log.apply(5, [(pattern_scope("a:*"), 5)])
    keys, raws = ["a:1", "a:2", "b:1", "a:\ud800"], [stale, old, usual, None]
    assert list(fresh_payloads(keys, raws, 3, now_ms=NOW, log=log)) == ["b:1"]
    # A key that has no UTF-8 is for the close look, and so are those asked for together with it.
    assert fresh_payloads(keys[2:], [usual, usual], 3, now_ms=NOW, log=log) == {}


def test_damage_under_a_right_checksum_raises_nothing():
    """Whoever can write to the store can compute a checksum."""
    draw = random.Random(4)
    raw, other = pack(envelope()), pack(envelope(key="other", tags=()))
    for _ in range(30_000):
        body = mutated(draw, raw, other)[8:]
        under_checksum = xxh3_64_digest(body) + body
        unpack(under_checksum, KEY)
        start = plain(under_checksum, KEY, 3)
        payloads = fresh_payloads([KEY], [under_checksum], 3, now_ms=0, log=ScopeLog())
        assert payloads == ({KEY: under_checksum[start:]} if start and KEY in payloads else {})


def test_another_keys_envelope_is_refused():
    assert unpack(pack(envelope(key="a")), "b") is Doubt.OTHER_KEY
    assert unpack(pack(envelope(key="ab")), "a") is Doubt.OTHER_KEY


def test_each_doubt_has_its_name():
    raw = pack(envelope())
    assert unpack(b"", KEY) is Doubt.SHORT
    assert unpack(b"x" * 100, KEY) is Doubt.FOREIGN
    assert unpack(raw[:38] + b"\xff" + raw[39:], KEY) is Doubt.VERSION
    assert unpack(raw[:-1], KEY) is Doubt.CHECKSUM


def test_what_a_sealed_payload_is_bound_to():
    changed = [{}, {"key": "b"}, {"codec": 9}, {"flags": 2}, {"epoch": 1}, {"fresh_until": 1}, {"dead_after": 1}]
    changed += [{"cost": 1}, {"tags": ("prices",)}, {"tags": ("price", "s")}]
    assert len({associated_data(envelope(**each)) for each in changed}) == len(changed)
    assert associated_data(envelope(payload=b"another")) == associated_data(envelope())
