"""What the token package asks of its parts: a codec, keys, a signer, and stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from .claims import TokenProfile, VerifiedToken
from .sessions import Batch, NewSession, Opened, Revocation, Rotation, Session, TokenIds


class TokenCodec(Protocol):
    """Claims in, signed text out, and back: every rule of a `TokenProfile` is checked on the way back.

    Async because a signature may be asked of a KMS and an unknown key of a JWKS endpoint; an implementation
    that needs neither returns without suspending. Not promised: that an accepted token has not been revoked,
    nor that its subject still exists.
    """

    async def encode(self, claims: Mapping[str, object], /, *, profile: TokenProfile) -> str:
        """Sign claims as a token of that profile's type.

        Raises:
            ValueError: the claims would not be accepted by `decode` under the same profile.
            NotConfiguredError: there is no key to sign with.
        """
        ...

    async def decode(self, token: str, /, *, expect: TokenProfile) -> VerifiedToken:
        """Verify a token and return what it says.

        Raises:
            InvalidToken: whatever is wrong with the token, and nothing else is raised for a bad token.
            TokenStoreUnavailable: the key could not be asked for; the token may be good.
        """
        ...


class VerificationKey(Protocol):
    """A prepared key that checks signatures of exactly one algorithm."""

    @property
    def kid(self) -> str:
        """The key's identifier: an opaque text that is only ever compared."""
        ...

    @property
    def alg(self) -> str:
        """The one algorithm of this key, as a JWS header spells it."""
        ...

    @property
    def accepts(self) -> frozenset[str]:
        """The spellings of that algorithm (RFC 9864 gives ``EdDSA`` a second one)."""
        ...

    @property
    def public_jwk(self) -> Mapping[str, str] | None:
        """What a JWKS publishes of it; None for a symmetric key, of which nothing may be published."""
        ...

    def verify(self, data: bytes, signature: bytes, /) -> bool:
        """Whether the signature is this key's over the data. Raises nothing for a bad signature."""
        ...


class SigningKey(VerificationKey, Protocol):
    """A verification key whose private half is in this process."""

    def sign(self, data: bytes, /) -> bytes:
        """The signature in JWS form (raw ``r || s`` for ECDSA)."""
        ...


class Signer(Protocol):
    """A private key that lives elsewhere (KMS, HSM): no private bytes in this process."""

    @property
    def kid(self) -> str:
        """Which key of the ring this signer holds the private half of."""
        ...

    @property
    def alg(self) -> str:
        """The algorithm it signs with."""
        ...

    async def sign(self, data: bytes, /) -> bytes:
        """The signature in JWS form. May raise TokenStoreUnavailable."""
        ...


class KeySource(Protocol):
    """Where a codec finds keys. Reading is a look-up in memory; only `ensure` may wait."""

    @property
    def version(self) -> int:
        """Changes whenever a key is added, changes its stage, or goes."""
        ...

    def verification_key(self, kid: str, /) -> VerificationKey | None:
        """The key with exactly this identifier, or None."""
        ...

    async def ensure(self, kid: str, /) -> None:
        """Try to learn an unknown key. A source that knows all its keys returns at once.

        Raises:
            TokenStoreUnavailable: the keys are held elsewhere, and that place did not answer.
        """
        ...


class SessionStore(Protocol):
    """Sessions, one row each, and the atomic step from one refresh token to the next.

    Every instant is judged by the store's own clock. Not promised: that ended sessions are kept for longer
    than their absolute end. All methods raise TokenStoreUnavailable when the store does not answer; after a
    cancellation or such an error a rotation may or may not have happened, and asking again is safe.
    """

    async def open_session(self, session: NewSession, /) -> Opened:
        """Store a new session at generation 0; the answer has the user's epoch."""
        ...

    async def rotate(
        self,
        family: str,
        generation: int,
        /,
        *,
        client_id: str,
        jkt: str,
        kid: str,
        grace: float,
        idle: float,
    ) -> Rotation:
        """Judge a presented generation and, if it is current, move on by one, in one atomic step.

        `client_id` and `jkt` (the thumbprint of the proven DPoP key, or "") must be the session's, else
        nothing changes. `kid` names the secret from which a *new* successor is derived; the answer has the
        one of the generation that is now current. `grace` and `idle` are in seconds. Reuse revokes the
        session, in the same step, and tells the revocation log so.
        """
        ...

    async def end_session(self, family: str, /, *, user: str | None = None, client_id: str | None = None) -> bool:
        """Revoke one session, if it is that user's and that client's where they are given.

        False if there was no live one.
        """
        ...

    async def end_user(self, user: str, /, *, keep: str | None = None) -> int:
        """Raise the user's epoch and revoke all their sessions but `keep`; the number of those revoked."""
        ...

    async def sessions(self, user: str, /) -> Sequence[Session]:
        """The user's live sessions, newest first, at most a thousand."""
        ...


class RevocationLog(Protocol):
    """An ordered, resumable record of what was revoked, bounded by the expiry of what it concerns.

    All methods raise TokenStoreUnavailable. Not promised: that an entry is delivered only once.
    """

    async def deny(self, token_id: str, /, *, expires_at: float) -> None:
        """Deny one token, by its `jti`, until it expires (a Unix time)."""
        ...

    async def read(self, cursor: str, /, *, wait: float = 0.0) -> Batch:
        """Entries after `cursor` ("" for all that matter), waiting up to `wait` seconds for the first."""
        ...

    async def is_revoked(self, ids: TokenIds, /) -> bool:
        """Ask the record itself, past any local copy."""
        ...


class RevocationView(Protocol):
    """What a request path asks: whether a verified token still stands."""

    async def check(self, token: VerifiedToken, /) -> None:
        """Return, without suspending where possible, if the token stands.

        Raises:
            InvalidToken: it has been revoked.
            TokenStoreUnavailable: the local copy is too old and the store did not answer: fail closed.
        """
        ...

    async def catch_up(self) -> None:
        """Read what was revoked up to now, so that a revocation just made holds here at once."""
        ...


class ReplayStore(Protocol):
    """Remembers identifiers that must be used once."""

    async def first_use(self, key: str, /, *, ttl: float) -> bool:
        """Whether this is the first use of `key` within `ttl` seconds. Raises TokenStoreUnavailable."""
        ...


class OpaqueStore(Protocol):
    """Reference tokens, known to the store only by their SHA-256."""

    async def save(self, digest: bytes, claims: bytes, /, *, ttl: float) -> None:
        """Keep the claims for `ttl` seconds under the digest. Raises TokenStoreUnavailable."""
        ...

    async def find(self, digest: bytes, /) -> bytes | None:
        """The claims, or None if unknown, expired or removed. Raises TokenStoreUnavailable."""
        ...

    async def remove(self, digest: bytes, /) -> bool:
        """Forget the token; False if there was none. Raises TokenStoreUnavailable."""
        ...


class TokenStore(SessionStore, RevocationLog, ReplayStore, OpaqueStore, Protocol):
    """All four in one, as our three stores have them."""


__all__ = [
    "KeySource",
    "OpaqueStore",
    "ReplayStore",
    "Revocation",
    "RevocationLog",
    "RevocationView",
    "SessionStore",
    "Signer",
    "SigningKey",
    "TokenCodec",
    "TokenStore",
    "VerificationKey",
]
