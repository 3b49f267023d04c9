"""What has been revoked, held in this process: a request asks a set, not a server.

The copy is fed by a resumable log and knows how old it is. Past `max_staleness` it is no longer believed: the
log is read, once for all who wait, and if it does not answer, the request fails closed with "unavailable".
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

import anyio

from backstay.clock import Clock, SystemClock
from backstay.errors import InvalidToken, TokenReason, TokenStoreUnavailable
from backstay.events import Emitter
from backstay.tasks import Signal

from .claims import VerifiedToken
from .events import RevocationsStale
from .protocol import RevocationLog, RevocationView
from .sessions import Kind, Revocation

# Entries lie in a handful of sets by the time of their expiry: a whole set is dropped at once, without a heap
# (which would cost more memory than the entries) and without ever walking through them.
_SHELVES = 4


class Standing(Enum):
    """What the local copy says of a token."""

    GOOD = auto()
    REVOKED = auto()
    STALE = auto()


# Looking a member up in its class costs a quarter of a check.
_GOOD, _REVOKED, _STALE = Standing.GOOD, Standing.REVOKED, Standing.STALE


class DeniedIds:
    """Tokens and sessions, each until about its expiry: never dropped early, and a quarter of the horizon late."""

    __slots__ = ("_width", "shelves")

    def __init__(self, horizon: float) -> None:
        self._width = max(horizon / _SHELVES, 1.0)
        self.shelves: dict[int, tuple[set[str], set[str]]] = {}
        """Tokens and sessions, by when they may be dropped. The same object for ever: others look into it."""

    def __len__(self) -> int:
        return sum(len(tokens) + len(sessions) for tokens, sessions in self.shelves.values())

    def holds(self, token_id: object, session_id: object) -> bool:
        """Whether either is denied. Every request comes by here."""
        for tokens, sessions in self.shelves.values():  # noqa: SIM110 - a generator costs more than the look-ups
            if token_id in tokens or session_id in sessions:
                return True
        return False

    def add_token(self, token_id: str, expires_at: float) -> None:
        """Deny a token until then."""
        self._shelf(expires_at)[0].add(token_id)

    def add_session(self, session_id: str, expires_at: float) -> None:
        """Deny a session's tokens until then."""
        self._shelf(expires_at)[1].add(session_id)

    def drop_expired(self, now: float) -> None:
        """Drop the shelves on which everything has expired."""
        for number in [n for n in self.shelves if (n + 1) * self._width <= now]:
            del self.shelves[number]

    def _shelf(self, expires_at: float) -> tuple[set[str], set[str]]:
        return self.shelves.setdefault(int(expires_at / self._width), (set(), set()))


class _Asking:
    """A reading of the log to its end, by one of those who need it. The others wait until it is over."""

    __slots__ = ("failure", "over")

    def __init__(self) -> None:
        self.over = Signal()
        self.failure = ""


