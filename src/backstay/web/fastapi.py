"""backstay in FastAPI: one flat dependency for HTTP and WebSockets, ready routers, and answers to errors.

The two lines of the smallest application::

    app = FastAPI(lifespan=Backstay.lifespan())

    @app.get("/protected")
    async def protected(user=Depends(get_current_user)): return {"user": user.username}

`Auth` is for the rest: a user of your own type, cookies, login, and problem details for every refusal.
"""

# Annotations are not postponed here: FastAPI reads those of `__call__` and would find only texts.

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.params import Security
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from backstay.cache import Cache
from backstay.container import Backstay, current_backstay
from backstay.errors import BackstayError
from backstay.tokens import Requirement, all_of, permission, role, scope
from backstay.tokens.requirements import scopes_of

from .asgi import AuthenticationMiddleware, close_message, send_answer
from .auth import (
    Accounts,
    Answer,
    Authenticator,
    Endpoint,
    Endpoints,
    Principal,
    UserLoader,
    answer_to,
    current_authenticator,
    health,
)
from .auth.lifespan import Lifespan
from .auth.lifespan import lifespan_of as lifespan

U = TypeVar("U")
Finder = Callable[[], Authenticator[U]]

_BEARER = HTTPBearer(bearerFormat="JWT", description="An access token")


class Refused(HTTPException):
    """A refusal as FastAPI knows it, so that an application without `Auth.install` answers with the right status."""

    def __init__(self, answer: Answer, detail: str) -> None:
        headers = {name: value for name, value in answer.headers if name != "content-type"}
        super().__init__(answer.status, detail, headers)
        self.answer = answer


class Sent(Response):
    """A plain answer as FastAPI sends it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body or None, answer.status)
        self.answer = answer
        self.raw_headers = [
            *((name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers),
            *self.raw_headers,
        ]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, to a WebSocket in place of its handshake."""
        if scope["type"] == "websocket":
            await send_answer(scope, send, self.answer)
        else:
            await super().__call__(scope, receive, send)


class _Scheme(SecurityBase):
    """What the API description says about how to authenticate; asks nothing of a request."""

    def __init__(self, model: SecurityModel, name: str) -> None:
        self.model = model
        self.scheme_name = name

    async def __call__(self) -> None:
        return None


class CurrentUser(_Scheme, Generic[U]):
    """The user of a request or a WebSocket: scheme, extraction, verification and permission in one dependency.

    One and not three, because each dependency costs FastAPI more than an HMAC. Also good in
    ``Security(…, scopes=[…])``.
    """

    def __init__(
        self, find: Finder[U], scheme: _Scheme, requirement: Requirement | None = None, *, documented: bool = False
    ) -> None:
        """`documented`: the scopes that FastAPI hands in are those of the requirement, and not more of them."""
        super().__init__(scheme.model, scheme.scheme_name)
        self._find = find
        self._scheme = scheme
        self._requirement = requirement
        self._documented = documented

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> U:
        """The user. Raises what FastAPI answers with 400, 401, 403 or 503, and its challenge."""
        auth = self._find()
        try:
            principal = await auth.principal(connection.scope, self._requirement)
            if security_scopes.scopes and not self._documented:
                auth.check(principal, _all_scopes(tuple(security_scopes.scopes)))
        except BackstayError as exc:
            raise Refused(answer_to(exc, auth.challenges), str(exc)) from None
        return principal.user


class OptionalUser(_Scheme, Generic[U]):
    """The user of a request, or None without a token. A token that is not accepted is still refused."""

    def __init__(self, find: Finder[U], scheme: _Scheme) -> None:
        super().__init__(scheme.model, scheme.scheme_name)
        self._find = find

    async def __call__(self, connection: HTTPConnection) -> U | None:
        """The user or None. Raises what FastAPI answers with 400, 401 or 503."""
        auth = self._find()
        try:
            principal = await auth.find(connection.scope)
        except BackstayError as exc:
            raise Refused(answer_to(exc, auth.challenges), str(exc)) from None
        return None if principal is None else principal.user


