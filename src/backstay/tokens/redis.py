"""Token stores on Redis: each step is one script, each script one round trip.

All keys of one prefix share a hash tag, so that the store works on a cluster too (on one slot). The server
must not evict (``maxmemory-policy noeviction``): an evicted revocation is a lost one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from backstay.errors import MissingExtraError, TokenStoreUnavailable

from .protocol import OpaqueStore, ReplayStore, RevocationLog, SessionStore
from .sessions import Batch, Kind, NewSession, Opened, Outcome, Revocation, Rotation, Session, TokenIds

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.tokens.redis") from exc

_READ_LIMIT = 10_000


class RedisTokenStore:
    """Sessions, revocations, one-time identifiers and opaque tokens on one Redis.

    The client decodes nothing (``decode_responses=False``) and its socket timeout is above the wait of
    `read`; closing it is its owner's business. `horizon` as in `MemoryTokenStore`.

    With `replicas`, what changes anything is answered only when so many replicas have it too (WAIT, for at most
    `replica_wait` seconds), and is unavailable otherwise: a failover to one of them then loses no session and no
    revocation. Not promised with fewer than there are: that the one without is not chosen.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "backstay:tokens",
        horizon: float = 3660.0,
        replicas: int = 0,
        replica_wait: float = 1.0,
    ) -> None:
        if "{" in prefix or "}" in prefix:
            raise ValueError("the prefix has no braces: they are added around it")
        self._client = client
        self._replicas = replicas
        self._replica_wait = _ms(replica_wait)
        self._at = f"{{{prefix}}}:"
        self._log = self._at + "log"
        self._horizon = int(horizon * 1000)
        # An epoch may be forgotten once no token that carries an older one can be alive, on any clock.
        self._epoch_ttl = 2 * self._horizon + 86_400_000
        self._scripts = {name: client.register_script(_script(name)) for name in _SCRIPTS}

    @property
    def prefix(self) -> str:
        """What every key of this store begins with."""
        return self._at

    # ---- sessions

    async def open_session(self, session: NewSession, /) -> Opened:
        """Store a new session at generation 0."""
        fields = {
            "family": session.family,
            "user": session.user,
            "client": session.client_id,
            "kid": session.kid,
            "device": session.device,
            "scope": session.scope,
            "jkt": session.jkt,
            "context": session.context,
        }
        flat = [part for pair in fields.items() for part in pair]
        epoch, now = await self._run(
            "open",
            [self._session(session.family), self._user(session.user), self._epoch(session.user)],
            [_ms(session.idle), _ms(session.absolute), self._epoch_ttl, *flat],
        )
        return Opened(epoch=epoch, now=now / 1000)

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
        answer = await self._run(
            "rotate",
            [self._session(family), self._log],
            [
                *(generation, client_id, jkt, kid, _ms(grace), _ms(idle)),
                *(self._horizon, self._epoch(""), self._epoch_ttl, family),
            ],
        )
        outcome = Outcome(answer[0].decode())
        if outcome is Outcome.UNKNOWN:
            return Rotation(outcome=outcome)
        return Rotation(
            outcome=outcome,
            generation=answer[1],
            kid=answer[2].decode(),
            epoch=answer[3],
            user=answer[4].decode(),
            scope=answer[5].decode(),
            jkt=answer[6].decode(),
            context=answer[7].decode(),
            ends_at=answer[8] / 1000,
        )

    async def end_session(self, family: str, /, *, user: str | None = None, client_id: str | None = None) -> bool:
        """Revoke one session."""
        keys = [self._session(family), self._log]
        return bool(await self._run("end_session", keys, [user or "", client_id or "", self._horizon, family]))

    async def end_user(self, user: str, /, *, keep: str | None = None) -> int:
        """Raise the epoch and revoke all sessions but one."""
        kept = [keep or "", self._session(keep) if keep else ""]
        keys = [self._user(user), self._epoch(user), self._log]
        return int(await self._run("end_user", keys, [user, *kept, self._horizon, self._epoch_ttl]))

    async def sessions(self, user: str, /) -> Sequence[Session]:
        """The user's live sessions, newest first."""
        rows = await self._run("sessions", [self._user(user)], [])
        found = [_read_session(row) for row in rows]
        return sorted(found, key=lambda session: session.created_at, reverse=True)[:1000]

    # ---- revocations

    async def deny(self, token_id: str, /, *, expires_at: float) -> None:
        """Deny one token."""
        await self._run("deny", [self._denied(token_id), self._log], [token_id, _ms(expires_at), self._horizon])

    async def read(self, cursor: str, /, *, wait: float = 0.0) -> Batch:
        """Entries after the cursor, from the stream."""
        after = cursor or "0-0"
        block = max(int(wait * 1000), 1) if wait > 0 else None
        answer = await self._ask(self._client.xread({self._log: after}, count=_READ_LIMIT, block=block))
        entries = _entries(answer)
        if not entries:
            return await self._without_news(after)
        found = tuple(_read_revocation(fields) for _, fields in entries)
        return Batch(entries=found, cursor=entries[-1][0].decode(), more=len(found) >= _READ_LIMIT)

    async def _without_news(self, after: str) -> Batch:
        # A stream that ends before our cursor is not the one that we read: the server was emptied, or a
        # replica without the last entries took over. Begin anew rather than wait for what will not come.
        if after == "0-0":
            return Batch(entries=(), cursor=after)
        last = await self._ask(self._client.xrevrange(self._log, count=1))
        newest = last[0][0].decode() if last else "0-0"
        if _order(newest) < _order(after) and not (newest == "0-0" and await self._trimmed()):
            return Batch(entries=(), cursor="", reset=True)
        return Batch(entries=(), cursor=after)

    async def _trimmed(self) -> bool:
        # Trimming empties a stream without deleting its key.
        return bool(await self._ask(self._client.exists(self._log)))

    async def is_revoked(self, ids: TokenIds, /) -> bool:
        """Whether anything on record revokes a token with these identifiers."""
        keys = [self._denied(ids.token_id), self._session(ids.session_id), self._epoch(ids.user)]
        return bool(await self._run("is_revoked", keys, [ids.session_id, ids.epoch]))

    # ---- one-time identifiers and opaque tokens

    async def first_use(self, key: str, /, *, ttl: float) -> bool:
        """Whether this key is new."""
        name = f"{self._at}once:{key}"
        return bool(await self._ask(self._client.set(name, b"1", nx=True, px=max(_ms(ttl), 1))))

    async def save(self, digest: bytes, claims: bytes, /, *, ttl: float) -> None:
        """Keep claims under a digest."""
        await self._ask(self._client.set(self._opaque(digest), claims, px=max(_ms(ttl), 1)))

    async def find(self, digest: bytes, /) -> bytes | None:
        """The claims, if there are any."""
        return cast("bytes | None", await self._ask(self._client.get(self._opaque(digest))))

    async def remove(self, digest: bytes, /) -> bool:
        """Forget a token."""
        return bool(await self._ask(self._client.delete(self._opaque(digest))))

    # ---- inside

    def _session(self, family: str) -> str:
        return f"{self._at}session:{family}"

    def _user(self, user: str) -> str:
        return f"{self._at}user:{user}"

    def _epoch(self, user: str) -> str:
        return f"{self._at}epoch:{user}"

    def _denied(self, token_id: str) -> str:
        return f"{self._at}denied:{token_id}"

    def _opaque(self, digest: bytes) -> str:
        return f"{self._at}opaque:{digest.hex()}"

    async def _run(self, name: str, keys: list[str], args: list[str | int]) -> Any:
        if self._replicas and name in _WRITES:
            return await self._ask(self._replicated(name, keys, args))
        return await self._ask(cast("Awaitable[Any]", self._scripts[name](keys=keys, args=args)))

    async def _replicated(self, name: str, keys: list[str], args: list[str | int]) -> Any:
        # On one connection: WAIT is for what this very connection has written.
        async with self._client.pipeline(transaction=False) as pipe:
            await cast("Awaitable[Any]", self._scripts[name](keys=keys, args=args, client=pipe))
            pipe.execute_command("WAIT", self._replicas, self._replica_wait)  # pyright: ignore[reportUnknownMemberType]
            answer, reached = await pipe.execute()
        if reached < self._replicas:
            raise TokenStoreUnavailable(f"{reached} of {self._replicas} replicas have the change: ask again")
        return answer

    async def _ask(self, question: Awaitable[Any]) -> Any:
        try:
            return await question
        except (RedisError, OSError, TimeoutError) as exc:
            raise TokenStoreUnavailable(f"Redis did not answer for the tokens: {type(exc).__name__}") from exc


