"""What has been revoked, held in this process: a request asks a set, not a server.

The copy is fed by a resumable log and knows how old it is. Past `max_staleness` it is no longer believed: the
log itself is asked, and if that does not answer, the request fails closed with "unavailable".
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from backstay.clock import Clock, SystemClock
from backstay.errors import InvalidToken, TokenReason, TokenStoreUnavailable
from backstay.events import Emitter

from .claims import VerifiedToken
from .events import RevocationsStale
from .protocol import RevocationLog, RevocationView
from .sessions import Kind, Revocation, TokenIds

# Entries lie in a handful of sets by the time of their expiry: a whole set is dropped at once, without a heap
# (which would cost more memory than the entries) and without ever walking through them.
_SHELVES = 4


class Standing(Enum):
    """What the local copy says of a token."""

    GOOD = auto()
    REVOKED = auto()
    STALE = auto()


class ExpiringSet:
    """Texts, each until about its expiry: never dropped early, and at most a quarter of the horizon late."""

    __slots__ = ("_shelves", "_width")

    def __init__(self, horizon: float) -> None:
        self._width = max(horizon / _SHELVES, 1.0)
        self._shelves: dict[int, set[str]] = {}

    def __contains__(self, text: str) -> bool:
        return any(text in shelf for shelf in self._shelves.values())

    def __len__(self) -> int:
        return sum(map(len, self._shelves.values()))

    def add(self, text: str, expires_at: float) -> None:
        """Hold a text until then."""
        self._shelves.setdefault(int(expires_at / self._width), set()).add(text)

    def drop_expired(self, now: float) -> None:
        """Drop the shelves on which everything has expired."""
        for number in [n for n in self._shelves if (n + 1) * self._width <= now]:
            del self._shelves[number]


class LocalRevocations:
    """The local copy. `run` keeps it fresh; without `run`, every check asks the log.

    `horizon` as the store has it. Not promised: that a revocation made elsewhere is seen sooner than the log
    delivers it (milliseconds), but never later than `max_staleness` seconds.
    """

    def __init__(
        self,
        log: RevocationLog,
        *,
        clock: Clock | None = None,
        horizon: float = 3660.0,
        max_staleness: float = 1.0,
        events: Emitter | None = None,
    ) -> None:
        self._log = log
        self._clock = clock or SystemClock()
        self._max_staleness = max_staleness
        self._events = events or Emitter()
        self._cursor = ""
        self._fresh_at = float("-inf")
        self._horizon = horizon
        self._empty()

    def _empty(self) -> None:
        self._tokens = ExpiringSet(self._horizon)
        self._sessions = ExpiringSet(self._horizon)
        self._epochs: dict[str, Revocation] = {}

    def __len__(self) -> int:
        return len(self._tokens) + len(self._sessions) + len(self._epochs)

    def standing(self, token: VerifiedToken, /) -> Standing:
        """What is known here and now. Does not wait."""
        if self._clock.monotonic() - self._fresh_at > self._max_staleness:
            return Standing.STALE
        return Standing.REVOKED if self._is_revoked(token) else Standing.GOOD

    async def check(self, token: VerifiedToken, /) -> None:
        """Return if the token stands; see `RevocationView.check`."""
        match self.standing(token):
            case Standing.GOOD:
                return
            case Standing.REVOKED:
                raise InvalidToken(TokenReason.REVOKED)
            case Standing.STALE:
                ids = TokenIds(
                    token_id=token.token_id,
                    session_id=token.session_id,
                    user=token.subject,
                    epoch=token.epoch,
                )
                # What is already known to be revoked stays so, however old the copy.
                if self._is_revoked(token) or await self._log.is_revoked(ids):
                    raise InvalidToken(TokenReason.REVOKED)

    async def catch_up(self) -> None:
        """Read what is new, without waiting for more. Raises TokenStoreUnavailable."""
        await self._read(0.0)

    async def run(self, *, wait: float = 0.25, retry: float = 0.1) -> None:
        """Follow the log until cancelled. For a task group of the caller's.

        `wait` is how long one read waits for news: below `max_staleness`, as it is also the copy's age.
        """
        while True:
            try:
                await self._read(wait)
            except TokenStoreUnavailable:
                age = self._clock.monotonic() - self._fresh_at
                if age > self._max_staleness:
                    self._events(RevocationsStale(age=age))
                await self._clock.sleep(retry)

    async def _read(self, wait: float) -> None:
        asked_at = self._clock.monotonic()
        batch = await self._log.read(self._cursor, wait=wait)
        if batch.reset:
            self._empty()
        for entry in batch.entries:
            self._apply(entry)
        # A concurrent read may have gone further: what it applied is in the sets, so either cursor is right.
        self._cursor = batch.cursor
        # An answer without news was given when the wait ended; any other, at some time since the question.
        waited = not batch.entries and self._clock.monotonic() >= asked_at + wait
        answered_at = asked_at + wait if waited else asked_at
        self._fresh_at = max(self._fresh_at, answered_at)
        self._drop_expired()

    def _apply(self, entry: Revocation) -> None:
        match entry.kind:
            case Kind.TOKEN:
                self._tokens.add(entry.id, entry.expires_at)
            case Kind.SESSION:
                self._sessions.add(entry.id, entry.expires_at)
            case Kind.EPOCH:
                known = self._epochs.get(entry.id)
                if known is None or known.epoch < entry.epoch:
                    self._epochs[entry.id] = entry

    def _is_revoked(self, token: VerifiedToken) -> bool:
        if token.token_id in self._tokens or token.session_id in self._sessions:
            return True
        entry = self._epochs.get(token.subject)
        if entry is None:
            return False
        kept = entry.keep and token.session_id == entry.keep
        return token.epoch < (entry.keep_epoch if kept else entry.epoch)

    def _drop_expired(self) -> None:
        now = self._clock.now().timestamp()
        self._tokens.drop_expired(now)
        self._sessions.drop_expired(now)
        # Epochs are few, but a mass revocation makes many; looked at one by one only when they have doubled.
        count = len(self._epochs)
        if count & (count - 1) == 0:
            # unlike the sets, by their exact expiry
            self._epochs = {user: e for user, e in self._epochs.items() if e.expires_at > now}


if TYPE_CHECKING:
    _: type[RevocationView] = LocalRevocations
