"""Issue, refresh, revoke: the life of a session in tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Never

from msgspec import UNSET

from backstay.clock import Clock, SystemClock
from backstay.errors import InvalidToken, TokenReason, TokenStoreUnavailable
from backstay.events import Emitter

from .checks import check_binding, is_storable
from .claims import TokenProfile, VerifiedToken
from .codec import JwtCodec
from .events import (
    RefreshReused,
    SessionRevoked,
    TokenIssued,
    TokenRefreshed,
    TokenRefused,
    UserRevoked,
    fingerprint,
)
from .introspection import Introspection
from .json import dump_object, parse_object
from .lifetimes import Lifetimes
from .protocol import RevocationLog, RevocationView, SessionStore, TokenCodec
from .refresh import PREFIX, Position, RefreshSecrets, new_identifier
from .revocation import LocalRevocations, Standing
from .sessions import NewSession, Outcome, Rotation, Session

# What a user's row says now: extra claims for the access token (roles, permissions, …), or None if the user
# is disabled or gone. Asked at each issue and at each refresh.
UserClaims = Callable[[str], Awaitable[Mapping[str, object] | None]]

_GOOD = Standing.GOOD
_REFUSALS = {
    Outcome.REUSED: TokenReason.REUSED,
    Outcome.REVOKED: TokenReason.REVOKED,
    Outcome.EXPIRED: TokenReason.EXPIRED,
    Outcome.UNKNOWN: TokenReason.UNKNOWN_SESSION,
    Outcome.WRONG_CLIENT: TokenReason.WRONG_CLIENT,
    Outcome.WRONG_KEY: TokenReason.BINDING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthContext:
    """How the bearer logged in (RFC 9068, 2.2.1). `at` is a Unix time; None is now."""

    at: float | None = None
    acr: str = ""
    amr: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a client is given. Its repr shows neither token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    scope: str
    session_id: str
    token_type: str = "Bearer"  # noqa: S105 - RFC 6750's name of the scheme


class TokenService:
    """Sessions and their tokens over a codec and a store.

    A store that does not answer raises TokenStoreUnavailable (answer 503) from every method and is never
    mistaken for a bad token: asking again is safe, a refresh included.
    """

    def __init__(
        self,
        *,
        codec: TokenCodec,
        profile: TokenProfile,
        store: SessionStore,
        log: RevocationLog,
        secrets: RefreshSecrets,
        revocations: RevocationView | None = None,
        users: UserClaims | None = None,
        lifetimes: Lifetimes | None = None,
        events: Emitter | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._codec = codec
        self._profile = profile
        self._store = store
        self._log = log
        self._secrets = secrets
        self._revocations = revocations
        # What can answer without waiting: keys of this process, and a copy of what was revoked.
        self._verifier = codec.verifier if type(codec) is JwtCodec else None
        self._copy = revocations if type(revocations) is LocalRevocations else None
        self._users = users
        self._lifetimes = lifetimes or Lifetimes()
        self._events = events or Emitter()
        self._clock = clock or SystemClock()
        audience = sorted(profile.audience)
        self._audience = audience if len(audience) > 1 else audience[0]
        if self._lifetimes.access > profile.max_lifetime:
            raise ValueError("access tokens would live longer than their own profile accepts")

    async def issue(
        self,
        user: str,
        /,
        *,
        client_id: str,
        scopes: Collection[str] = (),
        device: str = "",
        auth: AuthContext | None = None,
        jkt: str = "",
    ) -> TokenPair:
        """Open a session for a user who has just logged in.

        `device` is what the user will see in the list of sessions, at most 256 characters of it and only those that
        can be shown; `jkt` binds the session to a DPoP key.

        Raises:
            InvalidToken: the user is disabled (`USER_DISABLED`).
            ValueError: the user, the client or the scopes are no plain text; names which.
        """
        scope = " ".join(sorted(set(scopes)))
        _check_texts(user=user, client_id=client_id, scopes=scope or "none")
        extra = await self._claims_of(user)
        if extra is None:
            raise InvalidToken(TokenReason.USER_DISABLED)
        now = self._clock.now().timestamp()
        login = auth or AuthContext()
        context: dict[str, object] = {"auth_time": int(now if login.at is None else login.at)}
        context |= {"acr": login.acr} if login.acr else {}
        context |= {"amr": list(login.amr)} if login.amr else {}
        session = NewSession(
            family=new_identifier(),
            user=user,
            client_id=client_id,
            kid=self._secrets.current,
            idle=self._lifetimes.idle.total_seconds(),
            absolute=self._lifetimes.absolute.total_seconds(),
            device="".join(filter(str.isprintable, device))[:256],
            scope=scope,
            jkt=jkt,
            context=dump_object(context).decode(),
        )
        opened = await self._store.open_session(session)
        rotation = Rotation(
            outcome=Outcome.ROTATED,
            generation=0,
            kid=session.kid,
            epoch=opened.epoch,
            user=user,
            scope=session.scope,
            jkt=jkt,
            context=session.context,
            ends_at=opened.now + session.absolute,
        )
        pair = await self._pair(session.family, rotation, client_id, session.scope, extra)
        self._events(TokenIssued(user=user, session=session.family, client_id=client_id))
        return pair

    async def refresh(
        self, refresh_token: str, /, *, client_id: str, scopes: Collection[str] | None = None, jkt: str = ""
    ) -> TokenPair:
        """The next pair of a session. Every racer within the grace gets the same refresh token.

        `scopes` narrows the access token, never the session. `jkt` is the thumbprint of the DPoP key that the
        caller has proven to hold.

        Raises:
            InvalidToken: the token is refused; after `REUSED` its session is revoked.
            TokenStoreUnavailable: ask again later; nothing is lost.
        """
        position = self._read(refresh_token)
        if not is_storable(client_id):  # no session has such a client, and no store is asked about it
            self._refuse(TokenReason.WRONG_CLIENT, refresh_token)
        rotation = await self._store.rotate(
            position.family,
            position.generation,
            client_id=client_id,
            jkt=jkt,
            kid=self._secrets.current,
            grace=self._lifetimes.grace.total_seconds(),
            idle=self._lifetimes.idle.total_seconds(),
        )
        if rotation.outcome not in {Outcome.ROTATED, Outcome.REPLAYED}:
            await self._refuse_rotation(refresh_token, position, rotation)
        extra = await self._claims_of(rotation.user)
        if extra is None:
            await self._end_session(position.family)
            self._refuse(TokenReason.USER_DISABLED, refresh_token)
        granted = rotation.scope if scopes is None else " ".join(sorted(set(scopes)))
        if not set(granted.split()) <= set(rotation.scope.split()):
            self._refuse(TokenReason.SCOPE, refresh_token)
        pair = await self._pair(position.family, rotation, client_id, granted, extra)
        self._events(
            TokenRefreshed(
                user=rotation.user,
                session=position.family,
                generation=rotation.generation,
                replayed=rotation.outcome is Outcome.REPLAYED,
            )
        )
        return pair

    async def authenticate(self, access_token: str, /, *, jkt: str | None = None) -> VerifiedToken:
        """Verify an access token, that it has not been revoked, and that its bearer may carry it.

        `jkt` is what `DpopVerifier.check` answered to the proof of this very request, or None if it came
        without one. A token that is bound to a key is refused without that key's proof (RFC 9449, 7.1), and so
        is a proof beside a token that is bound to no key.

        Raises:
            InvalidToken: the token is refused.
            TokenStoreUnavailable: whether it was revoked cannot be known now.
        """
        try:
            token = await self._codec.decode(access_token, expect=self._profile)
            check_binding(token, jkt)
            await self._check_revocation(token)
        except InvalidToken as exc:
            self._report(exc.reason, access_token)
            raise
        return token

    def authenticate_now(self, access_token: str, /) -> VerifiedToken | None:
        """The usual case of `authenticate`, at once: a bearer token that stands, so far as is known here and now.

        None says nothing about the token: `authenticate` has to be awaited. Spares each request the coroutines
        that would not have waited for anything.

        Raises:
            InvalidToken: the token is refused.
        """
        if self._verifier is None or self._copy is None:
            return None
        try:
            token = self._verifier.verify(access_token, expect=self._profile)
            if token.registered.cnf is not UNSET:
                check_binding(token, None)
        except InvalidToken as exc:
            if exc.reason is TokenReason.UNKNOWN_KEY:  # which may be asked for
                return None
            self._report(exc.reason, access_token)
            raise
        return token if self._copy.standing(token) is _GOOD else None

    async def revoke(self, token: str, /, *, client_id: str | None = None) -> None:
        """Revoke a token (RFC 7009): a refresh token ends its session, an access token only itself.

        A token that is not valid is no error: there is nothing left to revoke. With `client_id`, another
        client's token is left alone.
        """
        if token.startswith(f"{PREFIX}."):
            with suppress(InvalidToken):
                await self._end_session(self._secrets.read(token).family, client_id=client_id)
            return
        with suppress(InvalidToken):
            found = await self._codec.decode(token, expect=self._profile)
            if client_id in {None, found.client_id} and found.token_id:
                expires = found.expires_at + self._profile.leeway_seconds
                await self._log.deny(found.token_id, expires_at=expires)
                await self._catch_up()

    async def revoke_session(self, session_id: str, /, *, user: str | None = None) -> bool:
        """End one session; only if it is `user`'s, when given. False if there was none to end."""
        if not is_storable(session_id):  # of no session, and a store that cannot hold it would seem to be down
            return False
        return await self._end_session(session_id, user=user)

    async def revoke_user(self, user: str, /, *, keep_session: str | None = None) -> int:
        """End all sessions of a user, and every access token with them, except those of `keep_session`."""
        count = await self._store.end_user(user, keep=keep_session)
        await self._catch_up()
        self._events(UserRevoked(user=user, sessions=count, kept=keep_session))
        return count

    async def sessions(self, user: str, /) -> Sequence[Session]:
        """The user's live sessions, newest first."""
        return await self._store.sessions(user)

    async def introspect(self, access_token: str, /) -> Introspection:
        """What an access token is worth now (RFC 7662); an inactive answer says nothing more.

        A bound token is described with its binding, which is for whoever asks to check (RFC 9449, 6.2).
        """
        try:
            token = await self._codec.decode(access_token, expect=self._profile)
            await self._check_revocation(token)
        except InvalidToken as exc:
            self._report(exc.reason, access_token)
            return Introspection(active=False)
        return Introspection.of(token)

    # ---- inside

    async def _check_revocation(self, token: VerifiedToken) -> None:
        if self._revocations is not None:
            await self._revocations.check(token)

    async def _pair(
        self, family: str, rotation: Rotation, client_id: str, scope: str, extra: Mapping[str, object]
    ) -> TokenPair:
        now = int(self._clock.now().timestamp())
        expires = min(now + int(self._lifetimes.access.total_seconds()), int(rotation.ends_at))
        claims: dict[str, Any] = {
            **extra,
            **parse_object(rotation.context.encode()),
            "iss": self._profile.issuer,
            "aud": self._audience,
            "sub": rotation.user,
            "client_id": client_id,
            "iat": now,
            "exp": max(expires, now + 1),
            "jti": new_identifier(),
            "sid": family,
            "epoch": rotation.epoch,
            "scope": scope,
        }
        if rotation.jkt:
            claims["cnf"] = {"jkt": rotation.jkt}
        successor = Position(kid=rotation.kid, family=family, generation=rotation.generation)
        return TokenPair(
            access_token=await self._codec.encode(claims, profile=self._profile),
            refresh_token=self._secrets.token(successor),
            expires_in=claims["exp"] - now,
            scope=scope,
            session_id=family,
            token_type="DPoP" if rotation.jkt else "Bearer",
        )

    async def _claims_of(self, user: str) -> Mapping[str, object] | None:
        return {} if self._users is None else await self._users(user)

    def _read(self, refresh_token: str) -> Position:
        try:
            return self._secrets.read(refresh_token)
        except InvalidToken as exc:
            self._report(exc.reason, str(refresh_token))
            raise

    async def _refuse_rotation(self, token: str, position: Position, rotation: Rotation) -> Never:
        if rotation.outcome is Outcome.REUSED:
            current = Position(kid=rotation.kid, family=position.family, generation=rotation.generation)
            with suppress(InvalidToken):  # its secret may have been removed meanwhile
                self._events(
                    RefreshReused(
                        user=rotation.user,
                        session=position.family,
                        presented_generation=position.generation,
                        current_generation=rotation.generation,
                        presented=fingerprint(token),
                        current=fingerprint(self._secrets.token(current)),
                    )
                )
            await self._catch_up()
        self._refuse(_REFUSALS[rotation.outcome], token)

    def _refuse(self, reason: TokenReason, token: str) -> Never:
        self._report(reason, token)
        raise InvalidToken(reason)

    def _report(self, reason: TokenReason, token: str) -> None:
        if self._events.listening:
            self._events(TokenRefused(reason=reason, fingerprint=fingerprint(token)))

    async def _end_session(self, family: str, *, user: str | None = None, client_id: str | None = None) -> bool:
        ended = await self._store.end_session(family, user=user, client_id=client_id)
        if ended:
            await self._catch_up()
            self._events(SessionRevoked(session=family))
        return ended

    async def _catch_up(self) -> None:
        # The revocation itself is on record. If it cannot be read back now, the copy goes stale by itself.
        if self._revocations is not None:
            with suppress(TokenStoreUnavailable):
                await self._revocations.catch_up()


def _check_texts(**texts: str) -> None:
    for name, text in texts.items():
        if not is_storable(text):
            raise ValueError(f"{name} must be a text of 1 to 1024 characters, and no control character among them")
