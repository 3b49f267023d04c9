"""Password policy, strength, hashing, breach checks, and generators.

``is_valid, errors = await validate_password("…", username="ada")`` and ``await hash_password("…")``
work without any set-up. No driver is loaded before it is needed.
"""

from .breach import BreachChecker, BreachDatabase, BreachOutcome, PwnedRanges, UrllibTransport
from .generate import Generated, generate_passphrase, generate_password
from .hashing import (
    OWASP,
    OWASP_46_MIB,
    RFC_9106_LOW_MEMORY,
    Argon2Profile,
    CostCaps,
    PasswordHasher,
    Verification,
    ambient_hasher,
    hash_password,
    verify_password,
)
from .history import History, is_similar, was_used
from .messages import CODES, LOCALES
from .policy import StandardPolicy, ambient_policy, validate_password
from .protocol import About, PasswordPolicy
from .rules import Rule, Rules
from .strength import Estimate, Estimator, Lexicon
from .throttle import (
    Attempt,
    DeviceTokens,
    Limit,
    Limits,
    LoginThrottle,
    MemoryThrottle,
    StandardThrottle,
    ThrottleStore,
)
from .verdict import PasswordProblem, PasswordVerdict

__all__ = [
    "CODES",
    "LOCALES",
    "OWASP",
    "OWASP_46_MIB",
    "RFC_9106_LOW_MEMORY",
    "About",
    "Argon2Profile",
    "Attempt",
    "BreachChecker",
    "BreachDatabase",
    "BreachOutcome",
    "CostCaps",
    "DeviceTokens",
    "Estimate",
    "Estimator",
    "Generated",
    "History",
    "Lexicon",
    "Limit",
    "Limits",
    "LoginThrottle",
    "MemoryThrottle",
    "PasswordHasher",
    "PasswordPolicy",
    "PasswordProblem",
    "PasswordVerdict",
    "PwnedRanges",
    "Rule",
    "Rules",
    "StandardPolicy",
    "StandardThrottle",
    "ThrottleStore",
    "UrllibTransport",
    "Verification",
    "ambient_hasher",
    "ambient_policy",
    "generate_passphrase",
    "generate_password",
    "hash_password",
    "is_similar",
    "validate_password",
    "verify_password",
    "was_used",
]
