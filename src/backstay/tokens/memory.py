"""All token stores in this process: for tests, for one process, and as the readable form of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from backstay.clock import Clock, SystemClock

from .protocol import OpaqueStore, ReplayStore, RevocationLog, SessionStore
from .sessions import (
    Batch,
    Kind,
    NewSession,
    Opened,
    Outcome,
    Revocation,
    Rotation,
    Session,
    TokenIds,
    judge,
)


@dataclass(slots=True)
class _Row:
    new: NewSession
    kid: str
    created: float
    rotated: float
    idle_end: float
    end: float
    generation: int = 0
    revoked: bool = False


class MemoryTokenStore:
    """Sessions, revocations, one-time identifiers and opaque tokens, lost with the process.

    `horizon` is the longest time, in seconds, that an access token is accepted for after its issue (lifetime
    and leeway): revocations are kept for so long. Nothing suspends in mid-step, so that each is atomic.
    """

    def __init__(self, *, clock: Clock | None = None, horizon: float = 3660.0) -> None:
        self._clock = clock or SystemClock()
        self._horizon = horizon
        self._rows: dict[str, _Row] = {}
        self._epochs: dict[str, Revocation] = {}
        self._log: deque[tuple[int, Revocation]] = deque()
        self._written = 0
        self._news = anyio.Event()
        self._denied: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._opaque: dict[bytes, tuple[bytes, float]] = {}

    def _now(self) -> float:
        return self._clock.now().timestamp()

    # ---- sessions

    async def open_session(self, session: NewSession, /) -> Opened:
        """Store a new session at generation 0."""
        await anyio.lowlevel.checkpoint()
        now = self._now()
        self._forget_ended(now)
        self._rows[session.family] = _Row(
            new=session,
            kid=session.kid,
            created=now,
            rotated=now,
            idle_end=now + min(session.idle, session.absolute),
            end=now + session.absolute,
        )
        return Opened(epoch=self._epoch(session.user), now=now)

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
        """Judge a generation and move on by one; see `SessionStore.rotate`."""
        await anyio.lowlevel.checkpoint()
        row = self._rows.get(family)
        if row is None:
            return Rotation(outcome=Outcome.UNKNOWN)
        if row.new.client_id != client_id or row.new.jkt != jkt:
            wrong = Outcome.WRONG_CLIENT if row.new.client_id != client_id else Outcome.WRONG_KEY
            return self._rotation(row, wrong)
        now = self._now()
        outcome = judge(
            generation,
            row.generation,
            revoked=row.revoked,
            since_rotation=now - row.rotated,
            grace=grace,
            expired=now >= row.idle_end,
        )
        if outcome is Outcome.ROTATED:
            row.generation, row.kid, row.rotated = generation + 1, kid, now
            row.idle_end = min(now + idle, row.end)
        elif outcome is Outcome.REUSED:
            self._revoke(family, row)
        return self._rotation(row, outcome)

    async def end_session(self, family: str, /, *, user: str | None = None, client_id: str | None = None) -> bool:
        """Revoke one session."""
        await anyio.lowlevel.checkpoint()
        row = self._rows.get(family)
        if row is None or row.revoked:
            return False
        if user not in {None, row.new.user} or client_id not in {None, row.new.client_id}:
            return False
        self._revoke(family, row)
        return True

    async def end_user(self, user: str, /, *, keep: str | None = None) -> int:
        """Raise the epoch and revoke all sessions but one."""
        await anyio.lowlevel.checkpoint()
        before = self._epochs.get(user)
        old = before.epoch if before else 0
        kept = before.keep_epoch if before and keep and before.keep == keep else old
        entry = Revocation(
            kind=Kind.EPOCH,
            id=user,
            expires_at=self._now() + self._horizon,
            epoch=old + 1,
            keep=keep or "",
            keep_epoch=kept if keep else old + 1,
        )
        self._epochs[user] = entry
        rows = [row for row in self._rows.values() if row.new.user == user and not row.revoked]
        ended = [row for row in rows if row.new.family != keep]
        for row in ended:
            row.revoked = True
        self._append(entry)
        return len(ended)

    async def sessions(self, user: str, /) -> Sequence[Session]:
        """The user's live sessions, newest first."""
        await anyio.lowlevel.checkpoint()
        now = self._now()
        rows = [
            row for row in self._rows.values() if row.new.user == user and not row.revoked and now < row.idle_end
        ]
        rows.sort(key=lambda row: row.created, reverse=True)
        return [_session(row) for row in rows[:1000]]

    # ---- revocations

    async def deny(self, token_id: str, /, *, expires_at: float) -> None:
        """Deny one token."""
        await anyio.lowlevel.checkpoint()
        self._denied[token_id] = expires_at
        self._append(Revocation(kind=Kind.TOKEN, id=token_id, expires_at=expires_at))

    async def read(self, cursor: str, /, *, wait: float = 0.0) -> Batch:
        """Entries after the cursor."""
        await anyio.lowlevel.checkpoint()
        after = int(cursor or 0)
        if wait > 0 and self._written <= after:
            with anyio.move_on_after(wait):
                await self._news.wait()
        now = self._now()
        entries = tuple(e for number, e in self._log if number > after and e.expires_at > now)
        return Batch(entries=entries, cursor=str(self._written))

    async def is_revoked(self, ids: TokenIds, /) -> bool:
        """Whether anything on record revokes a token with these identifiers."""
        await anyio.lowlevel.checkpoint()
        if self._denied.get(ids.token_id, 0) > self._now():
            return True
        row = self._rows.get(ids.session_id)
        if row is not None and row.revoked:
            return True
        entry = self._epochs.get(ids.user)
        if entry is None:
            return False
        return ids.epoch < (entry.keep_epoch if entry.keep and ids.session_id == entry.keep else entry.epoch)

    # ---- one-time identifiers and opaque tokens

    async def first_use(self, key: str, /, *, ttl: float) -> bool:
        """Whether this key is new."""
        await anyio.lowlevel.checkpoint()
        now = self._now()
        if len(self._used) > 4096:
            self._used = {k: end for k, end in self._used.items() if end > now}
        if self._used.get(key, 0) > now:
            return False
        self._used[key] = now + ttl
        return True

    async def save(self, digest: bytes, claims: bytes, /, *, ttl: float) -> None:
        """Keep claims under a digest."""
        await anyio.lowlevel.checkpoint()
        self._opaque[digest] = (claims, self._now() + ttl)

    async def find(self, digest: bytes, /) -> bytes | None:
        """The claims, if there are any."""
        await anyio.lowlevel.checkpoint()
        claims, end = self._opaque.get(digest, (None, 0.0))
        return claims if end > self._now() else None

    async def remove(self, digest: bytes, /) -> bool:
        """Forget a token."""
        await anyio.lowlevel.checkpoint()
        return self._opaque.pop(digest, None) is not None

    # ---- inside

    def _epoch(self, user: str) -> int:
        entry = self._epochs.get(user)
        return entry.epoch if entry else 0

    def _rotation(self, row: _Row, outcome: Outcome) -> Rotation:
        return Rotation(
            outcome=outcome,
            generation=row.generation,
            kid=row.kid,
            epoch=self._epoch(row.new.user),
            user=row.new.user,
            scope=row.new.scope,
            jkt=row.new.jkt,
            context=row.new.context,
            ends_at=row.end,
        )

    def _revoke(self, family: str, row: _Row) -> None:
        row.revoked = True
        self._append(Revocation(kind=Kind.SESSION, id=family, expires_at=self._now() + self._horizon))

    def _append(self, entry: Revocation) -> None:
        now = self._now()
        while self._log and self._log[0][1].expires_at <= now:
            self._log.popleft()
        if len(self._denied) & (len(self._denied) - 1) == 0:
            self._denied = {token_id: end for token_id, end in self._denied.items() if end > now}
        self._written += 1
        self._log.append((self._written, entry))
        self._news.set()
        self._news = anyio.Event()

    def _forget_ended(self, now: float) -> None:
        # Looking at all rows each time would make opening slow; doubling keeps the cost per opening constant.
        if len(self._rows) & (len(self._rows) - 1) == 0:
            self._rows = {family: row for family, row in self._rows.items() if row.end > now}


def _session(row: _Row) -> Session:
    return Session(
        family=row.new.family,
        user=row.new.user,
        client_id=row.new.client_id,
        device=row.new.device,
        scope=row.new.scope,
        created_at=row.created,
        rotated_at=row.rotated,
        idle_end=row.idle_end,
        absolute_end=row.end,
    )


if TYPE_CHECKING:
    _sessions: type[SessionStore] = MemoryTokenStore
    _log: type[RevocationLog] = MemoryTokenStore
    _replay: type[ReplayStore] = MemoryTokenStore
    _opaque: type[OpaqueStore] = MemoryTokenStore
