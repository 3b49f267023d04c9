"""Access tokens that only we can read: a signed token inside of an encrypted one (RFC 7516), on joserfc.

One algorithm (``dir``) and one encryption (``A256GCM``), both of the key and never of the header: no
password-based keys and their iteration counts, no RSA padding to probe, no compression to blow up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backstay.errors import InvalidToken, KeyRejected, MissingExtraError, TokenReason

from . import checks
from .claims import TokenProfile, VerifiedToken
from .protocol import TokenCodec

try:
    from joserfc import jwe
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey
except ImportError as exc:
    raise MissingExtraError("tokens", "backstay.tokens.jwe") from exc

_ALGORITHMS = ["dir", "A256GCM"]


class JweCodec:
    """A codec around a codec: what it signs is encrypted, what it is shown must have been.

    `keys` are of 32 bytes each, by identifier. The size cap of a profile holds for the outer text.
    """

    def __init__(self, inner: TokenCodec, keys: Mapping[str, bytes], *, current: str) -> None:
        """Raises KeyRejected for keys of another length, and when `current` is not among them."""
        if current not in keys or any(len(key) != 32 for key in keys.values()):
            raise KeyRejected("encryption keys have 32 bytes each, and the current one is among them")
        self._inner = inner
        self._keys = {kid: OctKey.import_key(key) for kid, key in keys.items()}
        self._current = current

    def __repr__(self) -> str:
        return f"<JweCodec {len(self._keys)} kids, current {self._current!r}>"

    async def encode(self, claims: Mapping[str, object], /, *, profile: TokenProfile) -> str:
        """Sign, then encrypt; see `TokenCodec.encode`."""
        signed = await self._inner.encode(claims, profile=profile)
        header = {"alg": "dir", "enc": "A256GCM", "kid": self._current, "typ": profile.typ, "cty": "JWT"}
        return jwe.encrypt_compact(header, signed, self._keys[self._current], algorithms=_ALGORITHMS)

    async def decode(self, token: str, /, *, expect: TokenProfile) -> VerifiedToken:
        """Decrypt, then verify; a token that is only signed is refused. See `TokenCodec.decode`."""
        return await self._inner.decode(self._decrypt(token, expect), expect=expect)

    def _decrypt(self, token: str, expect: TokenProfile) -> str:
        segments = checks.split_token(token, expect.max_bytes, 5)
        if segments[1]:  # with `dir` there is no encrypted key
            raise InvalidToken(TokenReason.MALFORMED)
        kid = self._read_header(segments[0], expect)
        for segment in segments[2:]:
            checks.decode_segment(segment)
        try:
            plain = jwe.decrypt_compact(token, self._keys[kid], algorithms=_ALGORITHMS).plaintext
        except (JoseError, ValueError):
            raise InvalidToken(TokenReason.DECRYPTION) from None
        try:
            return (plain or b"").decode("ascii")
        except UnicodeDecodeError:
            raise InvalidToken(TokenReason.MALFORMED) from None

    def _read_header(self, segment: bytes, expect: TokenProfile) -> str:
        if len(segment) > checks.MAX_HEADER:
            raise InvalidToken(TokenReason.TOO_LARGE)
        members = checks.read_json(checks.decode_segment(segment))
        if "crit" in members:
            raise InvalidToken(TokenReason.CRITICAL)
        if members.get("alg") != "dir" or members.get("enc") != "A256GCM":
            raise InvalidToken(TokenReason.ALGORITHM)
        # All that is ours and nothing else: no `zip`, no `epk`, no `p2c`.
        if members.keys() != {"alg", "enc", "kid", "typ", "cty"} or members["cty"] != "JWT":
            raise InvalidToken(TokenReason.HEADER)
        if members["typ"] != expect.typ:
            raise InvalidToken(TokenReason.TYPE)
        kid = members["kid"]
        if not checks.is_text(kid) or kid not in self._keys:
            raise InvalidToken(TokenReason.UNKNOWN_KEY)
        return kid


if TYPE_CHECKING:
    _: type[TokenCodec] = JweCodec
