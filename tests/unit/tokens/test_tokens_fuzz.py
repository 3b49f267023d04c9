"""Whatever is presented, only InvalidToken comes out."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstay.errors import InvalidToken
from backstay.tokens import KeyRing, StrictVerifier, TokenProfile
from backstay.tokens import base64url as b64
from backstay.tokens.dpop import read_proof
from backstay.tokens.jose import generate_key
from backstay.tokens.json import NotStrictJson, parse_object
from backstay.tokens.refresh import RefreshSecrets

KEY = generate_key("HS256", kid="k")
VERIFIER = StrictVerifier(KeyRing([KEY]))
PROFILE = TokenProfile.access(issuer="i", audience="a")
SECRETS = RefreshSecrets({"a": b"a" * 32}, current="a")

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=5), v, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    [
        *("alg", "typ", "kid", "crit", "zip", "jwk", "iss", "sub", "aud", "exp", "nbf", "iat"),
        *("jti", "scope", "epoch", "roles", "cnf", "sid"),
    ]
)
objects = st.dictionaries(names | st.text(max_size=4), values, max_size=10)


def sign(head: bytes, body: bytes) -> str:
    data = b64.encode(head) + b"." + b64.encode(body)
    return (data + b"." + b64.encode(KEY.sign(data))).decode()


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200) | st.binary(max_size=100) | st.text(alphabet="aAbc.-_=+/", max_size=60))
def test_any_text(token) -> None:
    for read in (
        lambda: VERIFIER.verify(token, expect=PROFILE),
        lambda: SECRETS.read(token),
        lambda: read_proof(token, method="GET", url="https://x", now=0.0),
    ):
        with pytest.raises(InvalidToken):
            read()


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(objects, objects, st.booleans())
def test_any_signed_object(head: dict, body: dict, good_head: bool) -> None:
    if good_head:
        head = {"alg": "HS256", "typ": "at+jwt", "kid": "k"}
    with pytest.raises(InvalidToken):  # the issuer "i" is never drawn together with all the other claims
        VERIFIER.verify(sign(json.dumps(head).encode(), json.dumps(body).encode()), expect=PROFILE)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_signed_bytes(body: bytes) -> None:
    head = b'{"alg":"HS256","typ":"at+jwt","kid":"k"}'
    with pytest.raises(InvalidToken):
        VERIFIER.verify(sign(head, body), expect=PROFILE)
    with pytest.raises(InvalidToken):
        VERIFIER.verify(sign(body, head), expect=PROFILE)


@settings(max_examples=500)
@given(values)
def test_the_json_that_is_accepted_is_what_the_standard_library_reads(value) -> None:
    raw = json.dumps({"v": value}).encode()
    try:
        assert parse_object(raw) == json.loads(raw)
    except NotStrictJson:
        assert any(word in raw for word in (b"NaN", b"Infinity", b"\\ud")) or raw.count(b"[") + raw.count(b"{") > 16


@given(objects)
def test_fast_and_slow_json_agree(value: dict) -> None:
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    spaced = json.dumps(value, indent=1)
    results = []
    for text in (compact, spaced):
        try:
            results.append(parse_object(text.encode("utf-8", "surrogatepass")))
        except NotStrictJson:
            results.append(None)
    assert results[0] == results[1]


@settings(max_examples=500)
@given(st.binary(max_size=64))
def test_base64url_has_one_text_for_each_value(raw: bytes) -> None:
    text = b64.encode(raw)
    assert text == base64.urlsafe_b64encode(raw).rstrip(b"=")
    assert b64.decode(text) == raw


@settings(max_examples=500)
@given(st.binary(max_size=20) | st.text(alphabet="AQgw-_+/=Z9", max_size=12).map(str.encode))
def test_base64url_accepts_only_what_it_writes(text: bytes) -> None:
    try:
        raw = b64.decode(text)
    except b64.NotBase64Url:
        return
    assert b64.encode(raw) == text
