"""Every class of attack on an access token, each with the reason for which it must be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from backstay.clock import ManualClock
from backstay.errors import InvalidToken
from backstay.errors import TokenReason as R
from backstay.tokens import JwtCodec, KeyRing, StrictVerifier, TokenProfile
from backstay.tokens.jose import generate_key

NOW = 1_800_000_000
KEY = generate_key("ES256", kid="k1")
OTHER = generate_key("ES256", kid="k2")
EDWARDS = generate_key("EdDSA", kid="ed")
RSA = generate_key("RS256", kid="rsa", bits=2048)
STRANGER = generate_key("ES256", kid="k1")
PROFILE = TokenProfile.access(issuer="https://issuer.example", audience="api")
RING = KeyRing([KEY, OTHER, EDWARDS, RSA])
HEAD = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "api",
    "sub": "user-1",
    "client_id": "web",
    "iat": NOW,
    "exp": NOW + 600,
    "jti": "id-1",
}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(head: object = HEAD, claims: object = CLAIMS, key=KEY) -> str:
    """A token of whatever is given: objects as JSON, bytes as they are."""
    head_raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    body_raw = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    data = f"{b64(head_raw)}.{b64(body_raw)}"
    return f"{data}.{b64(key.sign(data.encode()))}"


def head(**changes: object) -> str:
    return sign(head={k: v for k, v in {**HEAD, **changes}.items() if v is not ...})


def claims(**changes: object) -> str:
    return sign(claims={k: v for k, v in {**CLAIMS, **changes}.items() if v is not ...})


def raw_claims(extra: bytes) -> str:
    return sign(claims=json.dumps(CLAIMS).encode()[:-1] + b"," + extra + b"}")


def raw_head(extra: bytes) -> str:
    return sign(head=json.dumps(HEAD).encode()[:-1] + b"," + extra + b"}")


def verdict(token: object, at: float = NOW + 1, profile: TokenProfile = PROFILE) -> R | None:
    clock = ManualClock(datetime.fromtimestamp(at, UTC))
    try:
        StrictVerifier(RING, clock=clock).verify(token, expect=profile)
    except InvalidToken as exc:
        return exc.reason
    return None


GOOD = sign()
SEGMENTS = GOOD.split(".")
DER_SIGNATURE = KEY._private.sign(".".join(SEGMENTS[:2]).encode(), KEY._scheme)


def mac_with(secret: bytes, alg: str = "HS256", kid: str = "k1") -> str:
    data = f"{b64(json.dumps({**HEAD, 'alg': alg, 'kid': kid}).encode())}.{SEGMENTS[1]}"
    return f"{data}.{b64(hmac.new(secret, data.encode(), hashlib.sha256).digest())}"


def public_forms(key) -> list[bytes]:
    public = key._public
    enc, fmt = serialization.Encoding, serialization.PublicFormat
    pem = public.public_bytes(enc.PEM, fmt.SubjectPublicKeyInfo)
    forms = [pem, pem.strip(), pem.replace(b"\n", b"\r\n"), json.dumps(dict(key.public_jwk)).encode()]
    forms.append(public.public_bytes(enc.DER, fmt.SubjectPublicKeyInfo))
    forms.append(public.public_bytes(enc.OpenSSH, fmt.OpenSSH))
    if key is RSA:
        forms.append(public.public_bytes(enc.PEM, fmt.PKCS1))
        forms.append(base64.urlsafe_b64decode(key.public_jwk["n"] + "=="))
    if key is KEY:
        forms.append(public.public_bytes(enc.X962, fmt.UncompressedPoint))
    return forms


ACCEPTED = {
    "plain": GOOD,
    "ed25519 under its old name": sign(head={**HEAD, "alg": "EdDSA", "kid": "ed"}, key=EDWARDS),
    "ed25519 under its new name": sign(head={**HEAD, "alg": "Ed25519", "kid": "ed"}, key=EDWARDS),
    "rs256": sign(head={**HEAD, "alg": "RS256", "kid": "rsa"}, key=RSA),
    "full media type, other case": head(typ="application/AT+JWT"),
    "unknown header member": head(x="y"),
    "aud list with ours": claims(aud=["other", "api"]),
    "exp as a float": claims(exp=NOW + 600.5),
    "sub beyond ascii": claims(sub="名前 é 👩‍👩‍👧"),
    "sub escaped": raw_claims(b'"x":"\\u00e9"'),
    "unknown claims, nested": claims(x={"a": [1, 2, {"b": None}]}),
    "many but shallow": claims(x=[[i] for i in range(100)]),
    "brackets in a text": claims(x="[" * 200),
    "escaped quotes in a text": claims(x=['\\"' * 5] + [[]] * 20),
    "big whole number in an unknown claim": claims(x=10**30),
    "insignificant whitespace": sign(claims=json.dumps(CLAIMS, indent=2).encode()),
    "nbf now": claims(nbf=NOW),
    "iat a little ahead": claims(iat=NOW + 20),
    "scope empty": claims(scope=""),
}

REFUSED: dict[str, tuple[object, R]] = {
    # the text
    "empty": ("", R.MALFORMED),
    "no str": (b"a.b.c", R.MALFORMED),
    "none": (None, R.MALFORMED),
    "two segments": (".".join(SEGMENTS[:2]), R.MALFORMED),
    "four segments": (GOOD + ".x", R.MALFORMED),
    "five segments (jwe)": ("a.b.c.d.e", R.MALFORMED),
    "json serialisation": (json.dumps({"payload": SEGMENTS[1], "signatures": []}), R.MALFORMED),
    "beyond ascii": (GOOD + "é", R.MALFORMED),
    "lone surrogate": (GOOD + "\ud800", R.MALFORMED),
    "a megabyte": ("a" * 1_000_000, R.TOO_LARGE),
    "header of nine kilobytes": (head(x="y" * 9000), R.TOO_LARGE),
    "header of three kilobytes": (head(x="y" * 3000), R.TOO_LARGE),
    # encoding
    "padding": (GOOD + "=", R.ENCODING),
    "trailing newline": (GOOD + "\n", R.ENCODING),
    "leading space": (" " + GOOD, R.ENCODING),
    "space inside": (SEGMENTS[0] + "." + SEGMENTS[1] + ". " + SEGMENTS[2], R.ENCODING),
    "standard alphabet": (f"{SEGMENTS[0]}.{SEGMENTS[1]}.{'+/' + SEGMENTS[2][2:]}", R.ENCODING),
    "trailing text": (GOOD + "xx!", R.ENCODING),
    "meaningless bits": (GOOD[:-1] + chr(ord(GOOD[-1]) + 1), R.ENCODING),
    "impossible length": (f"{SEGMENTS[0]}.{SEGMENTS[1]}.a", R.ENCODING),
    # header
    "header no json": (sign(head=b"{"), R.JSON),
    "header a list": (sign(head=b"[]"), R.JSON),
    "header twice the alg": (raw_head(b'"alg":"none"'), R.JSON),
    "header twice the kid, escaped": (raw_head(b'"k\\u0069d":"k2"'), R.JSON),
    "header deep": (raw_head(b'"x":' + b"[" * 300 + b"]" * 300), R.JSON),
    "header utf-16": (sign(head=json.dumps(HEAD).encode("utf-16")), R.JSON),
    "header bom": (sign(head=b"\xef\xbb\xbf" + json.dumps(HEAD).encode()), R.JSON),
    "crit unknown": (head(crit=["x"], x=1), R.CRITICAL),
    "crit empty": (head(crit=[]), R.CRITICAL),
    "crit text": (head(crit="exp"), R.CRITICAL),
    "crit standard name": (head(crit=["alg"]), R.CRITICAL),
    "crit b64": (head(crit=["b64"], b64=False), R.CRITICAL),
    "b64 alone": (head(b64=False), R.HEADER),
    "b64 true": (head(b64=True), R.HEADER),
    "zip": (head(zip="DEF"), R.HEADER),
    "enc": (head(enc="A128GCM"), R.HEADER),
    "jku": (head(jku="https://evil.example"), R.HEADER),
    "x5u": (head(x5u="https://evil.example"), R.HEADER),
    "x5c": (head(x5c=["MII"]), R.HEADER),
    "nested jwt": (head(cty="JWT"), R.HEADER),
    "embedded key": (
        sign(head={**HEAD, "jwk": dict(STRANGER.public_jwk or {})}, key=STRANGER),
        R.HEADER,
    ),
    **{f"alg {a!r}": (head(alg=a), R.ALGORITHM) for a in ("none", "None", "NONE", "nOnE", "", "es256", " ES256")},
    **{f"alg {a!r}": (head(alg=a), R.ALGORITHM) for a in (None, ["ES256"], 1, {}, True, "RSA1_5", "dir", "HS1")},
    "alg missing": (head(alg=...), R.ALGORITHM),
    "alg of another key": (head(alg="ES384"), R.ALGORITHM),
    "alg none without signature": (
        f"{b64(json.dumps({**HEAD, 'alg': 'none'}).encode())}.{SEGMENTS[1]}.",
        R.ALGORITHM,
    ),
    "pss for pkcs1": (sign(head={**HEAD, "alg": "PS256", "kid": "rsa"}, key=RSA), R.ALGORITHM),
    "rs512 for rs256": (sign(head={**HEAD, "alg": "RS512", "kid": "rsa"}, key=RSA), R.ALGORITHM),
    **{f"kid {k!r}": (head(kid=k), R.UNKNOWN_KEY) for k in ("../k1", "k1' or 1=1", "k1\r\n", "k1\0", "K1", "")},
    **{f"kid {k!r}": (head(kid=k), R.UNKNOWN_KEY) for k in ("https://x/k1", 1, ["k1"], None, {}, "k" * 1100)},
    "kid missing": (head(kid=...), R.UNKNOWN_KEY),
    "kid of another of our keys": (head(kid="k2"), R.SIGNATURE),
    **{
        f"typ {t!r}": (head(typ=t), R.TYPE)
        for t in ("JWT", "", None, 1, ["at+jwt"], "rt+jwt", "dpop+jwt", "logout+jwt", "id", "xat+jwt")
    },
    "typ missing": (head(typ=...), R.TYPE),
    # signature
    "stranger's key": (sign(key=STRANGER), R.SIGNATURE),
    "empty signature": (f"{SEGMENTS[0]}.{SEGMENTS[1]}.", R.SIGNATURE),
    "psychic": (f"{SEGMENTS[0]}.{SEGMENTS[1]}.{b64(bytes(64))}", R.SIGNATURE),
    "too large r and s": (f"{SEGMENTS[0]}.{SEGMENTS[1]}.{b64(bytes([255]) * 64)}", R.SIGNATURE),
    "long ecdsa": (
        f"{SEGMENTS[0]}.{SEGMENTS[1]}.{b64(bytes(1) + base64.urlsafe_b64decode(SEGMENTS[2] + '=='))}",
        R.SIGNATURE,
    ),
    "payload of another": (
        f"{SEGMENTS[0]}.{b64(json.dumps({**CLAIMS, 'sub': 'admin'}).encode())}.{SEGMENTS[2]}",
        R.SIGNATURE,
    ),
    "der instead of raw": (
        f"{SEGMENTS[0]}.{SEGMENTS[1]}.{b64(DER_SIGNATURE)}",
        R.SIGNATURE,
    ),
    **{
        f"public key of {key.kid} as a secret, form {i}": (mac_with(form, kid=key.kid), R.ALGORITHM)
        for key in (KEY, RSA)
        for i, form in enumerate(public_forms(key))
    },
    "empty secret": (mac_with(b""), R.ALGORITHM),
    # payload
    "payload empty": (sign(claims=b""), R.JSON),
    "payload a list": (sign(claims=b"[]"), R.JSON),
    "payload a text": (sign(claims=b'"x"'), R.JSON),
    "payload twice sub": (raw_claims(b'"sub":"admin"'), R.JSON),
    "payload twice sub, escaped": (raw_claims(b'"s\\u0075b":"admin"'), R.JSON),
    "payload twice, nested": (raw_claims(b'"x":{"a":1,"a":2}'), R.JSON),
    "payload twice, equal": (raw_claims(b'"jti":"id-1"'), R.JSON),
    "payload utf-16": (sign(claims=json.dumps(CLAIMS).encode("utf-16")), R.JSON),
    "payload utf-32": (sign(claims=json.dumps(CLAIMS).encode("utf-32-le")), R.JSON),
    "payload bom": (sign(claims=b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode()), R.JSON),
    "payload bad utf-8": (raw_claims(b'"x":"\xff"'), R.JSON),
    "payload overlong utf-8": (raw_claims(b'"x":"\xc0\xaf"'), R.JSON),
    "payload surrogate in utf-8": (raw_claims(b'"x":"\xed\xa0\x80"'), R.JSON),
    "payload lone surrogate": (raw_claims(b'"x":"\\ud800"'), R.JSON),
    "payload lone surrogate as a name": (raw_claims(b'"\\udfff":1'), R.JSON),
    "payload nan": (raw_claims(b'"x":NaN'), R.JSON),
    "payload infinity": (raw_claims(b'"x":-Infinity'), R.JSON),
    "payload 1e400": (raw_claims(b'"x":1e400'), R.JSON),
    "payload deep": (raw_claims(b'"x":' + b"[" * 2000 + b"]" * 2000), R.JSON),
    "payload deep objects": (raw_claims(b'"x":' + b'{"a":' * 500 + b"1" + b"}" * 500), R.JSON),
    "payload huge number": (raw_claims(b'"x":' + b"9" * 5000), R.JSON),
    "payload comment": (raw_claims(b'"x":1/**/'), R.JSON),
    "payload trailing comma": (raw_claims(b'"x":1,'), R.JSON),
    "payload trailing text": (sign(claims=json.dumps(CLAIMS).encode() + b"x"), R.JSON),
    "payload single quotes": (sign(claims=b"{'sub':'x'}"), R.JSON),
    "payload raw newline": (raw_claims(b'"x":"\n"'), R.JSON),
    # claims
    **{f"exp {v!r}": (claims(exp=v), R.CLAIM) for v in ("1900000000", True, None, [], {}, -1, 2**60, 10**400)},
    **{f"nbf {v!r}": (claims(nbf=v), R.CLAIM) for v in ("0", False, None, [], -5)},
    **{f"iat {v!r}": (claims(iat=v), R.CLAIM) for v in ("0", True, None, {}, 2.0**70)},
    **{
        f"sub {v!r}": (claims(sub=v), R.CLAIM)
        for v in (1, None, ["user-1"], True, {}, "", "a\0b", "a\nb", "x" * 2000)
    },
    **{f"aud {v!r}": (claims(aud=v), R.CLAIM) for v in (1, None, [], ["api", 1], {}, [["api"]], "", ["api", None])},
    **{f"iss {v!r}": (claims(iss=v), R.CLAIM) for v in (1, None, ["https://issuer.example"], {}, "")},
    **{f"jti {v!r}": (claims(jti=v), R.CLAIM) for v in (1, None, "", ["x"])},
    **{f"scope {v!r}": (claims(scope=v), R.CLAIM) for v in (1, ["a"], {}, None)},
    **{f"epoch {v!r}": (claims(epoch=v), R.CLAIM) for v in (-1, 1.5, "1", True)},
    "sid list": (claims(sid=["x"]), R.CLAIM),
    "roles text": (claims(roles="admin"), R.CLAIM),
    "cnf text": (claims(cnf="x"), R.CLAIM),
    **{f"without {name}": (claims(**{name: ...}), R.MISSING_CLAIM) for name in CLAIMS},
    **{
        f"iss {v!r}": (claims(iss=v), R.ISSUER)
        for v in (
            "https://issuer.example/",
            "https://issuer",
            "HTTPS://ISSUER.EXAMPLE",
            "https://issuer.example.evil",
        )
    },
    **{
        f"aud {v!r}": (claims(aud=v), R.AUDIENCE)
        for v in ("API", "ap", "api ", ["other"], "other", ["a", "p", "i"])
    },
    "expired": (claims(iat=NOW - 700, exp=NOW - 100), R.EXPIRED),
    "exp zero": (claims(exp=0), R.EXPIRED),
    "not yet": (claims(nbf=NOW + 100), R.NOT_YET_VALID),
    "issued in the future": (claims(iat=NOW + 100), R.NOT_YET_VALID),
    "lives too long": (claims(exp=NOW + 3601), R.LIFETIME),
    "ends before it begins": (claims(iat=NOW + 10, exp=NOW + 5), R.LIFETIME),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_token_is_accepted(name: str) -> None:
    assert verdict(ACCEPTED[name]) is None


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_token_is_refused_for_its_reason(name: str) -> None:
    token, reason = REFUSED[name]
    assert verdict(token) is reason


def test_an_expiry_counts_to_the_last_moment_of_the_leeway() -> None:
    assert verdict(GOOD, at=NOW + 629.999) is None
    assert verdict(GOOD, at=NOW + 630) is R.EXPIRED


def test_a_beginning_counts_from_the_first_moment_of_the_leeway() -> None:
    token = claims(nbf=NOW)
    assert verdict(token, at=NOW - 30) is None
    assert verdict(token, at=NOW - 30.001) is R.NOT_YET_VALID


def test_a_maximum_age_is_counted_from_issuing() -> None:
    profile = TokenProfile(
        typ="at+jwt",
        issuer="https://issuer.example",
        audience=frozenset({"api"}),
        max_age=timedelta(seconds=60),
        leeway=timedelta(0),
    )
    assert verdict(GOOD, at=NOW + 60, profile=profile) is None
    assert verdict(GOOD, at=NOW + 61, profile=profile) is R.EXPIRED


def test_every_flipped_bit_is_refused() -> None:
    raw = GOOD.encode()
    for index in range(len(raw)):
        for bit in range(7):
            changed = bytearray(raw)
            changed[index] ^= 1 << bit
            assert verdict(changed.decode("ascii")) is not None


def test_every_reason_has_the_same_public_text() -> None:
    assert {str(InvalidToken(reason)) for reason in R} == {"the token is not accepted"}


def test_what_the_codec_issues_it_accepts_and_what_it_would_refuse_it_does_not_issue() -> None:
    codec = JwtCodec(RING, clock=ManualClock(datetime.fromtimestamp(NOW, UTC)))
    token = codec.encode_now(CLAIMS, profile=PROFILE)
    verified = codec.verifier.verify(token, expect=PROFILE)
    assert verified.subject == "user-1"
    assert verified.claims == CLAIMS
    with pytest.raises(ValueError, match="audience"):
        codec.encode_now({**CLAIMS, "aud": "other"}, profile=PROFILE)
    assert token not in repr(verified)
    assert SEGMENTS[1] not in repr(verified)


def test_claims_handed_out_are_nobody_elses() -> None:
    codec = StrictVerifier(RING, clock=ManualClock(datetime.fromtimestamp(NOW, UTC)))
    verified = codec.verify(claims(x=[1]), expect=PROFILE)
    verified.claims["x"].append(2)
    assert verified.claims["x"] == [1]
