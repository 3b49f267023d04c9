"""From a request to a principal: extract, verify, ask what was revoked, load the user.

One call per request, whatever the framework: its answer is kept in the ASGI scope, so that a route with three
requirements verifies once. Nothing here knows a framework; all that is read of a request is its scope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from backstay.ambient import Ambient
from backstay.clock import Clock
from backstay.container import Backstay, current_backstay
from backstay.errors import InvalidToken, NotConfiguredError, RequestRefused
from backstay.tokens import Grants, Requirement, TokenService, VerifiedToken, evaluate

from .challenges import Challenges
from .csrf import check_forgery
from .extraction import Carrier, Credential, Scope, Transport, extract
from .possession import ProofOfPossession

U = TypeVar("U")
U_co = TypeVar("U_co", covariant=True)

KEY: Final = "backstay.principal"
"""Where a scope keeps what was found; None for a request without a token."""
_UNASKED: Final[Any] = object()
_HEADER: Final = Carrier.HEADER  # looking a member up in its class costs as much as the header's parsing


class AccessTokens(Protocol):
    """What verifies access tokens: `TokenService` does, with revocation."""

    async def authenticate(self, access_token: str, /, *, jkt: str | None = None) -> VerifiedToken:
        """The token, if it stands. Raises InvalidToken or TokenStoreUnavailable."""
        ...


class UserLoader(Protocol[U_co]):
    """Loads the user whom a verified token names: your row, your model."""

    async def __call__(self, token: VerifiedToken, /) -> U_co | None:
        """The user; None if there is none any more, or it may not sign in, which refuses the token."""
        ...


@dataclass(frozen=True, slots=True)
class TokenUser:
    """A user as the token alone describes it, for applications that load none of their own."""

    token: VerifiedToken = field(repr=False)

    @property
    def id(self) -> str:
        """`sub`."""
        return self.token.subject

    @property
    def username(self) -> str:
        """`preferred_username` (OpenID Connect Core, 5.1), or `sub` without it."""
        return str(self.token.claims.get("preferred_username", self.token.subject))

    @property
    def roles(self) -> frozenset[str]:
        """The roles in the token."""
        return Grants.of(self.token).roles

    @property
    def permissions(self) -> frozenset[str]:
        """The permissions in the token."""
        return Grants.of(self.token).permissions

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes in the token."""
        return self.token.scopes


async def user_of_token(token: VerifiedToken, /) -> TokenUser:
    """The loader of those who have none: it asks nobody."""
    return TokenUser(token)


