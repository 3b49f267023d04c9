"""Every exception that backstay raises on purpose.

A driver's own exception never leaves backstay: it is wrapped in one of these with ``raise … from exc``. Each
also derives from the builtin that a reader would expect (``ValueError``, ``TimeoutError``, …), so that code
which knows nothing of backstay still handles it sensibly::

    BackstayError
    ├── ConfigError (ValueError)               a setting is missing, unknown or malformed
    ├── MissingExtraError (ImportError)        an optional dependency is not installed
    ├── NotConfiguredError (RuntimeError)      a call needs something the open Backstay does not have
    ├── RequestRefused (PermissionError)       a request is answered with a refusal: status and headers
    ├── CacheError
    │   ├── InvalidKey (ValueError)            a key, tag or pattern breaks the rules
    │   ├── UncacheableKey (TypeError)         a key part has no canonical form
    │   ├── EncodingError (TypeError)          a value cannot be encoded by its codec
    │   ├── ValueTooLarge (ValueError)         an encoded value exceeds the size limit
    │   ├── SealingRequired                    a sensitive value, and no Encryptor to seal it
    │   ├── CacheUnavailable (ConnectionError) the backend did not answer in time
    │   │   └── CacheRefused                   it answered, and will not do this one thing now (out of memory, …)
    │   ├── ComputeTimeout (TimeoutError)      the computation exceeded its hard timeout
    │   └── LockError
    │       ├── LockNotAcquired (TimeoutError) the wait for a lock ran out
    │       └── LockLost                       the lease of a held lock is gone
    ├── PasswordError
    │   ├── PasswordRejected (ValueError)      raised only by calls that are asked to raise
    │   ├── WeakHashProfile (ValueError)       a hashing profile below the documented minimum
    │   ├── MalformedHash (ValueError)         a stored hash that no scheme understands, or a cost bomb
    │   ├── UnknownPepper (LookupError)        a stored hash names a pepper key that is not configured
    │   ├── HasherBusy (TimeoutError)          the hashing queue is full, or the deadline passed
    │   ├── BreachDataError                    a breach database is missing or damaged
    │   ├── TooManyAttempts                    the throttle says: not now
    │   └── ThrottleUnavailable (ConnectionError)  the throttle's store did not answer: fail closed
    ├── TokenError
    │   ├── InvalidToken (ValueError)          one public text, a closed enum of reasons
    │   ├── InsufficientPermission (PermissionError)  the token is good, but not for this
    │   ├── KeyRejected (ValueError)           a key that is too short, weak, or of the wrong kind
    │   └── TokenStoreUnavailable (ConnectionError)   503, never "invalid"
    ├── MigrationError
    │   ├── InvalidMigration (ValueError)      a file that cannot be read as a migration
    │   ├── MigrationPlanError (ValueError)    the files and the history do not fit together
    │   ├── MigrationFailed                    a step failed; says which, where, and what stands
    │   │   └── StepFailed                     the same, with the report of the whole run
    │   ├── MigrationUnavailable (ConnectionError)  the database could not be reached, or went away
    │   ├── DangerousMigration                 the linter found a danger that the file does not excuse
    │   └── MigrationLockLost                  another runner, or the server, took the lock away
    └── IndexPlanError
        ├── InvalidIndex (ValueError)          a definition that cannot be an index
        ├── IndexBuildFailed                   a build failed; says what was cleaned up
        │   └── IndexBuildTimeout (TimeoutError)   the deadline passed; names whom the build waited for
        ├── IndexServerUnavailable (ConnectionError)  the database did not answer, or refused
        └── WorkloadError (ValueError)         a workload that cannot be read
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class BackstayError(Exception):
    """The root: ``except BackstayError`` catches everything that backstay raises on purpose."""


class ConfigError(BackstayError, ValueError):
    """A setting is missing, unknown or malformed. Names the setting, never its secret value."""


class MissingExtraError(BackstayError, ImportError):
    """An optional dependency is not installed; the message is the command that installs it."""

    def __init__(self, extra: str, needed_by: str) -> None:
        super().__init__(f"{needed_by} needs an extra that is not installed: pip install 'backstay[{extra}]'")
        self.extra = extra


class NotConfiguredError(BackstayError, RuntimeError):
    """A call needs something that the innermost open Backstay was not given."""


class RequestRefused(BackstayError, PermissionError):
    """A request is answered with a refusal. The message is for the client, and says nothing that helps to guess.

    `error` is the code of RFC 6750, RFC 9449 or RFC 9470, where one applies.
    """

    def __init__(
        self, message: str, *, status: int, error: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.headers = headers


class CacheError(BackstayError):
    """The root of what the cache raises. A dead cache raises nothing: the value is computed."""


class InvalidKey(CacheError, ValueError):
    """A key, tag, namespace or pattern that breaks the rules; the message names the rule."""


class UncacheableKey(CacheError, TypeError):
    """A key part without a canonical text form; the message names the parameter and its type."""


class EncodingError(CacheError, TypeError):
    """A value that its codec cannot encode. The message names the type, never the value."""


class ValueTooLarge(CacheError, ValueError):
    """An encoded value over the size limit. `set` raises it; get-or-compute only reports an event."""


class SealingRequired(CacheError):
    """A value was marked sensitive, and the cache has no Encryptor to seal it with."""


class CacheUnavailable(CacheError, ConnectionError):
    """The cache's backend could not be reached, or did not answer within its budget."""


