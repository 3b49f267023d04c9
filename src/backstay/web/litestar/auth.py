"""Who calls, in Litestar's words: dependencies for ``Provide``, and guards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import Scope

from backstay.cache import Cache
from backstay.container import Backstay, current_backstay
from backstay.errors import BackstayError
from backstay.tokens import Requirement, all_of, permission, role
from backstay.tokens.requirements import scopes_of
from backstay.web.auth import Answer, Authenticator, UserLoader, answer_to
from backstay.web.auth import current_authenticator as current

U = TypeVar("U")
T = TypeVar("T")

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], Any], Awaitable[None]]
"""What Litestar calls a guard."""

SCHEME: Final = "backstay"
"""What the API description calls the way to authenticate."""


class Refused(HTTPException):
    """A refusal as Litestar knows it: without the plugin too, the status and the challenge are right."""

    def __init__(self, answer: Answer, detail: str) -> None:
        headers = {name: value for name, value in answer.headers if name != "content-type"}
        super().__init__(detail=detail, status_code=answer.status, headers=headers)
        self.answer = answer


class Auth(Generic[U]):
    """Everything about who calls, for users of your own type."""

    def __init__(self, users: UserLoader[U] | Authenticator[U] | None = None) -> None:
        """Wire it. `users` loads the user of a verified token, or is an authenticator with options of its own.

        Without either, the ambient authenticator is meant.
        """
        own = users if isinstance(users, Authenticator) or users is None else Authenticator(users)
        self.find: Callable[[], Authenticator[U]] = current.get if own is None else lambda: own
        self.require_admin = self.require(role("admin"))

    async def current_user(self, scope: Scope) -> U:
        """For ``Provide``: the user. Raises `Refused`: 401, 400 or 503."""
        auth = self.find()
        try:
            return (await auth.principal(scope)).user  # type: ignore[arg-type]  # as `_open`; a call less
        except BackstayError as exc:
            raise self._refused(exc) from None

    async def optional_user(self, scope: Scope) -> U | None:
        """For ``Provide``: the user, or None without a token. One that is not accepted is still refused."""
        principal = await self.refusing(lambda auth: auth.find(_open(scope)))
        return None if principal is None else principal.user

    def require(self, requirement: Requirement | None = None, /) -> Guard:
        """A guard, for HTTP and WebSockets: the user must meet the requirement; without one, be any user."""

        async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: Any) -> None:
            await self.refusing(lambda auth: auth.principal(_open(connection.scope), requirement))

        return guard

    def require_permissions(self, *names: str) -> Guard:
        """A guard: the user must have all the permissions."""
        return self.require(all_of(*map(permission, names)))

    def secured(self, requirement: Requirement | None = None, /) -> dict[str, Any]:
        """`require`, with its scopes in the API description: ``@get("/a", **auth.secured(scope("a")))``."""
        scopes = sorted(scopes_of(requirement)) if requirement is not None else []
        return {"guards": [self.require(requirement)], "security": [{SCHEME: scopes}]}

    async def refusing(self, ask: Callable[[Authenticator[U]], Awaitable[T]]) -> T:
        """Ask the authenticator; its refusals become Litestar's."""
        try:
            return await ask(self.find())
        except BackstayError as exc:
            raise self._refused(exc) from None

    def _refused(self, exc: BackstayError) -> Refused:
        return Refused(answer_to(exc, self.find().challenges), str(exc))


class TokenMiddleware(AbstractAuthenticationMiddleware):
    """Sets ``request.user`` and ``request.auth``; both are None without a token, and guards refuse."""

    def __init__(self, app: Any, auth: Auth[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._auth = auth

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Who sends the request. Raises `Refused` for a token that is not accepted."""
        principal = await self._auth.refusing(lambda auth: auth.find(_open(connection.scope)))
        return AuthenticationResult(user=None if principal is None else principal.user, auth=principal)


async def get_backstay() -> Backstay:
    """For ``Provide``: the open Backstay."""
    return current_backstay.get()


async def get_cache() -> Cache:
    """For ``Provide``: its cache."""
    return current_backstay.get().cache


def _open(scope: Scope) -> Any:
    return scope  # Litestar's type of it has no room for keys of others


# These act on the ambient authenticator, whose users are of any type.
ambient: Auth[Any] = Auth()
get_current_user = ambient.current_user
optional_user = ambient.optional_user
require = ambient.require
require_admin = ambient.require_admin
require_permissions = ambient.require_permissions
