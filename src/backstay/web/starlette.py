"""backstay in Starlette: an authentication backend, `requires` for endpoints, ready routes, and answers to errors.

The smallest application::

    async def protected(request):
        user = await get_current_user(request)
        return JSONResponse({"user": user.username})

    app = Starlette(routes=[Route("/protected", protected)], lifespan=Backstay.lifespan())

`Auth` is for the rest: users of your own type, cookies, login, and problem details for every refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Generic, ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError
from starlette.exceptions import HTTPException
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.websockets import WebSocket

from backstay.errors import BackstayError
from backstay.tokens import Requirement, all_of, permission, role

from . import asgi
from .asgi import REFUSED, CacheHeadersMiddleware, Unaccepted, cached_route
from .auth import Accounts, Answer, Authenticator, Endpoint, Endpoints, Principal, UserLoader, answer_to
from .auth.authenticator import finder_of
from .auth.health import HEALTH
from .auth.lifespan import Lifespan, get_backstay, get_cache
from .auth.lifespan import lifespan_of as lifespan

__all__ = ["Auth", "TokenBackend", "cached_route", "get_backstay", "get_cache", "get_current_user", "health_routes"]
__all__ += ["lifespan", "on_error", "optional_user", "require", "require_admin", "require_permissions", "requires"]

U = TypeVar("U")
P = ParamSpec("P")
T = TypeVar("T")


class Refused(HTTPException, AuthenticationError):
    """A refusal as Starlette knows it: without `Auth.install` too, the status and the challenge are right."""

    def __init__(self, answer: Answer, detail: str) -> None:
        headers = {name: value for name, value in answer.headers if name != "content-type"}
        HTTPException.__init__(self, answer.status, detail, headers)
        self.answer = answer

    @classmethod
    def by(cls, auth: Authenticator[Any], exc: BackstayError, /) -> Refused:
        """What an authenticator's refusal becomes."""
        return cls(answer_to(exc, auth.challenges), str(exc))


class TokenBackend(AuthenticationBackend, Generic[U]):
    """For Starlette's own AuthenticationMiddleware: ``request.user`` and ``request.auth.scopes``.

    Give that middleware our `on_error` too, or it answers 400 to a bad token, and without a challenge.
    """

    def __init__(self, auth: Auth[U] | None = None, *, refuse: bool = True) -> None:
        """Wire it.

        Args:
            auth: the ambient one if not given.
            refuse: a bad token is refused whatever the route. False leaves that to those who ask for the user, so
                that a browser whose cookies have become worthless can still sign in.
        """
        self._auth: Auth[Any] = auth or _ambient
        self._refuse = refuse

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, U] | None:  # type: ignore[override]
        """The credentials and the user; None without a token. Raises `Refused`.

        The credentials are the token's scopes, and Starlette's own word for everybody who is known.
        """
        try:
            principal: Principal[U] | None = await self._auth.find(conn)
        except Refused as exc:
            if self._refuse:
                raise
            nobody: Any = Unaccepted(exc)
            return nobody, nobody
        if principal is None:
            return None
        return AuthCredentials(["authenticated", *sorted(principal.scopes)]), principal.user


def on_error(_conn: HTTPConnection, exc: AuthenticationError) -> Response:
    """The answer to a token that `TokenBackend` does not accept: its status, its challenge, its problem."""
    return sent(exc.answer) if isinstance(exc, Refused) else Response(status_code=401)


