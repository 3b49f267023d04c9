"""Keys on joserfc and cryptography: imported once, checked once, and prepared for use.

joserfc reads and writes JWK, PEM and thumbprints. Signing and verifying call cryptography, on objects made
at import: a key that is parsed on every call costs more than most of its signatures.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, cast

from backstay.errors import KeyRejected, MissingExtraError

from . import base64url
from .strength import check_hmac_secret, check_rsa_numbers

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, hmac
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
    from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
except ImportError as exc:
    raise MissingExtraError("tokens", "backstay.tokens.jose") from exc

HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
# Curve, as JWK and as cryptography name it, to the one algorithm of a key on it.
CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}
_CURVES_BY_ALG = {alg: crv for crv, alg in CURVES.items()}
_EDWARDS = {"Ed25519": frozenset({"EdDSA", "Ed25519"}), "Ed448": frozenset({"EdDSA", "Ed448"})}
_SYMMETRIC = frozenset({"HS256", "HS384", "HS512"})
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})

_AnyKey = OctKey | RSAKey | ECKey | OKPKey


class JoseKey:
    """One key, one algorithm, ready for use. `repr` shows its identifier and algorithm, nothing else."""

    __slots__ = ("_jose", "accepts", "alg", "can_sign", "kid")

    def __init__(self, jose: _AnyKey, *, kid: str, alg: str, accepts: frozenset[str]) -> None:
        self._jose = jose
        self.kid = kid
        self.alg = alg
        self.accepts = accepts
        self.can_sign = jose.is_private

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kid!r} {self.alg}>"

    @property
    def public_jwk(self) -> Mapping[str, str] | None:
        """The public half with `kid`, `alg` and `use`; None for a symmetric key."""
        if isinstance(self._jose, OctKey):
            return None
        members = cast("dict[str, str]", self._jose.as_dict(private=False))
        return {**members, "kid": self.kid, "alg": self.alg, "use": "sig"}

    def private_jwk(self) -> dict[str, str]:
        """The whole key, for a file or a secret store. Never log it."""
        members = cast("dict[str, str]", self._jose.as_dict(private=True))
        return {**members, "kid": self.kid, "alg": self.alg, "use": "sig"}

    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint, SHA-256, base64url."""
        return self._jose.thumbprint()

    def verify(self, data: bytes, signature: bytes, /) -> bool:
        """Whether the signature is this key's over the data."""
        raise NotImplementedError

    def sign(self, data: bytes, /) -> bytes:
        """The signature in JWS form."""
        raise NotImplementedError


class HmacKey(JoseKey):
    """HS256, HS384, HS512."""

    __slots__ = ("_keyed", "_size")

    def __init__(self, jose: OctKey, *, kid: str, alg: str) -> None:
        super().__init__(jose, kid=kid, alg=alg, accepts=frozenset({alg}))
        secret = jose.raw_value
        check_hmac_secret(secret, alg)
        # Copying a keyed state skips the two compressions that deriving it costs.
        self._keyed = hmac.HMAC(secret, HASHES[alg[2:]])

    def verify(self, data: bytes, signature: bytes, /) -> bool:
        """Compared in constant time, by the primitive itself."""
        mac = self._keyed.copy()
        mac.update(data)
        try:
            mac.verify(signature)
        except InvalidSignature:
            return False
        return True

    def sign(self, data: bytes, /) -> bytes:
        """The MAC."""
        mac = self._keyed.copy()
        mac.update(data)
        return mac.finalize()


class RsaKey(JoseKey):
    """RS256 to RS512 (PKCS #1 v1.5) and PS256 to PS512 (PSS, salt as long as the digest)."""

    __slots__ = ("_hash", "_padding", "_private", "_public", "_size")

    def __init__(self, jose: RSAKey, *, kid: str, alg: str) -> None:
        super().__init__(jose, kid=kid, alg=alg, accepts=frozenset({alg}))
        self._public: rsa.RSAPublicKey = jose.public_key
        self._private: rsa.RSAPrivateKey | None = jose.private_key
        numbers = self._public.public_numbers()
        check_rsa_numbers(numbers.n, numbers.e)
        self._size = (self._public.key_size + 7) // 8
        self._hash = HASHES[alg[2:]]
        self._padding: padding.AsymmetricPadding = padding.PKCS1v15()
        if alg.startswith("PS"):
            self._padding = padding.PSS(padding.MGF1(self._hash), self._hash.digest_size)

    def verify(self, data: bytes, signature: bytes, /) -> bool:
        """A signature is exactly as long as the modulus (RFC 8017, 8.1.2 and 8.2.2)."""
        if len(signature) != self._size:
            return False
        try:
            self._public.verify(signature, data, self._padding, self._hash)
        except InvalidSignature:
            return False
        return True

    def sign(self, data: bytes, /) -> bytes:
        """A signature as long as the modulus."""
        if self._private is None:
            raise KeyRejected(f"key {self.kid!r} has no private half in this process")
        return self._private.sign(data, self._padding, self._hash)


