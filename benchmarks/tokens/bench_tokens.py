"""What a validated decode costs, as a multiple of the bare primitive; peers in the same run.

    python benchmarks/tokens/bench_tokens.py [--quick] [--rounds 41]

CPU time, the median of interleaved rounds: a busy machine moves all columns together, so that only the ratios
of one run mean anything. Peers that are not installed are left out.
"""

# ruff: noqa: SLF001 - the bare primitive is under the key

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings

import anyio
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from backstay.tokens import JwtCodec, KeyRing, TokenProfile, VerifiedCache
from backstay.tokens import base64url as b64
from backstay.tokens.jose import generate_key
from backstay.tokens.memory import MemoryTokenStore
from backstay.tokens.revocation import LocalRevocations

PROFILE = TokenProfile.access(issuer="https://issuer.example", audience="api")
NOW = int(time.time())
CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "api",
    "sub": "user-1",
    "client_id": "web",
    "iat": NOW,
    "exp": NOW + 900,
    "jti": "abcdefghijklmnopqrstuv",
    "sid": "abcdefghijklmnopqrstuw",
    "epoch": 3,
    "scope": "orders:read orders:write",
}
# A slice of a few milliseconds each, so that a busy moment of the machine falls on all columns of a round.
CALLS = {"HS256": 400, "ES256": 60, "EdDSA": 60, "RS256": 120}
SIGNS = {"HS256": 400, "ES256": 80, "EdDSA": 80, "RS256": 6}


def bare(key, data: bytes, signature: bytes):
    """The primitive as a user of cryptography writes it."""
    if key.alg == "HS256":
        secret = key._jose.raw_value

        def check() -> None:
            mac = hmac.HMAC(secret, hashes.SHA256())
            mac.update(data)
            mac.verify(signature)

    elif key.alg == "ES256":

        def check() -> None:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key._public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))

    elif key.alg == "RS256":

        def check() -> None:
            key._public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())

    else:

        def check() -> None:
            key._public.verify(signature, data)

    return check


def peers(key, token: str):
    """Decoders and encoders of the peers that are installed, checking what they can check."""
    decode, encode = {}, {}
    head = {"alg": key.alg, "typ": "at+jwt", "kid": key.kid}
    try:
        from joserfc import jwt as jose_jwt
        from joserfc.jwk import KeySet

        keys = KeySet([key._jose])
        key._jose.ensure_kid()
        jose_key = key._jose
        rules = jose_jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": CLAIMS["iss"]}, aud={"essential": True, "value": "api"}
        )

        def by_joserfc() -> None:
            rules.validate(jose_jwt.decode(token, jose_key, algorithms=[key.alg]).claims)

        decode["joserfc"] = by_joserfc
        encode["joserfc"] = lambda: jose_jwt.encode(head, CLAIMS, jose_key, algorithms=[key.alg])
        del keys
    except ImportError:
        pass
    try:
        import jwt as pyjwt

        py_key = pyjwt.PyJWK(key.private_jwk(), algorithm=key.alg)
        py_public = pyjwt.PyJWK(dict(key.public_jwk or key.private_jwk()), algorithm=key.alg)
        decode["PyJWT"] = lambda: pyjwt.decode(
            token, py_public, algorithms=[key.alg], audience="api", issuer=CLAIMS["iss"]
        )
        encode["PyJWT"] = lambda: pyjwt.encode(CLAIMS, py_key.key, algorithm=key.alg, headers=head)
    except ImportError:
        pass
    if key.alg == "HS256":  # it has no EdDSA, and parses an RSA key for 40 ms at each call
        try:
            from jose import jwt as python_jose

            decode["python-jose"] = lambda: python_jose.decode(
                token, key.private_jwk(), algorithms=[key.alg], audience="api", issuer=CLAIMS["iss"]
            )
        except ImportError:
            pass
    try:
        from authlib.jose import JsonWebKey, JsonWebToken

        authlib_key, authlib = JsonWebKey.import_key(key.private_jwk()), JsonWebToken([key.alg])
        decode["Authlib"] = lambda: authlib.decode(token, authlib_key).validate()
        encode["Authlib"] = lambda: authlib.encode(head, CLAIMS, authlib_key)
    except ImportError:
        pass
    return decode, encode


def measure(functions: dict, calls: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Microseconds of CPU time per call, over interleaved rounds: the median, and the least (an idle core's)."""
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for name, function in list(functions.items()):
        try:
            function()
        except Exception as exc:
            print(f"  ({name} left out: {type(exc).__name__})")
            del functions[name], taken[name]
    for _ in range(rounds):
        for name, function in functions.items():
            begin = time.process_time()
            for _ in range(calls):
                function()
            taken[name].append((time.process_time() - begin) / calls * 1e6)
    return {name: (statistics.median(times), min(times)) for name, times in taken.items()}


def table(title: str, found: dict[str, tuple[float, float]], to: str) -> None:
    """Each row with its ratio to the row `to`, by the medians and by the least."""
    for name, (median, least) in found.items():
        usual, best = median / found[to][0], least / found[to][1]
        print(f"  {title} {name:18} {median:9.2f} us {usual:6.2f} x {to}, least {least:9.2f} us {best:6.2f} x")


def algorithm(alg: str, rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    key = generate_key(alg, kid="k", bits=2048)
    codec = JwtCodec(KeyRing([key]))
    cached = JwtCodec(KeyRing([key]), cache=VerifiedCache(max_age=300.0))
    token = codec.encode_now(CLAIMS, profile=PROFILE)
    data, _, tail = token.encode().rpartition(b".")
    decode, encode = peers(key, token)
    decoders = {
        "bare": bare(key, data, b64.decode(tail)),
        "backstay": lambda: codec.verifier.verify(token, expect=PROFILE),
        "backstay, cached": lambda: cached.verifier.verify(token, expect=PROFILE),
        **decode,
    }
    encoders = {"backstay": lambda: codec.encode_now(CLAIMS, profile=PROFILE), **encode}
    return {"decode": measure(decoders, CALLS[alg], rounds), "encode": measure(encoders, SIGNS[alg], rounds)}


async def revocation(rounds: int) -> dict[str, float]:
    """A check against a local copy of 100,000 entries, and the memory of an entry."""
    import tracemalloc

    store = MemoryTokenStore()
    tier = LocalRevocations(store, max_staleness=1e9)
    await tier.catch_up()
    codec = JwtCodec(KeyRing([generate_key("HS256")]))
    token = codec.verifier.verify(codec.encode_now(CLAIMS, profile=PROFILE), expect=PROFILE)
    names = [f"{number:022d}" for number in range(100_000)]
    tracemalloc.start()
    for name in names:
        tier._denied.add_token("".join(list(name)), NOW + 600)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    median, least = measure({"check": lambda: tier.standing(token)}, 50_000, rounds)["check"]
    return {"check": median, "check, least": least, "bytes an entry": used / len(names)}


def main(rounds: int) -> None:
    warnings.simplefilter("ignore")
    report: dict[str, object] = {}
    for alg in CALLS:
        print(alg)
        found = algorithm(alg, rounds)
        report[alg] = found
        table("decode", found["decode"], "bare")
        table("encode", found["encode"], "backstay")
    report["revocation"] = found = anyio.run(revocation, rounds)
    print("revocation", {name: round(value, 2) for name, value in found.items()})
    print(json.dumps(report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--rounds", type=int, default=41)
    given = parser.parse_known_args()[0]
    main(3 if given.quick else given.rounds)