class LocalRevocations:
    """The local copy. `run` keeps it fresh; without `run`, a check reads the log whenever the copy is too old.

    `horizon` as the store has it. A caller waits for the log for at most `budget` seconds. Not promised: that a
    revocation made elsewhere is seen sooner than the log delivers it (milliseconds), but never later than
    `max_staleness` seconds.
    """

    def __init__(
        self,
        log: RevocationLog,
        *,
        clock: Clock | None = None,
        horizon: float = 3660.0,
        max_staleness: float = 1.0,
        budget: float = 5.0,
        events: Emitter | None = None,
    ) -> None:
        self._log = log
        self._clock = clock or SystemClock()
        self._monotonic = self._clock.monotonic
        self._max_staleness = max_staleness
        self._budget = budget
        self._events = events or Emitter()
        self._horizon = horizon
        # Reads are numbered as they begin. What comes before or after needs no clock, which may stand still.
        self._begun = 0
        self._asking: _Asking | None = None
        self._empty()

    def _empty(self) -> None:
        self._denied = DeniedIds(self._horizon)
        self._shelves = self._denied.shelves
        self._epochs: dict[str, Revocation] = {}
        self._cursor = ""
        # The last read that reached the end of the log: all that was on record when it began is here.
        self._complete = 0
        self._fresh_at = float("-inf")

    def __len__(self) -> int:
        return len(self._denied) + len(self._epochs)

    def standing(self, token: VerifiedToken, /) -> Standing:
        """What is known here and now. Does not wait."""
        if self._monotonic() - self._fresh_at > self._max_staleness:
            return _STALE
        # `_is_revoked` spelt out: every request comes by here, and calls are most of what a check costs.
        claims = token.registered
        token_id, session_id = claims.jti, claims.sid
        for tokens, sessions in self._shelves.values():
            if token_id in tokens or session_id in sessions:
                return _REVOKED
        if claims.sub in self._epochs and self._is_revoked(token):
            return _REVOKED
        return _GOOD

    async def check(self, token: VerifiedToken, /) -> None:
        """Return if the token stands; see `RevocationView.check`."""
        standing = self.standing(token)
        if standing is _GOOD:
            return
        # What is already known to be revoked stays so, however old the copy.
        if standing is _STALE and not self._is_revoked(token):
            await self.catch_up()
            # Nothing else ran since it came back: the copy has all that was on record when this caller came.
            if not self._is_revoked(token):
                return
        raise InvalidToken(TokenReason.REVOKED)

    async def catch_up(self) -> None:
        """Have here all that was on record when this was called. Callers share a read that began after they came.

        A caller that is cancelled leaves alone: if it was the one that read, another one reads.

        Raises:
            TokenStoreUnavailable: the log did not answer, or not within the budget.
        """
        came = self._begun
        with anyio.move_on_after(self._budget):
            while self._complete <= came:
                await self._ask_or_wait()
        if self._complete <= came:
            raise TokenStoreUnavailable(f"the log of revocations was not read within {self._budget:g} s")

    async def _ask_or_wait(self) -> None:
        asking = self._asking
        if asking is None:
            await self._ask()
            return
        # It may have begun too early to serve this caller. That it failed, it did after this caller came.
        await asking.over.wait()
        if asking.failure:
            raise TokenStoreUnavailable(asking.failure)

    async def _ask(self) -> None:
        self._asking = asking = _Asking()
        try:
            while not await self._read(0.0):
                pass
        except TokenStoreUnavailable as exc:
            asking.failure = str(exc)
            raise
        finally:
            self._asking = None
            asking.over.set()

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

    async def _read(self, wait: float) -> bool:
        """Read one page; whether it was the last."""
        self._begun = number = self._begun + 1
        asked_at, copy = self._clock.monotonic(), self._denied
        batch = await self._log.read(self._cursor, wait=wait)
        if self._denied is not copy:
            return False  # a concurrent read found that the log began anew: this is about the one before
        if batch.reset:
            self._empty()
            return False
        for entry in batch.entries:
            self._apply(entry)
        # A concurrent read may have gone further: what it applied is in the sets, so either cursor is right.
        self._cursor = batch.cursor
        if not batch.more:
            # An answer without news was given when the wait ended; any other, at some time since the question.
            waited = not batch.entries and self._clock.monotonic() >= asked_at + wait
            self._fresh_at = max(self._fresh_at, asked_at + wait if waited else asked_at)
            self._complete = max(self._complete, number)
        self._drop_expired()
        return not batch.more

    def _apply(self, entry: Revocation) -> None:
        match entry.kind:
            case Kind.TOKEN:
                self._denied.add_token(entry.id, entry.expires_at)
            case Kind.SESSION:
                self._denied.add_session(entry.id, entry.expires_at)
            case Kind.EPOCH:
                known = self._epochs.get(entry.id)
                if known is None or known.epoch < entry.epoch:
                    self._epochs[entry.id] = entry

    def _is_revoked(self, token: VerifiedToken) -> bool:
        # The claims themselves and not the token's properties: this is read on every request.
        claims = token.registered
        if self._denied.holds(claims.jti, claims.sid):
            return True
        entry = self._epochs.get(claims.sub or "")
        if entry is None:
            return False
        kept = entry.keep and token.session_id == entry.keep
        return token.epoch < (entry.keep_epoch if kept else entry.epoch)

    def _drop_expired(self) -> None:
        now = self._clock.now().timestamp()
        self._denied.drop_expired(now)
        # Epochs are few, but a mass revocation makes many; looked at one by one only when they have doubled.
        count = len(self._epochs)
        if count & (count - 1) == 0:
            # unlike the sets, by their exact expiry
            self._epochs = {user: e for user, e in self._epochs.items() if e.expires_at > now}


if TYPE_CHECKING:
    _: type[RevocationView] = LocalRevocations
