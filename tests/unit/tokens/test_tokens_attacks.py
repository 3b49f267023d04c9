"""Attacks that need more than one odd token: two issuers, two serialisations, a log, a cache, a clock."""

from __future__ import annotations

import json
import logging
import time

import anyio
import msgspec
import pytest

from backstay.clock import ManualClock
from backstay.errors import InvalidToken
from backstay.errors import TokenReason as R
from backstay.events import Emitter
from backstay.telemetry.logging import LogListener
from backstay.tokens import (
    JwtCodec,
    KeyRing,
    MemoryTokenStore,
    RefreshSecrets,
    StrictVerifier,
    TokenProfile,
    TokenService,
    VerifiedCache,
)
from backstay.tokens import base64url as b64
from backstay.tokens.checks import HeaderMemo, read_plain_claims, verify
from backstay.tokens.claims import REGISTERED, RegisteredClaims
from backstay.tokens.jose import generate_key
from backstay.tokens.jwe import JweCodec

OURS = TokenProfile.access(issuer="https://a.example", audience="api")
THEIRS = TokenProfile.access(issuer="https://b.example", audience="api")


def claims(profile: TokenProfile = OURS, **changes: object) -> dict[str, object]:
    now = int(time.time())
    fields = {"iss": profile.issuer, "sub": "alice", "aud": "api", "exp": now + 60, "iat": now}
    return {**fields, "jti": "j", "client_id": "web", **changes}


def signed(key, payload: bytes, **head: object) -> str:
    members = {"alg": key.alg, "typ": "at+jwt", "kid": key.kid, **head}
    data = b64.encode(msgspec.json.encode(members)) + b"." + b64.encode(payload)
    return (data + b"." + b64.encode(key.sign(data))).decode()


def reason_of(call) -> R:
    with pytest.raises(InvalidToken) as refused:
        call()
    return refused.value.reason


def test_two_issuers_whose_keys_share_a_name_stay_apart() -> None:
    """RFC 8725, 3.8: a kid is no global name, and an issuer is believed only with its own keys."""
    a, b = generate_key("ES256", kid="2026"), generate_key("ES256", kid="2026")
    ours = StrictVerifier(KeyRing([a]), cache=VerifiedCache())
    of_b = JwtCodec(KeyRing([b])).encode_now(claims(THEIRS), profile=THEIRS)
    assert reason_of(lambda: ours.verify(of_b, expect=OURS)) is R.SIGNATURE
    # Their key, our issuer's name; then our key, their issuer's name.
    pretending = signed(b, msgspec.json.encode(claims(OURS)))
    assert reason_of(lambda: ours.verify(pretending, expect=OURS)) is R.SIGNATURE
    confused = signed(a, msgspec.json.encode(claims(THEIRS)))
    assert reason_of(lambda: ours.verify(confused, expect=OURS)) is R.ISSUER
    good = JwtCodec(KeyRing([a])).encode_now(claims(), profile=OURS)
    assert ours.verify(good, expect=OURS) == ours.verify(good, expect=OURS)
    assert reason_of(lambda: ours.verify(good, expect=THEIRS)) is R.ISSUER, "a cache entry of another profile"


def test_signed_is_not_encrypted_and_encrypted_is_not_signed() -> None:
    """8725bis: neither serialisation is taken for the other."""
    inner = JwtCodec(KeyRing([generate_key("HS256", kid="k")]))
    outer = JweCodec(inner, {"e": b"e" * 32}, current="e")

    async def check() -> None:
        plain = await inner.encode(claims(), profile=OURS)
        sealed = await outer.encode(claims(), profile=OURS)
        assert (await outer.decode(sealed, expect=OURS)).subject == "alice"
        for codec, token in ((outer, plain), (inner, sealed)):
            with pytest.raises(InvalidToken) as refused:
                await codec.decode(token, expect=OURS)
            assert refused.value.reason is R.MALFORMED

    anyio.run(check)


