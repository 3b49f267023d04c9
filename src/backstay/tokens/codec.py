"""The codec: a pure, synchronous core, and an edge that waits only for an unknown key or a distant signer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import anyio.to_thread

from backstay.clock import Clock, SystemClock, unix_time
from backstay.errors import InvalidToken, NotConfiguredError, TokenReason

from . import base64url, checks
from .claims import TokenProfile, VerifiedToken
from .json import dump_object
from .keyring import KeyRing
from .protocol import KeySource, Signer, SigningKey, TokenCodec
from .verified import VerifiedCache

# An RSA signature takes about a millisecond: with `threads`, the loop does other work meanwhile.
_SLOW_TO_SIGN = ("RS", "PS")


class StrictVerifier:
    """The core alone: keys and a clock in, a verdict out, no waiting."""

    def __init__(self, keys: KeySource, *, clock: Clock | None = None, cache: VerifiedCache | None = None) -> None:
        self._keys = keys
        self._now = unix_time(clock or SystemClock())
        self._memo = checks.HeaderMemo()
        self._cache = cache

    def verify(self, token: str, /, *, expect: TokenProfile) -> VerifiedToken:
        """Check the token now. Raises InvalidToken and nothing else."""
        now, keys, cache = self._now(), self._keys, self._cache
        if cache is None:
            return checks.verify(token, keys, expect, now, self._memo)
        found = cache.get(token, keys, expect, now)
        if found is None:
            found = checks.verify(token, keys, expect, now, self._memo)
            cache.put(token, found, expect, now)
        return found

    def kid_of(self, token: str, /, *, expect: TokenProfile) -> str:
        """Which key a token names, before anything about it is believed. Raises InvalidToken."""
        return checks.read_header(checks.split_token(token, expect.max_bytes)[0]).kid


class JwtCodec:
    """Signed tokens by a ring of our own keys, or by keys held elsewhere.

    Suspends only when `signer` is given (to sign), when the key source has to ask for an unknown key, or when
    `threads` moves RSA signatures off the event loop.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        clock: Clock | None = None,
        signer: Signer | None = None,
        cache: VerifiedCache | None = None,
        threads: bool = False,
    ) -> None:
        self._keys = keys
        self._now = unix_time(clock or SystemClock())
        self._signer = signer
        self._threads = threads
        self._heads: dict[tuple[str, str, str], bytes] = {}
        self.verifier = StrictVerifier(keys, clock=clock, cache=cache)

    async def encode(self, claims: Mapping[str, object], /, *, profile: TokenProfile) -> str:
        """Sign the claims; see `TokenCodec.encode`."""
        body = self._body(claims, profile)
        if self._signer is not None:
            data = self._head(self._signer.kid, self._signer.alg, profile.typ) + body
            return _joined(data, await self._signer.sign(data))
        key = self._signing_key()
        data = self._head(key.kid, key.alg, profile.typ) + body
        if self._threads and key.alg.startswith(_SLOW_TO_SIGN):
            return _joined(data, await anyio.to_thread.run_sync(key.sign, data))
        return _joined(data, key.sign(data))

    async def decode(self, token: str, /, *, expect: TokenProfile) -> VerifiedToken:
        """Verify the token; see `TokenCodec.decode`."""
        try:
            return self.verifier.verify(token, expect=expect)
        except InvalidToken as exc:
            if exc.reason is not TokenReason.UNKNOWN_KEY:
                raise
        await self._keys.ensure(self.verifier.kid_of(token, expect=expect))
        return self.verifier.verify(token, expect=expect)

    def encode_now(self, claims: Mapping[str, object], /, *, profile: TokenProfile) -> str:
        """Sign with a key of this process, without waiting. Raises as `encode` does."""
        key = self._signing_key()
        data = self._head(key.kid, key.alg, profile.typ) + self._body(claims, profile)
        return _joined(data, key.sign(data))

    def _body(self, claims: Mapping[str, object], profile: TokenProfile) -> bytes:
        return base64url.encode(checks.payload_to_sign(claims, profile, self._now()))

    def _head(self, kid: str, alg: str, typ: str) -> bytes:
        head = self._heads.get((kid, alg, typ))
        if head is None:
            head = base64url.encode(dump_object({"alg": alg, "typ": typ, "kid": kid})) + b"."
            if len(self._heads) >= 256:
                self._heads.clear()
            self._heads[kid, alg, typ] = head
        return head

    def _signing_key(self) -> SigningKey:
        if not isinstance(self._keys, KeyRing):
            raise NotConfiguredError("these keys are another party's: signing needs a KeyRing or a Signer")
        key = self._keys.signing_key()
        # A public key of the same ring has the method and refuses by itself, with a message that names it.
        if not hasattr(key, "sign"):
            raise NotConfiguredError(f"key {key.kid!r} only verifies: signing needs its private half or a Signer")
        return cast("SigningKey", key)


def _joined(data: bytes, signature: bytes) -> str:
    return (data + b"." + base64url.encode(signature)).decode("ascii")


if TYPE_CHECKING:
    _: type[TokenCodec] = JwtCodec