class Principal(msgspec.Struct, Generic[U], frozen=True, eq=False):
    """Who sends a request, and by which token. Its repr shows neither."""

    user: U
    token: VerifiedToken
    credential: Credential

    def __repr__(self) -> str:
        return f"<Principal by {self.credential.carrier.value}>"

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of the token."""
        return self.token.scopes


class Authenticator(Generic[U]):
    """Finds out who sends a request.

    Not promised: that a user is loaded once per request where the application calls `load` of its own.
    """

    def __init__(
        self,
        users: UserLoader[U],
        *,
        tokens: AccessTokens | Callable[[], AccessTokens] | None = None,
        transport: Transport | None = None,
        challenges: Challenges | None = None,
        proofs: ProofOfPossession | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Wire one; by default it uses the token service of the Backstay that is open when a request comes.

        Args:
            users: loads the user of a verified token.
            tokens: what verifies, or a way to it.
            transport: where tokens are taken from; the Authorization header alone if not given.
            challenges: what refused clients are told.
            proofs: checks DPoP proofs; without it only Bearer tokens are accepted.
            clock: for the age of a login; the one of the open Backstay if not given.
        """
        self._users = users
        self._tokens = _finder(tokens)
        self.transport = transport or Transport()
        self.proofs = proofs
        if proofs is not None:
            self.transport = _with_dpop(self.transport)
        self.challenges = challenges or Challenges(dpop=proofs is not None)
        self._clock = clock

    async def find(self, scope: Scope, /) -> Principal[U] | None:
        """Who sends the request; None without a token. Asked again about the same scope, it answers the same.

        Raises:
            RequestRefused: the request has a token and it is not accepted; the status says why.
            TokenStoreUnavailable: whether it was revoked cannot be known now. Answer 503.
        """
        found: Principal[U] | None = scope.get(KEY, _UNASKED)
        if found is not _UNASKED:
            return found
        # As few calls as can be: every request comes by here, and mostly by the second of these ways.
        try:
            credential = extract(scope, self.transport)
        except RequestRefused as exc:
            raise self.challenges.invalid_request(str(exc)) from None
        if credential is None:
            found = None
        elif (token := self._at_once(credential)) is not None:
            user = await self._users(token)
            if user is None:
                raise self.challenges.invalid_token("bearer")
            found = Principal(user, token, credential)
        else:
            found = await self.accept(scope, credential)
        scope[KEY] = found
        return found

    async def principal(self, scope: Scope, requirement: Requirement | None = None, /) -> Principal[U]:
        """Who sends the request, who must be somebody, and must meet the requirement.

        Raises:
            RequestRefused: 401 without an accepted token or a strong enough login, 403 without what is required.
            TokenStoreUnavailable: answer 503.
        """
        return self.admitted(await self.find(scope), requirement)

    def admitted(self, found: Principal[U] | None, requirement: Requirement | None = None, /) -> Principal[U]:
        """What `find` found, if that is somebody who meets the requirement. Raises RequestRefused."""
        if found is None:
            raise self.challenges.missing()
        if requirement is not None:
            self.check(found, requirement)
        return found

    def check(self, principal: Principal[U], requirement: Requirement, /) -> None:
        """Return if the principal meets the requirement. Raises RequestRefused."""
        now = (self._clock or current_backstay.get().clock).now().timestamp()
        decision = evaluate(requirement, Grants.of(principal.token), now=now)
        if not decision.allowed:
            raise self.challenges.insufficient(decision, principal.credential.scheme)

    async def accept(self, scope: Scope, credential: Credential, /) -> Principal[U]:
        """Verify what a request carries, and load the user. Raises as `find` does."""
        if credential.carrier is Carrier.COOKIE:
            check_forgery(scope, self.transport)
        jkt = None if credential.scheme == "bearer" else await self._proven(scope, credential)
        return await self._verified(credential, jkt)

    async def recheck(self, principal: Principal[U], /) -> None:
        """Whether a principal who is still connected would still be let in: for a WebSocket that stays open.

        A proof of possession holds for the connection that it opened; it is not asked for again.

        Raises:
            RequestRefused: the token has expired or was revoked, or the user is gone.
            TokenStoreUnavailable: cannot be known now.
        """
        bound = principal.token.registered.cnf
        jkt = bound.get("jkt") if isinstance(bound, dict) else None
        await self._verified(principal.credential, jkt)

    def _at_once(self, credential: Credential) -> VerifiedToken | None:
        # None where something has to be waited for, or more than the token is to be checked.
        if credential.carrier is not _HEADER or credential.scheme != "bearer":
            return None
        tokens = self._tokens()
        if type(tokens) is not TokenService:  # one derived from it may have added to `authenticate`
            return None
        try:
            return tokens.authenticate_now(credential.token)
        except InvalidToken:
            raise self.challenges.invalid_token("bearer") from None

    async def _verified(self, credential: Credential, jkt: str | None) -> Principal[U]:
        try:
            token = await self._tokens().authenticate(credential.token, jkt=jkt)
        except InvalidToken:
            raise self.challenges.invalid_token(credential.scheme) from None
        user = await self._users(token)
        if user is None:
            raise self.challenges.invalid_token(credential.scheme)
        return Principal(user, token, credential)

    async def _proven(self, scope: Scope, credential: Credential) -> str:
        if self.proofs is None:
            raise self.challenges.invalid_token(credential.scheme)
        return await self.proofs.check(scope, self.challenges, access_token=credential.token)


def _finder(tokens: AccessTokens | Callable[[], AccessTokens] | None) -> Callable[[], AccessTokens]:
    if tokens is None:
        return _ambient_tokens
    return tokens if callable(tokens) else lambda: tokens


def _ambient_tokens() -> AccessTokens:
    return token_service(current_backstay.get())


def token_service(kit: Backstay, /) -> TokenService:
    """The token service of an open Backstay. Raises NotConfiguredError for one without."""
    if kit.tokens is None:
        raise NotConfiguredError("this Backstay was made without tokens: open it with Backstay.open()")
    return kit.tokens


def _with_dpop(transport: Transport) -> Transport:
    return Transport(
        schemes=transport.schemes | {"dpop"},
        cookies=transport.cookies,
        trusted_origins=transport.trusted_origins,
    )


_of_tokens_alone: Final = Authenticator(user_of_token)

current_authenticator: Final[Ambient[Authenticator[Any]]] = Ambient(
    "Authenticators", default=lambda: _of_tokens_alone
)
"""What `get_current_user` of each adapter asks. Without one of the application's, the user is a `TokenUser`."""


def finder_of(users: UserLoader[U] | Authenticator[U] | None, /) -> Callable[[], Authenticator[U]]:
    """The way to the authenticator that an adapter is given, or to one of its users, or to the ambient one."""
    if users is None:
        return current_authenticator.get
    own = users if isinstance(users, Authenticator) else Authenticator(users)
    return lambda: own
