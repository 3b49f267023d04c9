"""Tokens: a codec that accepts nothing it should not, and refresh that is safe under concurrency.

What needs a driver lives in the module named after it and is imported from there: `backstay.tokens.jose`
(keys), `backstay.tokens.redis`, `backstay.tokens.postgres`.
"""

from __future__ import annotations

from backstay.errors import (
    InsufficientPermission,
    InvalidToken,
    KeyRejected,
    TokenReason,
    TokenStoreUnavailable,
)

from .claims import ACCESS_CLAIMS, TokenProfile, VerifiedToken
from .codec import JwtCodec, StrictVerifier
from .keyring import KeyRing, RingKey, Stage
from .protocol import (
    KeySource,
    OpaqueStore,
    ReplayStore,
    RevocationLog,
    RevocationView,
    SessionStore,
    Signer,
    SigningKey,
    TokenCodec,
    VerificationKey,
)
from .sessions import Session
from .verified import VerifiedCache

__all__ = [
    "ACCESS_CLAIMS",
    "InsufficientPermission",
    "InvalidToken",
    "JwtCodec",
    "KeyRejected",
    "KeyRing",
    "KeySource",
    "OpaqueStore",
    "ReplayStore",
    "RevocationLog",
    "RevocationView",
    "RingKey",
    "Session",
    "SessionStore",
    "Signer",
    "SigningKey",
    "Stage",
    "StrictVerifier",
    "TokenCodec",
    "TokenProfile",
    "TokenReason",
    "TokenStoreUnavailable",
    "VerificationKey",
    "VerifiedCache",
    "VerifiedToken",
]
