"""Wycheproof's and the RFCs' vectors."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path

import anyio
import pytest

from backstay.errors import InvalidToken, KeyRejected, TokenReason
from backstay.tokens import JwtCodec, KeyRing, TokenProfile, base64url
from backstay.tokens.checks import verify_signature
from backstay.tokens.jose import generate_key, import_jwk, import_keys, thumbprint
from backstay.tokens.jwe import JweCodec

PROFILE = TokenProfile.access(issuer="i", audience="a")
VECTORS = Path(os.environ.get("BACKSTAY_VECTORS", "../shared/vectors")) / "jose"


def load(name: str):
    path = VECTORS / name
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"the vectors {name} are missing; set BACKSTAY_VECTORS")
        pytest.skip(f"no vectors: {name}")
    return json.loads(path.read_text())


def accepted(keys, jws: str) -> bool:
    """Whether any check refuses: at the import of the key, or at the verification."""
    try:
        (key,) = [k for k in keys() if k.kid == kid_of(jws)] or keys()[:1]
        verify_signature(jws, key)
    except (KeyRejected, InvalidToken):
        return False
    return True


def kid_of(jws: str) -> object:
    import base64

    try:
        head = jws.split(".", maxsplit=1)[0]
        return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("kid")
    except (ValueError, AttributeError):
        return None


def test_wycheproof_signatures() -> None:
    overrides = load("wycheproof_overrides.json")["skip_or_override"]
    wrong, seen = [], 0
    for group in load("wycheproof_json_web_signature.json")["testGroups"]:
        jwk = group.get("public") or group["private"]
        for case in group["tests"]:
            seen += 1
            override = overrides.get(str(case["tcId"]))
            expected = override["expect"] == "accept" if override else case["result"] == "valid"
            jws = case["jws"] if isinstance(case["jws"], str) else json.dumps(case["jws"])
            if accepted(lambda jwk=jwk: [import_jwk(jwk)], jws) is not expected:
                wrong.append((case["tcId"], case["comment"], expected))
    assert seen == 401
    assert wrong == []


def test_wycheproof_keys() -> None:
    wrong, seen = [], 0
    for group in load("wycheproof_json_web_key.json")["testGroups"]:
        jwks = group.get("public") or group["private"]
        jwks = jwks if "keys" in jwks else {"keys": [jwks]}
        for case in group["tests"]:
            seen += 1
            if accepted(lambda jwks=jwks: import_keys(jwks), case["jws"]) is not (case["result"] == "valid"):
                wrong.append((case["tcId"], group["comment"], case["comment"]))
    assert seen == 26
    assert wrong == []


def cases_of(name: str, member: str):
    """Each vector of a file that has this member, with its key or key set."""
    for group in load(name)["testGroups"]:
        for case in group["tests"]:
            if member in case:
                yield group.get("public") or group["private"], group["private"], case


def as_text(token: object) -> str:
    return token if isinstance(token, str) else json.dumps(token)


def test_wycheproof_crypto_signatures() -> None:
    wrong, seen = [], 0
    for public, _, case in cases_of("wycheproof_json_web_crypto.json", "jws"):
        seen += 1
        jwks = public if "keys" in public else {"keys": [public]}
        if accepted(lambda jwks=jwks: import_keys(jwks), as_text(case["jws"])) is not (case["result"] == "valid"):
            wrong.append((case["tcId"], case["comment"], case["result"]))
    assert seen == 49
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "count"), [("wycheproof_json_web_encryption.json", 139), ("wycheproof_json_web_crypto.json", 34)]
)
def test_wycheproof_encryption_is_refused_whatever_it_is(name: str, count: int) -> None:
    """Ours is `dir` with A256GCM. Everything else is refused by its header, the valid and the oracles alike.

    So no padding is looked at, no iteration counted, no curve point multiplied, nothing inflated: each vector is
    refused before any key of its own kind could be used, for a reason that does not depend on what it hides.
    """
    reasons: dict[str, set[TokenReason]] = {"valid": set(), "invalid": set()}
    seen = 0
    for _, private, case in cases_of(name, "jwe"):
        seen += 1
        token = as_text(case["jwe"])
        with pytest.raises(InvalidToken) as refused:
            anyio.run(partial(jwe_for(private, token).decode, token, expect=PROFILE))
        reasons[case["result"]].add(refused.value.reason)
    assert seen == count
    assert TokenReason.DECRYPTION not in reasons["valid"] | reasons["invalid"]
    assert reasons["valid"] <= {TokenReason.ALGORITHM, TokenReason.MALFORMED}  # with `dir` there is no wrapped key


def jwe_for(private: dict, token: str) -> JweCodec:
    """A codec that has the vector's own key, where it has the right length, under the very kid that it names."""
    secret = base64url.decode(private["k"].encode()) if private["kty"] == "oct" else b""
    kid = kid_of(token)
    key = secret if len(secret) == 32 else b"k" * 32
    return JweCodec(JwtCodec(KeyRing([generate_key("HS256", kid="k")])), {str(kid): key}, current=str(kid))


def test_a_vectors_key_would_have_been_good_for_ours() -> None:
    """What the test above refuses it does not refuse for want of a key."""
    _, private, case = next(cases_of("wycheproof_json_web_encryption.json", "jwe"))
    codec = jwe_for(private, case["jwe"])
    now = int(time.time())
    claims = {"iss": "i", "aud": "a", "sub": "u", "client_id": "c", "iat": now, "exp": now + 60, "jti": "j"}

    async def there_and_back() -> None:
        token = await codec.encode(claims, profile=PROFILE)
        assert kid_of(token) == private["kid"]
        assert (await codec.decode(token, expect=PROFILE)).subject == "u"

    anyio.run(there_and_back)


def test_rfc_signatures() -> None:
    for vector in load("rfc_vectors.json")["jws"]:
        jwk = vector.get("jwk", {"kty": "oct", "k": "A" * 42 + "Q"})
        alg = vector["alg"] if vector["alg"] != "none" else "HS256"
        key = import_jwk(jwk, alg=alg, kid="the-key")
        assert accepted(lambda key=key: [key], vector["jws"]) is (vector["expect"] == "accept"), vector["id"]


def test_rfc_thumbprints() -> None:
    for vector in load("rfc_vectors.json")["thumbprints"]:
        assert thumbprint(vector["jwk"]) == vector["sha256"]
