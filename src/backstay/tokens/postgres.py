"""Token stores on PostgreSQL (13 or newer): each step is one statement, judged by the server's clock."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

import anyio

from backstay.errors import MissingExtraError, TokenStoreUnavailable
from backstay.tasks import TaskOwner

from .protocol import OpaqueStore, ReplayStore, RevocationLog, SessionStore
from .sessions import Batch, Kind, NewSession, Opened, Outcome, Revocation, Rotation, Session, TokenIds

try:
    import asyncpg
except ImportError as exc:
    raise MissingExtraError("postgres", "backstay.tokens.postgres") from exc

if TYPE_CHECKING:
    _Pool = asyncpg.Pool[asyncpg.Record]

_CHANNEL = "backstay_tokens"
# InternalClientError is how asyncpg speaks of a connection that was lost in mid-statement (it says "a bug").
_OUTDATED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
_ALTERED = 5  # times that a plan may be out of date in a row
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class PostgresTokenStore:
    """Sessions, revocations, one-time identifiers and opaque tokens on a pool of connections.

    The tables are found by the pool's ``search_path``, and made when they are first needed and missing. `horizon`
    as in `MemoryTokenStore`. Not promised: news by `read` while nobody runs `listen` (it is then found when the
    wait is over), nor that ended rows go while nobody runs `tidy`.
    """

    def __init__(self, pool: _Pool, *, horizon: float = 3660.0) -> None:
        self._pool = pool
        self._horizon = timedelta(seconds=horizon)
        self._hint = anyio.Event()
        self._sql = _queries()
        self._has_tables = False
        self._making_tables = anyio.Lock()

    async def create_tables(self) -> None:
        """Create what is missing. Safe to repeat, and for several processes at once.

        Where all tables are there it needs no right to create any.
        """
        if await self._ask(self._pool.fetchval("SELECT to_regclass('backstay_token_opaque') IS NOT NULL")):
            return
        schema = files("backstay.tokens").joinpath("sql", "schema.sql").read_text("utf-8")
        # IF NOT EXISTS still collides when two processes begin together; the lock lets one go first.
        locked = f"BEGIN; SELECT pg_advisory_xact_lock(hashtext('{_CHANNEL}')); {schema} COMMIT;"
        await self._ask(self._pool.execute(locked))

    async def listen(self, *, retry: float = 0.25) -> None:
        """Hear of revocations as they are committed, on a connection of its own, until cancelled.

        A connection that is lost is made again, every `retry` seconds if need be.
        """
        while True:
            with suppress(TokenStoreUnavailable):
                await self._listen_until_lost()
            await anyio.sleep(retry)

    async def _listen_until_lost(self) -> None:
        connection = await self._ask(self._pool.acquire())
        lost = anyio.Event()

        def on_loss(_connection: object) -> None:
            lost.set()

        try:
            connection.add_termination_listener(on_loss)
            await self._ask(connection.add_listener(_CHANNEL, self._heard))
            self._heard()  # what came before is not announced again: look now
            await lost.wait()
        finally:
            with anyio.CancelScope(shield=True):
                # The pool has taken back a connection that was lost, and then refuses to hear of it.
                with suppress(*_AWAY):
                    connection.remove_termination_listener(on_loss)
                    await connection.remove_listener(_CHANNEL, self._heard)
                await self._pool.release(connection, timeout=1.0)

    async def tidy(self, *, every: float = 600.0) -> None:
        """`prune` every so many seconds, until cancelled. A server that is away is pruned the next time."""
        while True:
            await anyio.sleep(every)
            with suppress(TokenStoreUnavailable):
                await self.prune()

    def _heard(self, *_: object) -> None:
        hint, self._hint = self._hint, anyio.Event()
        hint.set()

    async def prune(self) -> int:
        """Drop sessions, revocations and tokens that have ended; the number of rows."""
        return int(await self._value("prune"))

    # ---- sessions

    async def open_session(self, session: NewSession, /) -> Opened:
        """Store a new session at generation 0."""
        row = await self._row(
            "open",
            *(session.family, session.user, session.client_id, session.kid, session.device, session.scope),
            *(session.jkt, session.context, _seconds(session.idle), _seconds(session.absolute)),
        )
        return Opened(epoch=row["epoch"], now=row["now"].timestamp())

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
        row = await self._row(
            "rotate",
            *(family, generation, client_id, jkt, kid, _seconds(grace), _seconds(idle), self._horizon),
        )
        if row is None:
            return Rotation(outcome=Outcome.UNKNOWN)
        return Rotation(
            outcome=Outcome(row["verdict"]),
            generation=row["generation"],
            kid=row["kid"],
            epoch=row["epoch"],
            user=row["user_id"],
            scope=row["scope"],
            jkt=row["jkt"],
            context=row["context"],
            ends_at=row["ends"].timestamp(),
        )

    async def end_session(self, family: str, /, *, user: str | None = None, client_id: str | None = None) -> bool:
        """Revoke one session."""
        return bool(await self._value("end_session", family, user, client_id, self._horizon))

    async def end_user(self, user: str, /, *, keep: str | None = None) -> int:
        """Raise the epoch and revoke all sessions but one."""
        return int(await self._value("end_user", user, keep or "", self._horizon))

    async def sessions(self, user: str, /) -> Sequence[Session]:
        """The user's live sessions, newest first."""
        rows = await self._rows("sessions", user)
        return [_read_session(row) for row in rows]

    # ---- revocations

    async def deny(self, token_id: str, /, *, expires_at: float) -> None:
        """Deny one token."""
        await self._value("deny", token_id, datetime.fromtimestamp(expires_at, UTC))

    async def read(self, cursor: str, /, *, wait: float = 0.0) -> Batch:
        """Entries after the cursor, from the table; a notification only says when to look."""
        hint = self._hint
        batch = await self._read(cursor)
        if batch.entries or wait <= 0:
            return batch
        with anyio.move_on_after(wait):
            await hint.wait()
        return await self._read(batch.cursor)

    async def _read(self, cursor: str) -> Batch:
        rows = await self._rows("read", cursor or "0")
        entries = tuple(_read_revocation(row) for row in rows if row["kind"] is not None)
        # A server restored from a backup counts its transactions from further back: begin anew.
        found = str(rows[0]["cursor"])
        if cursor and int(found) < int(cursor):
            return Batch(entries=(), cursor="", reset=True)
        return Batch(entries=entries, cursor=found)

    async def is_revoked(self, ids: TokenIds, /) -> bool:
        """Whether anything on record revokes a token with these identifiers."""
        return bool(await self._value("is_revoked", ids.token_id, ids.session_id, ids.user, ids.epoch))

    # ---- one-time identifiers and opaque tokens

    async def first_use(self, key: str, /, *, ttl: float) -> bool:
        """Whether this key is new."""
        return bool(await self._value("first_use", key, _seconds(ttl)))

    async def save(self, digest: bytes, claims: bytes, /, *, ttl: float) -> None:
        """Keep claims under a digest."""
        await self._value("save", digest, claims, _seconds(ttl))

    async def find(self, digest: bytes, /) -> bytes | None:
        """The claims, if there are any."""
        return cast("bytes | None", await self._value("find", digest))

    async def remove(self, digest: bytes, /) -> bool:
        """Forget a token."""
        return bool(await self._value("remove", digest))

    # ---- inside

    async def _rows(self, name: str, *args: object) -> Any:
        if not self._has_tables:
            async with self._making_tables:
                await self.create_tables()
                self._has_tables = True
        for _ in range(_ALTERED):
            # The driver tries once more by itself: not enough while a migration alters one table after another.
            # Nothing has happened yet, since a plan is refused before it runs.
            try:
                return await self._ask(self._pool.fetch(self._sql[name], *args))
            except TokenStoreUnavailable as exc:
                if not isinstance(exc.__cause__, _OUTDATED):
                    raise
        return await self._ask(self._pool.fetch(self._sql[name], *args))

    async def _row(self, name: str, *args: object) -> Any:
        return next(iter(await self._rows(name, *args)), None)

    async def _value(self, name: str, *args: object) -> Any:
        row = await self._row(name, *args)
        return None if row is None else row[0]

    async def _ask(self, question: Awaitable[Any]) -> Any:
        try:
            return await question
        except _AWAY as exc:
            kind = type(exc).__name__
            raise TokenStoreUnavailable(f"PostgreSQL did not answer for the tokens: {kind}") from exc


