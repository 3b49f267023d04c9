"""Who calls, in Litestar's words: dependencies for ``Provide``, and guards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from backstay.errors import BackstayError
from backstay.tokens import Requirement, all_of, permission, role
from backstay.tokens.requirements import scopes_of
from backstay.web.asgi import Unaccepted
from backstay.web.auth import Answer, Authenticator, UserLoader, answer_to
from backstay.web.auth.authenticator import finder_of
from backstay.web.auth.described import SCHEME

U = TypeVar("U")
T = TypeVar("T")

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], Any], Awaitable[None]]
"""What Litestar calls a guard."""


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
        self.find = finder_of(users)
        self.require_admin = self.require(role("admin"))

    async def current_user(self, scope: Scope) -> U:
        """For ``Provide``: the user. Raises `Refused`: 401, 400 or 503."""
        auth = self.find()
        try:
            return auth.admitted(await auth.find(scope)).user  # type: ignore[arg-type]  # as `_open`; a call less
        except BackstayError as exc:
            raise self.refused(exc) from None

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
            raise self.refused(exc) from None

    def refused(self, exc: BackstayError, /) -> Refused:
        """What an authenticator's refusal becomes."""
        return Refused(answer_to(exc, self.find().challenges), str(exc))


class TokenMiddleware:
    """Sets ``request.user`` and ``request.auth``; both are None without a token, and guards refuse.

    A token that is not accepted is refused as soon as somebody asks for the user, and not before: see
    `Unaccepted`.
    """

    def __init__(self, app: ASGIApp, auth: Auth[Any]) -> None:
        self._app = app
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        told: Any = scope
        try:
            principal = await self._auth.find().find(told)
        except BackstayError as exc:
            told["user"] = told["auth"] = Unaccepted(self._auth.refused(exc))
        else:
            told["user"] = None if principal is None else principal.user
            told["auth"] = principal
        await self._app(scope, receive, send)


def _open(scope: Scope) -> Any:
    return scope  # Litestar's type of it has no room for keys of others


# These act on the ambient authenticator, whose users are of any type.
ambient: Auth[Any] = Auth()
get_current_user = ambient.current_user
optional_user = ambient.optional_user
require = ambient.require
require_admin = ambient.require_admin
require_permissions = ambient.require_permissions
