"""Which answer an error of backstay becomes: one table, so that three frameworks give the same one.

A store that is down is 503 and never 401, which would log everybody out. What is an operator's fault is 500 and
tells the client nothing. The text of an error goes out only where its class promises that it says nothing secret
and helps whoever reads it.
"""

from __future__ import annotations

import math
from typing import Final

from backstay.errors import (
    BackstayError,
    CacheUnavailable,
    ComputeTimeout,
    HasherBusy,
    IndexServerUnavailable,
    InsufficientPermission,
    InvalidKey,
    InvalidToken,
    LockNotAcquired,
    MigrationUnavailable,
    NotConfiguredError,
    PasswordRejected,
    RequestRefused,
    ThrottleUnavailable,
    TokenStoreUnavailable,
    TooManyAttempts,
    ValueTooLarge,
)

from .answers import Answer, problem, refusal
from .challenges import Challenges

RETRY: Final = (("retry-after", "1"),)
"""A store that failed over is usually back within a second or two."""

_LATER = "a service behind this one does not answer; try again"

# The first class that fits decides; None: what the error itself says.
TABLE: Final[tuple[tuple[type[BackstayError], int, str | None], ...]] = (
    (TokenStoreUnavailable, 503, _LATER),
    (ThrottleUnavailable, 503, _LATER),
    (CacheUnavailable, 503, _LATER),
    (MigrationUnavailable, 503, _LATER),
    (IndexServerUnavailable, 503, _LATER),
    (HasherBusy, 503, "too many passwords are being checked; try again"),
    (LockNotAcquired, 503, "another request holds what this one needs; try again"),
    (ComputeTimeout, 504, "the answer took too long to compute"),
    (NotConfiguredError, 500, "the service is not configured for this"),
    (PasswordRejected, 422, None),
    (InvalidKey, 422, None),
    (ValueTooLarge, 422, "a value is too large to be kept"),
    (BackstayError, 500, "the service failed"),
)


def answer_to(exc: BackstayError, challenges: Challenges | None = None) -> Answer:
    """The answer to an error that left a request's handler."""
    challenges = challenges or Challenges()
    match exc:
        case RequestRefused():
            return refusal(exc)
        case InvalidToken():
            return refusal(challenges.invalid_token("bearer"))
        case InsufficientPermission():
            return problem(403, "the request is not permitted", error="insufficient_scope")
        case TooManyAttempts():
            wait = str(max(1, math.ceil(exc.retry_after)))
            return problem(429, "too many attempts; try again later", headers=(("retry-after", wait),))
        case _:
            return _by_table(exc)


def _by_table(exc: BackstayError) -> Answer:
    kinds = type(exc).__mro__
    status, text = next((status, text) for kind, status, text in TABLE if kind in kinds)
    return problem(status, str(exc) if text is None else text, headers=RETRY if status == 503 else ())