@pytest.mark.parametrize("token", [None, b"bytes", 1, "", "a\nb.c.d", "\ud800.b.c", "ключ.b.c", "x" * 9000])
def test_nothing_odd_gets_past_a_cache_either(token) -> None:
    verifier = StrictVerifier(KeyRing([generate_key("ES256", kid="k")]), cache=VerifiedCache())
    assert reason_of(lambda: verifier.verify(token, expect=OURS)) in {R.MALFORMED, R.TOO_LARGE, R.ENCODING, R.JSON}


def test_a_refused_token_stays_one_record_of_the_log_and_is_not_in_it(caplog) -> None:
    caplog.set_level(logging.DEBUG, logger="backstay")
    key = generate_key("HS256", kid="k")
    store = MemoryTokenStore()
    service = TokenService(
        codec=JwtCodec(KeyRing([key])),
        profile=OURS,
        store=store,
        log=store,
        secrets=RefreshSecrets({"a": b"a" * 32}, current="a"),
        events=Emitter([LogListener()]),
    )
    injected = "alice\r\nCRITICAL forged line"
    token = signed(key, json.dumps(claims(sub=injected)).encode())
    for presented in (token, f"{injected}.b.c"):
        with pytest.raises(InvalidToken):
            anyio.run(service.authenticate, presented)
    assert len(caplog.records) == 2
    assert "forged" not in caplog.text
    assert not [part for part in token.split(".") if part in caplog.text]
    assert all("\n" not in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("member", sorted(REGISTERED - {"nbf", "auth_time", "cnf"}))
def test_the_short_way_gives_what_the_long_way_gives(member: str) -> None:
    """Written as we write it, or with a space more: the same claims, or the same refusal."""
    key = generate_key("HS256", kid="k")
    ring = KeyRing([key])
    now = time.time()
    values = ["x", "", "a\u0085b", "a\tb", 0, 1, 1.5, -1, True, None, [], ["x"], [""], ["a\u007f"], {"a": 1}, 2**60]
    for value in values:
        payload = msgspec.json.encode({name: claims(**{member: value}).get(name) for name in _order(member)})
        spaced = payload.replace(b'":', b'": ', 1)
        verdicts = []
        for text in (payload, spaced):
            try:
                verdicts.append(verify(signed(key, text), ring, OURS, now, HeaderMemo()).registered)
            except InvalidToken as refused:
                verdicts.append(refused.reason)
        first, second = verdicts
        same = (
            first == second if isinstance(first, R) else msgspec.to_builtins(first) == msgspec.to_builtins(second)
        )
        assert same, (member, value, verdicts)


def _order(member: str) -> list[str]:
    there = {*claims(), member}
    return [name for name in RegisteredClaims.__struct_fields__ if name in there]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"iss":"https://a.example","iss":"https://a.example"',
        b'{"iss":"https://a.example","tenant":"x"',
        b'{ "iss":"https://a.example"',
        b'{"iss":"https:\\/\\/a.example"',
        b'{"sub":"alice","iss":"https://a.example"',
    ],
    ids=["twice", "another member", "a space", "an escape", "another order"],
)
def test_only_what_we_would_write_takes_the_short_way(payload: bytes) -> None:
    rest = {name: value for name, value in claims().items() if f'"{name}"'.encode() not in payload}
    whole = payload + b"," + msgspec.json.encode(rest)[1:]
    assert read_plain_claims(whole, OURS) is None
    plain = msgspec.json.encode(msgspec.convert(claims(), RegisteredClaims))
    assert read_plain_claims(plain, OURS) is not None
    assert read_plain_claims(plain.replace(b'"jti":"j",', b""), OURS) is None, "jti is required"


def test_a_clock_that_goes_back_is_no_reason_to_believe_a_cache() -> None:
    clock = ManualClock()
    codec = JwtCodec(KeyRing([generate_key("ES256", kid="k")], clock=clock), clock=clock, cache=VerifiedCache())
    now = int(clock.now().timestamp())
    token = codec.encode_now(claims(iat=now, exp=now + 60), profile=OURS)
    codec.verifier.verify(token, expect=OURS)
    clock._elapsed = -120.0
    assert reason_of(lambda: codec.verifier.verify(token, expect=OURS)) is R.NOT_YET_VALID
