"""Wycheproof's and the RFCs' vectors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backstay.errors import InvalidToken, KeyRejected
from backstay.tokens.checks import verify_signature
from backstay.tokens.jose import import_jwk, import_keys, thumbprint

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


def test_rfc_signatures() -> None:
    for vector in load("rfc_vectors.json")["jws"]:
        jwk = vector.get("jwk", {"kty": "oct", "k": "A" * 42 + "Q"})
        alg = vector["alg"] if vector["alg"] != "none" else "HS256"
        key = import_jwk(jwk, alg=alg, kid="the-key")
        assert accepted(lambda key=key: [key], vector["jws"]) is (vector["expect"] == "accept"), vector["id"]


def test_rfc_thumbprints() -> None:
    for vector in load("rfc_vectors.json")["thumbprints"]:
        assert thumbprint(vector["jwk"]) == vector["sha256"]