class CacheRefused(CacheUnavailable):
    """The backend answered, and refuses this one request now: it is out of memory, or has too much to do.

    Other requests may well be served: nothing is lost but this one.
    """


class ComputeTimeout(CacheError, TimeoutError):
    """A computation exceeded its hard timeout, and nothing was at hand to serve instead."""


class ComputeCancelled(CacheError):
    """A computation ended as if it were cancelled, and nobody had called it off: something that it awaited was."""


class LockError(CacheError):
    """The root of what locks raise."""


class LockNotAcquired(LockError, TimeoutError):
    """Somebody else held the lock for as long as the caller was willing to wait."""


class LockLost(LockError):
    """The lease of a held lock ran out or was taken: what it protected is no longer protected."""


class PasswordError(BackstayError):
    """The root of what the password package raises. Never carries a password."""


class PasswordRejected(PasswordError, ValueError):
    """A password broke the policy, raised by calls that are asked to raise instead of returning a verdict."""


class WeakHashProfile(PasswordError, ValueError):
    """A hashing profile below the documented minimum was asked for."""


class MalformedHash(PasswordError, ValueError):
    """A stored hash that no configured scheme understands, or whose cost exceeds the caps."""


class UnknownPepper(PasswordError, LookupError):
    """A stored hash names a pepper key that is not configured.

    An operator's fault, never "wrong password".
    """


class HasherBusy(PasswordError, TimeoutError):
    """The hashing queue is full, or the deadline passed before a worker was free. Answer 503."""


class BreachDataError(PasswordError):
    """A breach database is missing, truncated or damaged."""


class TooManyAttempts(PasswordError):
    """The throttle refuses another attempt for now. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ThrottleUnavailable(PasswordError, ConnectionError):
    """The throttle's store did not answer. Attempts are refused: a limit that fails open is none."""


class TokenError(BackstayError):
    """The root of what the token package raises. Never carries a token or a key."""


class TokenReason(StrEnum):
    """Why a token was not accepted: for logs, events and tests, never for whoever presented it."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    ENCODING = "encoding"
    JSON = "json"
    HEADER = "header"
    CRITICAL = "critical"
    ALGORITHM = "algorithm"
    TYPE = "type"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    DECRYPTION = "decryption"
    CLAIM = "claim"
    MISSING_CLAIM = "missing_claim"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    LIFETIME = "lifetime"
    REVOKED = "revoked"
    REUSED = "reused"
    UNKNOWN_SESSION = "unknown_session"
    WRONG_CLIENT = "wrong_client"
    USER_DISABLED = "user_disabled"
    SCOPE = "scope"
    BINDING = "binding"
    PROOF = "proof"
    REPLAYED = "replayed"


class InvalidToken(TokenError, ValueError):
    """A token that is not accepted. One public text for all; `reason` is for logs and tests."""

    def __init__(self, reason: TokenReason) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        # The same for every reason: a text that tells an attacker which check failed is an oracle.
        return "the token is not accepted"

    def __repr__(self) -> str:
        return f"InvalidToken({self.reason})"


class InsufficientPermission(TokenError, PermissionError):
    """The token is good and its bearer known, but the requirement is not met. Answer 403."""


class KeyRejected(TokenError, ValueError):
    """A key that must not be used: too short, weak, of the wrong kind, or without an identifier."""


class TokenStoreUnavailable(TokenError, ConnectionError):
    """A store of sessions or revocations did not answer. Answer 503: this is never "invalid"."""


class MigrationError(BackstayError):
    """The root of what the migration runner raises."""


class InvalidMigration(MigrationError, ValueError):
    """A file that cannot be read as a migration; the message has file, line and column."""


class MigrationPlanError(MigrationError, ValueError):
    """Files and history do not fit together: changed, missing, out of order, duplicate, or dirty."""


class MigrationFailed(MigrationError):
    """A step failed. The message says which, with the server's words, and what stands now."""


class StepFailed(MigrationFailed):
    """A step failed. `report` maps every migration of the run to what became of it."""

    def __init__(self, message: str, *, migration: str, report: Mapping[str, str]) -> None:
        super().__init__(message)
        self.migration = migration
        self.report = report


class MigrationUnavailable(MigrationError, ConnectionError):
    """The database could not be reached or went away. What a step had done is taken back or resumed later."""


class DangerousMigration(MigrationError):
    """The linter found a danger that the file does not excuse; the message has the safe rewrite."""


class MigrationLockLost(MigrationError):
    """The lock on the history is gone; the runner stopped before its next step."""


class IndexPlanError(BackstayError):
    """The root of what the index planner raises."""


class InvalidIndex(IndexPlanError, ValueError):
    """A definition that cannot be an index on its table."""


class IndexBuildFailed(IndexPlanError):
    """A build failed; the message says why and what was cleaned up."""


class IndexBuildTimeout(IndexBuildFailed, TimeoutError):
    """The deadline passed before every index stood. The message names whom the build waited for."""


class IndexServerUnavailable(IndexPlanError, ConnectionError):
    """The database whose indexes are planned could not be reached, or refused a reading."""


class WorkloadError(IndexPlanError, ValueError):
    """A workload that cannot be read or holds nothing to plan for."""