@asynccontextmanager
async def open_postgres_store(
    dsn: str, *, horizon: float = 3660.0, timeout: float = 5.0, max_size: int = 10
) -> AsyncGenerator[PostgresTokenStore]:
    """A store with a pool of its own, listening and tidying up; all closed with the block.

    Nothing connects before its first use, apart from the listening, which waits for the server in the background.
    `timeout` is of one answer, in seconds.
    """
    pool = await asyncpg.create_pool(dsn, min_size=0, max_size=max_size, timeout=timeout, command_timeout=timeout)
    store = PostgresTokenStore(pool, horizon=horizon)
    owner = TaskOwner()
    owner.start(store.listen, "listen for token revocations")
    owner.start(store.tidy, "prune ended token sessions")
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(timeout):
            await owner.aclose()
            await pool.close()
        pool.terminate()  # what a silent server kept from closing


def _queries() -> dict[str, str]:
    text = files("backstay.tokens").joinpath("sql", "queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _read_revocation(row: Any) -> Revocation:
    return Revocation(
        kind=Kind(row["kind"]),
        id=row["id"],
        expires_at=row["expires"].timestamp(),
        epoch=row["epoch"],
        keep=row["keep"],
        keep_epoch=row["keep_epoch"],
    )


def _read_session(row: Any) -> Session:
    return Session(
        family=row["family"],
        user=row["user_id"],
        client_id=row["client_id"],
        device=row["device"],
        scope=row["scope"],
        created_at=row["created"].timestamp(),
        rotated_at=row["rotated"].timestamp(),
        idle_end=row["idle_end"].timestamp(),
        absolute_end=row["ends"].timestamp(),
    )


if TYPE_CHECKING:
    _sessions: type[SessionStore] = PostgresTokenStore
    _revocations: type[RevocationLog] = PostgresTokenStore
    _replay: type[ReplayStore] = PostgresTokenStore
    _opaque: type[OpaqueStore] = PostgresTokenStore
