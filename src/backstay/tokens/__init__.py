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
from .introspection import Introspection
from .keyring import KeyRing, RingKey, Stage
from .lifetimes import Lifetimes
from .memory import MemoryTokenStore
from .opaque import OpaqueTokens
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
    TokenStore,
    VerificationKey,
)
from .refresh import RefreshSecrets
from .requirements import (
    Decision,
    Grants,
    Requirement,
    all_of,
    any_of,
    authenticated,
    evaluate,
    not_,
    permission,
    require,
    role,
    scope,
)
from .revocation import LocalRevocations
from .service import AuthContext, TokenPair, TokenService, UserClaims
from .sessions import Session
from .verified import VerifiedCache

__all__ = [
    "ACCESS_CLAIMS",
    "AuthContext",
    "Decision",
    "Grants",
    "InsufficientPermission",
    "Introspection",
    "InvalidToken",
    "JwtCodec",
    "KeyRejected",
    "KeyRing",
    "KeySource",
    "Lifetimes",
    "LocalRevocations",
    "MemoryTokenStore",
    "OpaqueStore",
    "OpaqueTokens",
    "RefreshSecrets",
    "ReplayStore",
    "Requirement",
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
    "TokenPair",
    "TokenProfile",
    "TokenReason",
    "TokenService",
    "TokenStore",
    "TokenStoreUnavailable",
    "UserClaims",
    "VerificationKey",
    "VerifiedCache",
    "VerifiedToken",
    "all_of",
    "any_of",
    "authenticated",
    "evaluate",
    "not_",
    "permission",
    "require",
    "role",
    "scope",
]