class Auth(Generic[U]):
    """Everything about who calls, for users of your own type."""

    def __init__(
        self,
        users: UserLoader[U] | Authenticator[U],
        *,
        scopes: Mapping[str, str] | None = None,
        token_url: str = "",
    ) -> None:
        """Wire it.

        Args:
            users: loads the user of a verified token; or an authenticator with options of its own.
            scopes: what the API description lists, name to description.
            token_url: the path of the login endpoint. With it, the description offers to log in.
        """
        self.authenticator = users if isinstance(users, Authenticator) else Authenticator(users)
        self._scheme = _Scheme(_model(token_url, scopes or {}), "backstay")
        self.current_user = CurrentUser(self._get, self._scheme)
        self.optional_user = OptionalUser(self._get, self._scheme)
        self.require_admin = self.require(role("admin"))

    def require(self, requirement: Requirement, /) -> CurrentUser[U]:
        """A dependency: the user, who must meet the requirement."""
        return CurrentUser(self._get, self._scheme, requirement)

    def require_permissions(self, *names: str) -> CurrentUser[U]:
        """A dependency: the user, who must have all the permissions."""
        return self.require(all_of(*map(permission, names)))

    def secured(self, requirement: Requirement, /) -> Security:
        """`require`, with its scopes in the API description: ``Annotated[User, auth.secured(scope("a"))]``."""
        dependency = CurrentUser(self._get, self._scheme, requirement, documented=True)
        return Security(dependency, scopes=sorted(scopes_of(requirement)))

    async def principal(self, connection: HTTPConnection) -> Principal[U]:
        """A dependency of its own: the user with the token, for what the token says beyond the user."""
        await self.current_user(connection, SecurityScopes())
        return await self.authenticator.principal(connection.scope)

    def lifespan(self, *arguments: Any, **options: Any) -> Lifespan:
        """For ``FastAPI(lifespan=…)``; takes what `Backstay.open` takes, and makes `get_current_user` mean this."""
        return lifespan(self.authenticator, *arguments, **options)

    def install(self, app: FastAPI, *, first_message: bool = False) -> None:
        """Answer every error of backstay with problem details, and watch WebSockets while they are open."""
        app.add_exception_handler(Refused, _on_refused)
        app.add_exception_handler(BackstayError, self._on_error)
        app.add_middleware(
            AuthenticationMiddleware, authenticator=self.authenticator, http=False, first_message=first_message
        )

    def router(
        self, accounts: Accounts | None = None, *, prefix: str = "/auth", tags: Sequence[str | Enum] = ("auth",)
    ) -> APIRouter:
        """Login, refresh, logout, sessions, revocation, introspection and keys."""
        router = APIRouter(prefix=prefix, tags=list(tags))
        endpoints = Endpoints(self.authenticator, accounts=accounts)
        for row in endpoints.table:
            router.add_api_route(
                row.path,
                _endpoint(endpoints, row),
                methods=[row.method],
                name=row.name,
                summary=row.summary,
                status_code=row.status,
                response_model=None,
                responses={**row.responses()},
                dependencies=[Depends(self._scheme)] if row.secured else [],
                openapi_extra={"requestBody": body} if (body := row.request_body()) else None,
            )
        return router

    def _get(self) -> Authenticator[U]:
        return self.authenticator

    async def _on_error(self, connection: Request | WebSocket, exc: Exception) -> Response | None:
        assert isinstance(exc, BackstayError)  # noqa: S101 - registered for these
        return await _answered(connection, answer_to(exc, self.authenticator.challenges))


async def _on_refused(connection: Request | WebSocket, exc: Exception) -> Response | None:
    assert isinstance(exc, Refused)  # noqa: S101 - registered for these
    return await _answered(connection, exc.answer)


async def _answered(connection: Request | WebSocket, answer: Answer) -> Response | None:
    if isinstance(connection, WebSocket) and connection.application_state.name == "CONNECTED":
        message = close_message(answer)
        await connection.close(message["code"], message["reason"])
        return None
    return Sent(answer)


def _endpoint(endpoints: Endpoints, row: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return Sent(await endpoints.serve(row, request.scope, request.receive, request.path_params))

    return endpoint


def health_router(*, prefix: str = "", tags: Sequence[str | Enum] = ("health",)) -> APIRouter:
    """``/healthz`` and ``/readyz``."""
    router = APIRouter(prefix=prefix, tags=list(tags))

    async def healthz() -> Response:
        """Whether the process lives."""
        return Sent(await health.live())

    async def readyz() -> Response:
        """Whether it can do its work."""
        return Sent(await health.ready())

    router.add_api_route("/healthz", healthz, response_model=None)
    router.add_api_route("/readyz", readyz, response_model=None, responses={503: {"description": "Not ready"}})
    return router


async def get_backstay() -> Backstay:
    """A dependency: the open Backstay."""
    return current_backstay.get()


async def get_cache() -> Cache:
    """A dependency: its cache."""
    return current_backstay.get().cache


OpenBackstay = Annotated[Backstay, Depends(get_backstay)]
OpenCache = Annotated[Cache, Depends(get_cache)]


def _model(token_url: str, scopes: Mapping[str, str]) -> SecurityModel:
    if not token_url:
        return _BEARER
    return OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl=token_url, scopes=dict(scopes))))


@lru_cache(maxsize=256)
def _all_scopes(names: tuple[str, ...]) -> Requirement:
    return all_of(*map(scope, names))


# What the seed's two routes import: they act on the ambient authenticator, whose users are of any type.
_ambient = _Scheme(_BEARER, "backstay")
get_current_user: CurrentUser[Any] = CurrentUser(current_authenticator.get, _ambient)
optional_user: OptionalUser[Any] = OptionalUser(current_authenticator.get, _ambient)
require_admin: CurrentUser[Any] = CurrentUser(current_authenticator.get, _ambient, role("admin"))


def require(requirement: Requirement, /) -> CurrentUser[Any]:
    """A dependency: the user, who must meet the requirement."""
    return CurrentUser(current_authenticator.get, _ambient, requirement)


def require_permissions(*names: str) -> CurrentUser[Any]:
    """A dependency: the user, who must have all the permissions."""
    return require(all_of(*map(permission, names)))