class Auth(Generic[U]):
    """Everything about who calls, for users of your own type."""

    def __init__(self, users: UserLoader[U] | Authenticator[U] | None = None) -> None:
        """Wire it. `users` loads the user of a verified token, or is an authenticator with options of its own.

        Without either, the ambient authenticator is meant.
        """
        self._find = finder_of(users)
        self.current_user = self.require

    async def find(self, connection: HTTPConnection, /) -> Principal[U] | None:
        """Who sends the request, with the token; None without one. Raises `Refused`."""
        auth = self._find()
        try:
            return await auth.find(connection.scope)
        except BackstayError as exc:
            raise Refused.by(auth, exc) from None

    async def require(self, connection: HTTPConnection, requirement: Requirement | None = None, /) -> U:
        """The user, who must meet the requirement, if any. Raises `Refused`: 401, 403, 400 or 503."""
        auth = self._find()
        try:
            return auth.admitted(await auth.find(connection.scope), requirement).user
        except BackstayError as exc:
            raise Refused.by(auth, exc) from None

    async def optional_user(self, connection: HTTPConnection, /) -> U | None:
        """The user, or None without a token. A token that is not accepted is still refused."""
        principal = await self.find(connection)
        return None if principal is None else principal.user

    async def require_admin(self, connection: HTTPConnection, /) -> U:
        """The user, who must have the role ``admin``."""
        return await self.require(connection, _ADMIN)

    async def require_permissions(self, connection: HTTPConnection, /, *names: str) -> U:
        """The user, who must have all the permissions."""
        return await self.require(connection, all_of(*map(permission, names)))

    def requires(
        self, requirement: Requirement | None = None, /
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Decorate an endpoint, HTTP or WebSocket, that only some may call; without a requirement, any user.

        Raises:
            TypeError: the endpoint is not async.
        """

        def decorate(endpoint: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            if not iscoroutinefunction(endpoint):
                raise TypeError(f"requires() decorates async functions, which {endpoint!r} is not")

            @wraps(endpoint)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
                connection: Any = next(each for each in args if isinstance(each, _CONNECTION))
                await self.require(connection, requirement)
                return await endpoint(*args, **kwargs)

            return guarded

        return decorate

    def lifespan(self, *arguments: Any, **options: Any) -> Lifespan:
        """For ``Starlette(lifespan=…)``: `Backstay.open` with these; `get_current_user` then means this."""
        return lifespan(self._find(), *arguments, **options)

    def install(self, app: Starlette, *, first_message: bool = False) -> None:
        """Set ``request.user``, answer every error with problem details, watch WebSockets, send cache headers."""
        app.add_middleware(AuthenticationMiddleware, backend=TokenBackend(self, refuse=False), on_error=on_error)
        stand_behind(app, self._find, first_message=first_message)

    def routes(self, accounts: Accounts | None = None, *, prefix: str = "/auth") -> Mount:
        """Login, refresh, logout, sessions, revocation, introspection and keys."""
        return Mount(prefix, routes=_mounted(Endpoints(self._find(), accounts=accounts).table))


def health_routes(*, prefix: str = "") -> list[BaseRoute]:
    """``/healthz`` and ``/readyz``."""
    return _mounted(HEALTH, prefix)


def stand_behind(app: Starlette, find: Callable[[], Authenticator[Any]], *, first_message: bool) -> None:
    """Answer every error with problem details, watch WebSockets, send cache headers: in whatever is a Starlette."""

    async def on_refusal(connection: Request | WebSocket, exc: Any) -> Any:
        answer = exc.answer if isinstance(exc, Refused) else answer_to(exc, find().challenges)
        if isinstance(connection, WebSocket):
            connection.scope[REFUSED] = answer  # the guard around the application sends it
            return await connection.close()
        return sent(answer)

    app.add_exception_handler(Refused, on_refusal)
    app.add_exception_handler(BackstayError, on_refusal)
    app.add_middleware(CacheHeadersMiddleware)
    app.add_middleware(asgi.AuthenticationMiddleware, authenticator=find, http=False, first_message=first_message)


def endpoint_of(row: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """What answers at a row of the endpoints' table."""

    async def endpoint(request: Request) -> Response:
        return sent(await row.serve(request.scope, request.receive, request.path_params))

    return endpoint


def sent(answer: Answer) -> Response:
    """A plain answer as Starlette sends it: its headers and no further ones."""
    response = Response(answer.body or None, answer.status)
    own = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    response.raw_headers = [*own, *response.raw_headers]
    return response


def _mounted(table: Iterable[Endpoint], prefix: str = "") -> list[BaseRoute]:
    return [Route(prefix + row.path, endpoint_of(row), methods=[row.method], name=row.name) for row in table]


_ADMIN = role("admin")
_CONNECTION: Any = HTTPConnection  # generic since Starlette 1.0, and isinstance knows not of what

# These act on the ambient authenticator, whose users are of any type.
_ambient: Auth[Any] = Auth()
get_current_user = _ambient.current_user
optional_user = _ambient.optional_user
require = _ambient.require
require_admin = _ambient.require_admin
require_permissions = _ambient.require_permissions
requires = _ambient.requires
