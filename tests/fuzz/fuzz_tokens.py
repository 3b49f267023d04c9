"""Whatever is presented, only InvalidToken comes out: looked for by atheris, which follows the coverage.

    python tests/fuzz/fuzz_tokens.py -max_total_time=600

The first byte chooses the door: the raw text; a header, or a payload, that is signed with a good key and so gets
past the signature; the text of a refresh token, of a proof of possession, of an encrypted token; JSON alone, where
the short and the long way of reading claims must agree.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["backstay"]):
    from backstay.errors import InvalidToken
    from backstay.tokens import (
        JwtCodec,
        KeyRing,
        RefreshSecrets,
        StrictVerifier,
        TokenProfile,
        VerifiedCache,
        checks,
    )
    from backstay.tokens import base64url as b64
    from backstay.tokens.dpop import read_proof
    from backstay.tokens.jose import generate_key
    from backstay.tokens.json import NotStrictJson, parse_object
    from backstay.tokens.jwe import JweCodec

KEY = generate_key("HS256", kid="k")
RING = KeyRing([KEY])
PROFILE = TokenProfile.access(issuer="i", audience="a")
VERIFIER = StrictVerifier(RING, cache=VerifiedCache())
SECRETS = RefreshSecrets({"a": b"a" * 32}, current="a")
SEALED = JweCodec(JwtCodec(RING), {"e": b"e" * 32}, current="e")
HEAD = b'{"alg":"HS256","typ":"at+jwt","kid":"k"}'
NOW = 1_700_000_000.0


def signed(head: bytes, body: bytes) -> str:
    data = b64.encode(head) + b"." + b64.encode(body)
    return (data + b"." + b64.encode(KEY.sign(data))).decode()


def verify(text: str) -> None:
    checks.verify(text, RING, PROFILE, NOW, checks.HeaderMemo())


def both_ways(raw: bytes) -> None:
    """What the short way accepts, the long way accepts, and reads as the standard library does."""
    found = checks.read_plain_claims(raw, PROFILE)
    try:
        members = parse_object(raw)
    except NotStrictJson:
        if found is not None:
            raise AssertionError("the short way accepted what the long way refuses") from None
        raise InvalidToken(checks.Reason.JSON) from None
    if found is not None and checks.check_claim_types(members) != found:
        raise AssertionError("the two ways read different claims")
    if members != json.loads(raw):
        raise AssertionError("the standard library reads something else")


DOORS = (
    lambda raw: VERIFIER.verify(raw.decode("utf-8", "surrogateescape"), expect=PROFILE),
    lambda raw: verify(signed(HEAD, raw)),
    lambda raw: verify(signed(raw, b"{}")),
    lambda raw: SECRETS.read(raw.decode("latin-1")),
    lambda raw: read_proof(raw.decode("latin-1"), method="GET", url="https://x", now=NOW),
    lambda raw: SEALED._decrypt(raw.decode("latin-1"), PROFILE),
    both_ways,
)


def one(data: bytes) -> None:
    if data:
        with suppress(InvalidToken):
            DOORS[data[0] % len(DOORS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
