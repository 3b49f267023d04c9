"""Key rings, requirements, proofs, opaque and encrypted tokens, and the memory of verified ones."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from backstay.clock import ManualClock
from backstay.errors import (
    InsufficientPermission,
    InvalidToken,
    KeyRejected,
    NotConfiguredError,
    TokenReason,
)
from backstay.errors import TokenReason as R
from backstay.tokens import JwtCodec, KeyRing, RingKey, Stage, TokenProfile, VerifiedCache
from backstay.tokens.dpop import DpopNonces, DpopVerifier, check_binding, read_proof
from backstay.tokens.jose import generate_key, import_jwk, import_pem
from backstay.tokens.jwe import JweCodec
from backstay.tokens.memory import MemoryTokenStore
from backstay.tokens.opaque import OpaqueTokens
from backstay.tokens.requirements import (
    Grants,
    all_of,
    any_of,
    authenticated,
    evaluate,
    met,
    not_,
    permission,
    require,
    role,
    scope,
    scopes_of,
)

NOW = 1_800_000_000
ES = generate_key("ES256", kid="es")
PROFILE = TokenProfile.access(issuer="https://issuer.example", audience="api")


def clock_at(at: float = NOW) -> ManualClock:
    return ManualClock(datetime.fromtimestamp(at, UTC))


def claims(**changes):
    return {
        "iss": "https://issuer.example",
        "aud": "api",
        "sub": "user-1",
        "client_id": "web",
        "iat": NOW,
        "exp": NOW + 600,
        "jti": "id-1",
        **changes,
    }


def reason(call, *args, **kwargs) -> TokenReason | None:
    try:
        result = call(*args, **kwargs)
        if hasattr(result, "__await__"):

            async def wait():
                return await result

            anyio.run(wait)
    except InvalidToken as exc:
        return exc.reason
    return None


# ---- keys


def test_a_rotation_leaves_no_gap() -> None:
    clock = clock_at()
    ring = KeyRing([ES], clock=clock)
    codec = JwtCodec(ring, clock=clock)
    new = generate_key("ES256", kid="new")
    ring.rotate(new, publish_for=timedelta(minutes=10), keep_for=timedelta(minutes=11))
    assert [e.stage(clock.now()) for e in ring.entries] == [Stage.ACTIVE, Stage.PENDING]
    tokens = []
    for _ in range(25):
        at = int(clock.now().timestamp())
        tokens.append((codec.encode_now(claims(iat=at, exp=at + 600), profile=PROFILE), at + 600))
        for token, expires in tokens:
            if clock.now().timestamp() < expires:
                codec.verifier.verify(token, expect=PROFILE)
        clock.advance(60)
    assert [e.stage(clock.now()) for e in ring.entries] == [Stage.GONE, Stage.ACTIVE]
    assert ring.verification_key("es") is None
    assert [jwk["kid"] for jwk in ring.jwks()["keys"]] == ["new"]


def test_both_halves_are_published_only_of_what_is_public() -> None:
    ring = KeyRing([ES])
    assert "d" not in ring.jwks()["keys"][0]
    assert ring.jwks()["keys"][0]["kid"] == "es"
    assert KeyRing([generate_key("HS256")]).jwks() == {"keys": []}


def test_a_ring_refuses_ambiguity_and_mixtures() -> None:
    with pytest.raises(KeyRejected):
        KeyRing([ES, generate_key("EdDSA", kid="es")])
    with pytest.raises(KeyRejected):
        KeyRing([ES, generate_key("HS256")])


def test_a_ring_without_an_active_key_says_so() -> None:
    later = RingKey(key=ES, signs_from=datetime.fromtimestamp(NOW + 60, UTC))
    with pytest.raises(NotConfiguredError):
        KeyRing([later], clock=clock_at()).signing_key()
    with pytest.raises(KeyRejected):
        JwtCodec(KeyRing([import_jwk(dict(ES.public_jwk))]), clock=clock_at()).encode_now(claims(), profile=PROFILE)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed448", "RS256", "PS512", "HS512"])
def test_every_algorithm_signs_verifies_and_survives_a_file(alg: str) -> None:
    key = generate_key(alg, bits=2048)
    again = import_jwk(json.loads(json.dumps(key.private_jwk())))
    assert again.verify(b"data", key.sign(b"data"))
    assert not again.verify(b"other", key.sign(b"data"))
    assert (again.kid, again.alg) == (key.kid, key.alg)


def test_pem_is_read_for_one_algorithm_only() -> None:
    from cryptography.hazmat.primitives import serialization as s

    pem = ES._private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    assert import_pem(pem, alg="ES256").verify(b"x", ES.sign(b"x"))
    for alg in ("RS256", "ES384", "EdDSA", "HS256", "none"):
        with pytest.raises(KeyRejected):
            import_pem(pem, alg=alg)
    with pytest.raises(KeyRejected) as caught:
        import_pem(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", alg="ES256")
    assert "c2VjcmV0" not in str(caught.value)
    secret = base64.urlsafe_b64encode(pem).decode().rstrip("=")
    with pytest.raises(KeyRejected):
        import_jwk({"kty": "oct", "alg": "HS256", "kid": "x", "k": secret})


def test_a_signer_elsewhere_signs_for_a_ring_that_only_verifies() -> None:
    class Kms:
        kid, alg = "es", "ES256"

        async def sign(self, data: bytes, /) -> bytes:
            return ES.sign(data)

    async def check() -> None:
        codec = JwtCodec(KeyRing([import_jwk(dict(ES.public_jwk))]), clock=clock_at(), signer=Kms())
        token = await codec.encode(claims(), profile=PROFILE)
        assert (await codec.decode(token, expect=PROFILE)).subject == "user-1"

    anyio.run(check)


# ---- the memory of verified tokens


def test_a_hit_is_judged_again_in_all_but_its_signature() -> None:
    clock = clock_at()
    ring, cache = KeyRing([ES], clock=clock), VerifiedCache(size=2, max_age=60)
    codec = JwtCodec(ring, clock=clock, cache=cache)
    token = codec.encode_now(claims(exp=NOW + 20), profile=PROFILE)
    first = codec.verifier.verify(token, expect=PROFILE)
    assert codec.verifier.verify(token, expect=PROFILE) is first
    other = TokenProfile.access(issuer="https://issuer.example", audience="another")
    assert reason(codec.verifier.verify, token, expect=other) is R.AUDIENCE
    codec.verifier.verify(token, expect=PROFILE)
    ring.replace([generate_key("ES256", kid="new")])
    assert reason(codec.verifier.verify, token, expect=PROFILE) is R.UNKNOWN_KEY
    ring.replace([ES])
    codec.verifier.verify(token, expect=PROFILE)
    clock.advance(50)
    assert reason(codec.verifier.verify, token, expect=PROFILE) is R.EXPIRED


def test_the_memory_is_bounded_and_holds_no_refused_token() -> None:
    cache = VerifiedCache(size=2)
    codec = JwtCodec(KeyRing([ES]), clock=clock_at(), cache=cache)
    for number in range(5):
        codec.verifier.verify(codec.encode_now(claims(jti=f"id-{number}"), profile=PROFILE), expect=PROFILE)
    assert len(cache) == 2
    good = codec.encode_now(claims(), profile=PROFILE)
    cache.clear()
    for bad in (good + "x", good[:-1] + "!", "a.b.c", "é", good * 100):
        assert reason(codec.verifier.verify, bad, expect=PROFILE) is not None
    assert len(cache) == 0


# ---- requirements

GRANTS = Grants(
    scopes=frozenset({"read", "write"}),
    roles=frozenset({"editor"}),
    permissions=frozenset({"orders.view"}),
    acr="pwd",
    amr=frozenset({"pwd"}),
    auth_time=NOW - 100,
)


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        (scope("read"), True),
        (scope("admin"), False),
        (role("editor"), True),
        (role("read"), False),
        (permission("orders.view"), True),
        (all_of(), True),
        (all_of(scope("read"), role("editor")), True),
        (all_of(scope("read"), role("admin")), False),
        (any_of(role("admin"), permission("orders.view")), True),
        (any_of(role("admin"), role("owner")), False),
        (not_(role("banned")), True),
        (not_(role("editor")), False),
        (all_of(scope("write"), any_of(role("admin"), not_(scope("guest")))), True),
        (authenticated(max_age=timedelta(seconds=100)), True),
        (authenticated(max_age=timedelta(seconds=99)), False),
        (authenticated(acr=["pwd", "mfa"]), True),
        (authenticated(acr="mfa"), False),
        (authenticated(amr=["pwd"]), True),
        (authenticated(amr=["pwd", "otp"]), False),
    ],
)
def test_requirements_are_met_or_not(requirement, expected: bool) -> None:
    assert met(requirement, GRANTS, now=NOW) is expected
    assert evaluate(requirement, GRANTS, now=NOW).allowed is expected


def test_a_refusal_says_what_would_help() -> None:
    decision = evaluate(all_of(scope("read"), scope("admin")), GRANTS, now=NOW)
    assert decision.missing_scopes == {"admin"}
    assert decision.step_up is None
    asked = authenticated(acr="mfa", max_age=timedelta(minutes=5))
    assert evaluate(all_of(scope("read"), asked), GRANTS, now=NOW).step_up == asked
    assert evaluate(all_of(scope("admin"), asked), GRANTS, now=NOW).step_up is None
    assert scopes_of(all_of(scope("a"), any_of(scope("b"), not_(scope("c"))))) == {"a", "b"}


def test_a_login_that_was_never_or_will_be_is_not_recent() -> None:
    asked = authenticated(max_age=timedelta(hours=1))
    assert not met(asked, Grants(), now=NOW)
    assert not met(asked, Grants(auth_time=NOW + 1000), now=NOW)


def test_requirements_are_well_named_and_choices_not_empty() -> None:
    for bad in ("", "a b", 'a"', "a\\", "é", "a\n"):
        with pytest.raises(ValueError, match="ASCII"):
            scope(bad)
    with pytest.raises(ValueError, match="at least one"):
        any_of()


def test_a_token_is_asked_for_what_it_grants() -> None:
    codec = JwtCodec(KeyRing([ES]), clock=clock_at())
    token = codec.encode_now(claims(scope="read", roles=["admin"], auth_time=NOW), profile=PROFILE)
    verified = codec.verifier.verify(token, expect=PROFILE)
    require(all_of(scope("read"), role("admin")), verified, now=NOW)
    with pytest.raises(InsufficientPermission):
        require(scope("write"), verified, now=NOW)


# ---- DPoP


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


CLIENT = generate_key("ES256", kid="client")
PUBLIC = {k: v for k, v in dict(CLIENT.public_jwk).items() if k in {"kty", "crv", "x", "y"}}
PROOF_HEAD = {"typ": "dpop+jwt", "alg": "ES256", "jwk": PUBLIC}
PROOF = {"jti": "p1", "htm": "POST", "htu": "https://api.example/token", "iat": NOW}


def proof(head=None, body=None, key=CLIENT) -> str:
    data = f"{b64(json.dumps({**PROOF_HEAD, **(head or {})}).encode())}."
    data += b64(json.dumps({**PROOF, **(body or {})}).encode())
    return f"{data}.{b64(key.sign(data.encode()))}"


def proof_reason(text: str, url: str = "https://api.example/token", **options):
    return reason(read_proof, text, method="POST", url=url, now=NOW, **options)


def test_a_good_proof_names_its_key() -> None:
    found = read_proof(proof(), method="POST", url="https://API.example:443/token?x=1#y", now=NOW)
    assert found.jkt == CLIENT.thumbprint()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (proof(body={"htm": "GET"}), R.PROOF),
        (proof(body={"htu": "https://api.example/other"}), R.PROOF),
        (proof(body={"htu": "http://api.example/token"}), R.PROOF),
        (proof(body={"htu": "https://api.example:0x/token"}), R.PROOF),
        (proof(body={"htu": 1}), R.PROOF),
        (proof(body={"iat": NOW - 66}), R.EXPIRED),
        (proof(body={"iat": NOW + 6}), R.NOT_YET_VALID),
        (proof(body={"jti": ""}), R.CLAIM),
        (proof(body={"nonce": 1}), R.CLAIM),
        (proof(head={"typ": "JWT"}), R.TYPE),
        (proof(head={"alg": "none"}), R.ALGORITHM),
        (proof(head={"alg": "HS256"}), R.ALGORITHM),
        (proof(head={"alg": "ES384"}), R.UNKNOWN_KEY),
        (proof(head={"jwk": "x"}), R.HEADER),
        (proof(head={"jwk": {**PUBLIC, "d": "x"}}), R.HEADER),
        (proof(head={"jwk": {"kty": "EC"}}), R.UNKNOWN_KEY),
        (proof(head={"jku": "https://x"}), R.HEADER),
        (proof(head={"crit": []}), R.CRITICAL),
        (proof(key=ES), R.SIGNATURE),
        ("a.b", R.MALFORMED),
        ("x" * 5000, R.TOO_LARGE),
    ],
)
def test_a_bad_proof_is_refused_for_its_reason(text: str, expected: TokenReason) -> None:
    assert proof_reason(text) is expected


def test_a_proof_is_for_one_token_and_used_once() -> None:
    from hashlib import sha256

    token = "an.access.token"
    bound = proof(body={"ath": b64(sha256(token.encode()).digest())})
    assert proof_reason(bound, access_token=token) is None
    assert proof_reason(bound, access_token="another") is R.PROOF
    assert proof_reason(proof(), access_token=token) is R.PROOF
    clock = clock_at()
    verifier = DpopVerifier(MemoryTokenStore(clock=clock), clock=clock)

    def check(text: str):
        return reason(verifier.check, text, method="POST", url="https://api.example/token")

    assert [check(proof()), check(proof()), check(proof(body={"jti": "p2"}))] == [None, R.REPLAYED, None]


def test_nonces_are_ours_and_recent() -> None:
    nonces = DpopNonces(b"n" * 32)
    nonce = nonces.issue(NOW)
    assert nonces.accepts(nonce, NOW + 300)
    assert not nonces.accepts(nonce, NOW + 302)
    assert not nonces.accepts(nonce, NOW - 10)
    assert not DpopNonces(b"m" * 32).accepts(nonce, NOW)
    assert not any(nonces.accepts(bad, NOW) for bad in (None, "", "x", nonce + "x", "1" + nonce))
    clock = clock_at()
    verifier = DpopVerifier(MemoryTokenStore(clock=clock), nonces=nonces, clock=clock)
    target = {"method": "POST", "url": "https://api.example/token"}
    assert reason(verifier.check, proof(), **target) is R.PROOF
    assert reason(verifier.check, proof(body={"nonce": nonces.issue(NOW)}), **target) is None


def test_a_bound_token_needs_its_key_and_an_unbound_one_none() -> None:
    codec = JwtCodec(KeyRing([ES]), clock=clock_at())

    def token(**more):
        return codec.verifier.verify(codec.encode_now(claims(**more), profile=PROFILE), expect=PROFILE)

    check_binding(token(cnf={"jkt": "a"}), "a")
    check_binding(token(), None)
    for bad, jkt in ((token(cnf={"jkt": "a"}), "b"), (token(cnf={"jkt": "a"}), None), (token(), "a")):
        assert reason(check_binding, bad, jkt) is R.BINDING


# ---- opaque and encrypted tokens


def test_an_opaque_token_is_nowhere_in_the_store() -> None:
    async def check() -> None:
        store = MemoryTokenStore()
        tokens = OpaqueTokens(store)
        token = await tokens.issue({"sub": "user-1"}, ttl=60)
        assert await tokens.resolve(token) == {"sub": "user-1"}
        assert token.partition(".")[2] not in repr(store._opaque)
        assert await tokens.revoke(token)
        assert not await tokens.revoke(token)
        assert not await tokens.revoke("x")
        for bad in (token, "bso1." + "A" * 43):
            with pytest.raises(InvalidToken):
                await tokens.resolve(bad)

    anyio.run(check)
    assert reason(OpaqueTokens(MemoryTokenStore()).resolve, "x") is R.MALFORMED


def test_an_encrypted_token_is_read_by_us_alone() -> None:
    async def check() -> None:
        inner = JwtCodec(KeyRing([ES]), clock=clock_at())
        codec = JweCodec(inner, {"e1": b"1" * 32, "e2": b"2" * 32}, current="e2")
        token = await codec.encode(claims(), profile=PROFILE)
        assert token.count(".") == 4
        assert (await codec.decode(token, expect=PROFILE)).subject == "user-1"
        signed = await inner.encode(claims(), profile=PROFILE)
        head, _, rest = token.partition(".")

        def with_head(**changes) -> str:
            members = {"alg": "dir", "enc": "A256GCM", "kid": "e2", "typ": "at+jwt", "cty": "JWT", **changes}
            return f"{b64(json.dumps({k: v for k, v in members.items() if v is not None}).encode())}.{rest}"

        last = token[-1]
        refused = {
            signed: R.MALFORMED,
            token + ".x": R.MALFORMED,
            f"{head}.AAAA{rest}": R.MALFORMED,
            token[:-1] + ("A" if last != "A" else "Q"): R.DECRYPTION,
            token + "=": R.ENCODING,
            with_head(): R.DECRYPTION,
            with_head(kid="e1"): R.DECRYPTION,
            with_head(kid="e3"): R.UNKNOWN_KEY,
            with_head(alg="RSA1_5"): R.ALGORITHM,
            with_head(alg="PBES2-HS256+A128KW", p2c=2**31): R.ALGORITHM,
            with_head(enc="A128CBC-HS256"): R.ALGORITHM,
            with_head(zip="DEF"): R.HEADER,
            with_head(cty=None): R.HEADER,
            with_head(typ="jwt"): R.TYPE,
            with_head(crit=[]): R.CRITICAL,
        }
        for bad, expected in refused.items():
            with pytest.raises(InvalidToken) as caught:
                await codec.decode(bad, expect=PROFILE)
            assert caught.value.reason is expected
        assert "1" * 32 not in repr(codec)

    anyio.run(check)
    with pytest.raises(KeyRejected):
        JweCodec(JwtCodec(KeyRing([ES])), {"a": b"short"}, current="a")