class EcKey(JoseKey):
    """ES256, ES384, ES512, ES256K, in the raw form of RFC 7518, 3.4: `r` and `s`, each of full width."""

    __slots__ = ("_private", "_public", "_scheme", "_width")

    def __init__(self, jose: ECKey, *, kid: str, alg: str) -> None:
        super().__init__(jose, kid=kid, alg=alg, accepts=frozenset({alg}))
        self._public: ec.EllipticCurvePublicKey = jose.public_key
        self._private: ec.EllipticCurvePrivateKey | None = jose.private_key
        self._width = (self._public.curve.key_size + 7) // 8
        self._scheme = ec.ECDSA(HASHES["256" if alg == "ES256K" else alg[2:]])

    def verify(self, data: bytes, signature: bytes, /) -> bool:
        """DER and over-long forms are refused by length; zero and too large numbers by value."""
        width = self._width
        if len(signature) != 2 * width:
            return False
        r, s = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
        if r == 0 or s == 0:  # CVE-2022-21449
            return False
        try:
            self._public.verify(encode_dss_signature(r, s), data, self._scheme)
        except InvalidSignature:
            return False
        return True

    def sign(self, data: bytes, /) -> bytes:
        """`r || s`."""
        if self._private is None:
            raise KeyRejected(f"key {self.kid!r} has no private half in this process")
        r, s = decode_dss_signature(self._private.sign(data, self._scheme))
        return r.to_bytes(self._width, "big") + s.to_bytes(self._width, "big")