@asynccontextmanager
async def open_redis_store(
    url: str,
    *,
    prefix: str = "backstay:tokens",
    horizon: float = 3660.0,
    timeout: float = 2.0,
    replicas: int = 0,
) -> AsyncGenerator[RedisTokenStore]:
    """A store with a client of its own, closed with the block. `timeout` is of one answer, in seconds."""
    client: Redis = Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)  # pyright: ignore[reportUnknownMemberType]
    try:
        yield RedisTokenStore(client, prefix=prefix, horizon=horizon, replicas=replicas, replica_wait=timeout / 2)
    finally:
        await client.aclose()


_WRITES = frozenset({"open", "rotate", "end_session", "end_user", "deny"})
_SCRIPTS = ("open", "rotate", "end_session", "end_user", "sessions", "deny", "is_revoked")


def _script(name: str) -> str:
    return files("backstay.tokens").joinpath("lua", f"{name}.lua").read_text("utf-8")


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _order(identifier: str) -> tuple[int, int]:
    milliseconds, _, number = identifier.partition("-")
    return int(milliseconds), int(number)


def _entries(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    # RESP2 answers with a list of [name, entries]; RESP3 with a map of name to a list of entry lists.
    if not answer:
        return []
    if isinstance(answer, dict):
        (batches,) = cast("dict[bytes, list[Any]]", answer).values()
        return [entry for batch in batches for entry in batch]
    return cast("list[tuple[bytes, dict[bytes, bytes]]]", answer[0][1])


def _read_revocation(fields: dict[bytes, bytes]) -> Revocation:
    return Revocation(
        kind=Kind(fields[b"kind"].decode()),
        id=fields[b"id"].decode(),
        expires_at=int(fields[b"expires"]) / 1000,
        epoch=int(fields.get(b"epoch", 0)),
        keep=fields.get(b"keep", b"").decode(),
        keep_epoch=int(fields.get(b"keep_epoch", 0)),
    )


def _read_session(row: list[bytes]) -> Session:
    family, user, client, device, scope = (part.decode() for part in row[:5])
    created, rotated, idle_end, ends = (int(part) / 1000 for part in row[5:9])
    return Session(
        family=family,
        user=user,
        client_id=client,
        device=device,
        scope=scope,
        created_at=created,
        rotated_at=rotated,
        idle_end=idle_end,
        absolute_end=ends,
    )


if TYPE_CHECKING:
    _sessions: type[SessionStore] = RedisTokenStore
    _revocations: type[RevocationLog] = RedisTokenStore
    _replay: type[ReplayStore] = RedisTokenStore
    _opaque: type[OpaqueStore] = RedisTokenStore
