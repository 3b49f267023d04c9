"""The least that a key must be (RFC 7518, 3.2 and 3.3) and the known ways of being weak."""

from __future__ import annotations

from backstay.errors import KeyRejected

MIN_RSA_BITS = 2048
# OpenSSL takes seconds for much larger ones: a public key of a stranger would be a lever.
MAX_RSA_BITS = 8192
MAX_SECRET = 1024

_MIN_SECRET = {"HS256": 32, "HS384": 48, "HS512": 64}
# CVE-2017-15361: moduli made by one smart-card library are powers of 65537 modulo all of these primes.
_ROCA_PRIMES = (
    *(3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97),
    *(101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167),
)


def check_hmac_secret(secret: bytes, alg: str) -> None:
    """At least as long as the digest, and no public key by mistake.

    Raises:
        KeyRejected: naming the rule, never the secret.
    """
    least = _MIN_SECRET.get(alg)
    if least is None:
        raise KeyRejected(f"{alg!r} is not a symmetric signature algorithm that backstay knows")
    if not least <= len(secret) <= MAX_SECRET:
        raise KeyRejected(f"a secret for {alg} has {least} to {MAX_SECRET} bytes, not {len(secret)}")
    head = secret.lstrip()[:40]
    if head.startswith((b"-----BEGIN", b"ssh-", b"ecdsa-sha2", b'{"kty"')):
        # The classic confusion (CVE-2022-29217): a public key handed over as the secret.
        raise KeyRejected("this is a public key, not a secret")


def check_rsa_numbers(modulus: int, exponent: int) -> None:
    """Long enough, with a usual exponent, and not from the generator of CVE-2017-15361.

    Raises:
        KeyRejected: naming the rule.
    """
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise KeyRejected(f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    if exponent < 65537 or exponent % 2 == 0 or exponent.bit_length() > 64:
        raise KeyRejected("the public exponent of an RSA key is odd and at least 65537")
    if all(modulus % prime in _powers_of_65537(prime) for prime in _ROCA_PRIMES):
        raise KeyRejected("the RSA key was made by a generator with a known weakness (ROCA)")


def _powers_of_65537(prime: int) -> set[int]:
    powers: set[int] = set()
    power = 1
    while power not in powers:
        powers.add(power)
        power = power * 65537 % prime
    return powers