class EdKey(JoseKey):
    """Ed25519 and Ed448 (RFC 8037), under either of the names that RFC 9864 gives them."""

    __slots__ = ("_private", "_public")

    def __init__(self, jose: OKPKey, *, kid: str, alg: str) -> None:
        public, private = jose.public_key, jose.private_key
        if not isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            raise KeyRejected(f"key {kid!r} is for key agreement, not for signatures")
        accepts = _EDWARDS["Ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "Ed448"]
        if alg not in accepts:
            raise KeyRejected(f"key {kid!r} is not a key for {alg}")
        super().__init__(jose, kid=kid, alg=alg, accepts=accepts)
        self._public = public
        self._private = cast("ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | None", private)

    def verify(self, data: bytes, signature: bytes, /) -> bool:
        """The primitive refuses an `S` that is not reduced, so that a signature has one form."""
        try:
            self._public.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def sign(self, data: bytes, /) -> bytes:
        """A deterministic signature."""
        if self._private is None:
            raise KeyRejected(f"key {self.kid!r} has no private half in this process")
        return self._private.sign(data)


def import_jwk(jwk: Mapping[str, Any], *, alg: str | None = None, kid: str | None = None) -> JoseKey:
    """A key from a JWK (RFC 7517), public or private.

    The key must say, or be told by `alg`, which one algorithm it is for; a curve says so by itself. Without
    `kid` an asymmetric key is named by its thumbprint.

    Raises:
        KeyRejected: too short or weak (RFC 7518, 3.2 to 3.5), meant for another use, or inconsistent.
    """
    _check_purpose(jwk)
    stated = jwk.get("alg", alg)
    if alg is not None and stated != alg:
        raise KeyRejected(f"the key states algorithm {stated!r}, and {alg!r} was asked for")
    algorithm = stated or _algorithm_of_curve(jwk)
    name = kid or jwk.get("kid")
    if name is not None and not isinstance(name, str):
        raise KeyRejected("a kid is a text")
    try:
        return _build(_read(jwk, algorithm), kid=name, alg=algorithm)
    except KeyRejected:
        raise
    except Exception:  # noqa: BLE001 - two libraries raise what they like; the key is refused all the same
        # Without the cause: a parser's message may quote what it was parsing.
        raise KeyRejected(f"the key {name!r} cannot be read as a key for {algorithm}") from None


def import_pem(pem: bytes | str, *, alg: str, kid: str | None = None, password: str | None = None) -> JoseKey:
    """A key from PEM or DER, public or private, for one algorithm.

    Raises:
        KeyRejected: as `import_jwk`; a symmetric algorithm has no PEM.
    """
    raw = pem.encode() if isinstance(pem, str) else pem
    try:
        jose = _key_type(alg).import_key(raw, password=password)
        return _build(jose, kid=kid, alg=alg)
    except KeyRejected:
        raise
    except Exception:  # noqa: BLE001 - as in import_jwk
        raise KeyRejected(f"the PEM cannot be read as a key for {alg}") from None


def generate_key(alg: str = "ES256", *, kid: str | None = None, bits: int = 3072) -> JoseKey:
    """A new private key of full strength; `bits` is for RSA alone."""
    if alg in _SYMMETRIC:
        jose: _AnyKey = OctKey.generate_key(int(alg[2:]))
        return _build(jose, kid=kid or secrets.token_urlsafe(12), alg=alg)
    if alg in _RSA:
        return _build(RSAKey.generate_key(bits), kid=kid, alg=alg)
    if alg in _CURVES_BY_ALG:
        return _build(ECKey.generate_key(_CURVES_BY_ALG[alg]), kid=kid, alg=alg)
    if alg in {"EdDSA", "Ed25519", "Ed448"}:
        return _build(OKPKey.generate_key("Ed448" if alg == "Ed448" else "Ed25519"), kid=kid, alg=alg)
    raise KeyRejected(f"{alg!r} is not a signature algorithm that backstay knows")


def import_keys(jwks: Mapping[str, Any]) -> list[JoseKey]:
    """All keys of a set, or none: one bad key makes the set suspect.

    Raises:
        KeyRejected: a key is refused, an identifier occurs twice, or symmetric and asymmetric keys are mixed.
    """
    members = jwks.get("keys")
    if not isinstance(members, list):
        raise KeyRejected("a key set is an object with a list named 'keys'")
    keys = [import_jwk(member) for member in cast("list[dict[str, Any]]", members)]
    check_key_set(keys)
    return keys


def check_key_set(keys: list[JoseKey]) -> None:
    """One name, one key; and never a set in which a public key could be taken for a secret."""
    if len({key.kid for key in keys}) != len(keys):
        raise KeyRejected("two keys of the set have the same identifier")
    if len({key.alg in _SYMMETRIC for key in keys}) > 1:
        raise KeyRejected("a set holds symmetric or asymmetric keys, not both")


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The RFC 7638 thumbprint of a public JWK. Raises KeyRejected for what is no key."""
    try:
        return _read(jwk, _algorithm_of_curve(jwk) if jwk.get("kty") != "RSA" else "RS256").thumbprint()
    except KeyRejected:
        raise
    except Exception:  # noqa: BLE001 - as in import_jwk
        raise KeyRejected("the thumbprint is of a public key in JWK form") from None


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise KeyRejected("the key is not for signatures ('use')")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"sign", "verify"} & set(cast("list[object]", operations)):
        raise KeyRejected("the key is neither for signing nor for verifying ('key_ops')")


def _algorithm_of_curve(jwk: Mapping[str, Any]) -> str:
    curve = jwk.get("crv")
    if jwk.get("kty") == "EC" and curve in CURVES:
        return CURVES[curve]
    if jwk.get("kty") == "OKP" and curve in _EDWARDS:
        return "EdDSA"
    raise KeyRejected("a key names its algorithm ('alg'), or the caller does")


def _key_type(alg: str) -> type[RSAKey | ECKey | OKPKey]:
    if alg in _RSA:
        return RSAKey
    if alg in _CURVES_BY_ALG:
        return ECKey
    if alg in {"EdDSA", "Ed25519", "Ed448"}:
        return OKPKey
    raise KeyRejected(f"{alg!r} is not an asymmetric signature algorithm that backstay knows")


def _read(jwk: Mapping[str, Any], alg: str) -> _AnyKey:
    kinds: dict[str, type[_AnyKey]] = {"oct": OctKey, "RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    kind = OctKey if alg in _SYMMETRIC else _key_type(alg)
    if kinds.get(str(jwk.get("kty"))) is not kind:
        raise KeyRejected(f"a key of type {jwk.get('kty')!r} is not for {alg}")
    if kind is OctKey:
        check_hmac_secret(base64url.decode(str(jwk.get("k", "")).encode()), alg)
    # Only what makes the key: joserfc need not agree with our reading of use, key_ops and alg.
    parts = {name: value for name, value in jwk.items() if name not in {"use", "key_ops", "alg", "kid"}}
    return kind.import_key(parts)


def _build(jose: _AnyKey, *, kid: str | None, alg: str) -> JoseKey:
    if kid is None:
        if isinstance(jose, OctKey):
            raise KeyRejected("a secret has no thumbprint that may be shown: give it a kid")
        kid = jose.thumbprint()
    if not 0 < len(kid) <= 256 or not kid.isprintable():
        raise KeyRejected("a kid is a printable text of at most 256 characters")
    match jose:
        case OctKey():
            return HmacKey(jose, kid=kid, alg=alg)
        case RSAKey():
            return RsaKey(jose, kid=kid, alg=alg)
        case ECKey():
            if _CURVES_BY_ALG.get(alg) != jose.curve_name:
                raise KeyRejected(f"a key on {jose.curve_name} is not for {alg}")
            return EcKey(jose, kid=kid, alg=alg)
        case OKPKey():
            return EdKey(jose, kid=kid, alg=alg)
