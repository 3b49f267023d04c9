"""Sessions, what happens to one when a refresh token is presented, and what revocations look like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a store says to a presented refresh token."""

    ROTATED = "rotated"
    REPLAYED = "replayed"
    REUSED = "reused"
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    WRONG_CLIENT = "wrong_client"
    WRONG_KEY = "wrong_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to be opened. Durations in seconds, counted by the store's clock from the opening.

    `context` is kept as it is: what the service wants to know again at each refresh. `jkt` is the thumbprint
    of the DPoP key to which the session is bound, or empty.
    """

    family: str
    user: str
    client_id: str
    kid: str
    idle: float
    absolute: float
    device: str = ""
    scope: str = ""
    jkt: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The answer to an opening: the user's epoch and the store's time."""

    epoch: int
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One device's session as a user sees it. Instants are Unix times of the store's clock."""

    family: str
    user: str
    client_id: str
    device: str
    scope: str
    created_at: float
    rotated_at: float
    idle_end: float
    absolute_end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A store's verdict on a presented generation, and the session as it now stands.

    `generation` and `kid` are those of the token that is now current: every racer derives the same one.
    """

    outcome: Outcome
    generation: int = 0
    kid: str = ""
    epoch: int = 0
    user: str = ""
    scope: str = ""
    jkt: str = ""
    context: str = ""
    ends_at: float = 0.0


def judge(
    presented: int,
    current: int,
    *,
    revoked: bool,
    since_rotation: float,
    grace: float,
    expired: bool,
) -> Outcome:
    """The rule of rotation, which the stores' scripts repeat in their own languages.

    - a revoked session stays so, inside of the grace as well;
    - the current generation moves on, and so does a *later* one: its MAC proves that it was minted here, so
      the store has lost a write (a failover), and the client has done nothing wrong;
    - the generation just before is answered with the same successor while the grace lasts; as soon as that
      successor is used it is two behind, which closes the window, and repeating it does not extend it;
    - anything older has been used twice, by two parties;
    - an expired session is no theft, so that expiry is asked last, and only where no reuse is seen.
    """
    if revoked:
        return Outcome.REVOKED
    replay = presented == current - 1 and since_rotation <= grace
    if presented < current and not replay:
        return Outcome.REUSED
    if expired:
        return Outcome.EXPIRED
    return Outcome.REPLAYED if replay else Outcome.ROTATED


class Kind(StrEnum):
    """What a revocation is about."""

    TOKEN = "token"  # noqa: S105 - the name of a kind
    SESSION = "session"
    EPOCH = "epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One entry of the log. It concerns tokens that expire until `expires_at`, and may be forgotten then.

    For `EPOCH`, tokens of user `id` below `epoch` are revoked, except those of session `keep`, which need
    `keep_epoch` only.
    """

    kind: Kind
    id: str
    expires_at: float
    epoch: int = 0
    keep: str = ""
    keep_epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries in order, and where to go on from.

    `reset`: the log began anew, drop what you had. `more`: there may be further entries already.
    """

    entries: tuple[Revocation, ...]
    cursor: str
    reset: bool = False
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIds:
    """By what a token may have been revoked."""

    token_id: str
    session_id: str
    user: str
    epoch: int
