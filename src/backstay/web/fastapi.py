"""backstay in FastAPI: one flat dependency for HTTP and WebSockets, ready routers, and answers to errors.

The smallest application::

    app = FastAPI(lifespan=Backstay.lifespan())

    @app.get("/protected")
    async def protected(user=Depends(get_current_user)): return {"user": user.username}

`Auth` is for the rest: users of your own type, cookies, login, and problem details for every refusal.
"""

# Annotations are not postponed here: FastAPI reads those of `__call__` and would find only texts.

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.params import Security
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from backstay.cache import Cache
from backstay.container import Backstay
from backstay.errors import BackstayError
from backstay.tokens import Requirement, all_of, permission, role, scope
from backstay.tokens.requirements import scopes_of

from .asgi import cached_route
from .auth import Accounts, Authenticator, Endpoint, Endpoints, UserLoader
from .auth.authenticator import finder_of
from .auth.described import SCHEME, described
from .auth.health import HEALTH
from .auth.lifespan import Lifespan, get_backstay, get_cache
from .auth.lifespan import lifespan_of as lifespan
from .starlette import Refused, endpoint_of, stand_behind

__all__ = ["Auth", "CurrentUser", "OpenBackstay", "OpenCache", "OptionalUser", "cached_route", "get_backstay"]
__all__ += ["get_cache", "get_current_user", "health_router", "lifespan", "optional_user", "require"]
__all__ += ["require_admin", "require_permissions"]

U = TypeVar("U")


class _Scheme(SecurityBase):
    """What the API description says about how to authenticate. By itself it asks nothing of a request."""

    def __init__(self, model: SecurityModel) -> None:
        self.model = model
        self.scheme_name = SCHEME


class _Documented(_Scheme):
    async def __call__(self) -> None:
        """Let everything pass: what is documented so checks by itself."""


class CurrentUser(_Scheme, Generic[U]):
    """The user of a request or a WebSocket: scheme, extraction, verification and permission in one dependency.

    One and not three, because each dependency costs FastAPI more than an HMAC. Also good in
    ``Security(…, scopes=[…])``.
    """

    def __init__(
        self,
        find: Callable[[], Authenticator[U]],
        model: SecurityModel,
        requirement: Requirement | None = None,
        *,
        documented: bool = False,
    ) -> None:
        """`documented`: the scopes that FastAPI hands in are those of the requirement, and no further ones."""
        super().__init__(model)
        self._find = find
        self._requirement = requirement
        self._documented = documented

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> U:
        """The user. Raises what FastAPI answers with 400, 401, 403 or 503, and its challenge."""
        auth = self._find()
        try:
            principal = auth.admitted(await auth.find(connection.scope), self._requirement)
            if security_scopes.scopes and not self._documented:
                auth.check(principal, _all_scopes(tuple(security_scopes.scopes)))
        except BackstayError as exc:
            raise Refused.by(auth, exc) from None
        return principal.user


class OptionalUser(_Scheme, Generic[U]):
    """The user of a request, or None without a token. A token that is not accepted is still refused."""

    def __init__(self, find: Callable[[], Authenticator[U]], model: SecurityModel) -> None:
        super().__init__(model)
        self._find = find

    async def __call__(self, connection: HTTPConnection) -> U | None:
        """The user or None. Raises what FastAPI answers with 400, 401 or 503."""
        auth = self._find()
        try:
            principal = await auth.find(connection.scope)
        except BackstayError as exc:
            raise Refused.by(auth, exc) from None
        return None if principal is None else principal.user


class Auth(Generic[U]):
    """Everything about who calls, for users of your own type."""

    def __init__(
        self,
        users: UserLoader[U] | Authenticator[U] | None = None,
        *,
        scopes: Mapping[str, str] | None = None,
        token_url: str = "",
    ) -> None:
        """Wire it.

        Args:
            users: loads the user of a verified token; or an authenticator with options of its own. Without
                either, the ambient authenticator is meant.
            scopes: what the API description lists, name to description.
            token_url: the path of the login endpoint. With it, the description offers to log in.
        """
        self._find = finder_of(users)
        self._model = _model(token_url, scopes or {})
        self.current_user = CurrentUser(self._find, self._model)
        self.optional_user = OptionalUser(self._find, self._model)
        self.require_admin = self.require(role("admin"))

    def require(self, requirement: Requirement, /) -> CurrentUser[U]:
        """A dependency: the user, who must meet the requirement."""
        return CurrentUser(self._find, self._model, requirement)

    def require_permissions(self, *names: str) -> CurrentUser[U]:
        """A dependency: the user, who must have all the permissions."""
        return self.require(all_of(*map(permission, names)))

    def secured(self, requirement: Requirement, /) -> Security:
        """`require`, with its scopes in the API description: ``Annotated[User, auth.secured(scope("a"))]``."""
        dependency = CurrentUser(self._find, self._model, requirement, documented=True)
        return Security(dependency, scopes=sorted(scopes_of(requirement)))

    def lifespan(self, *arguments: Any, **options: Any) -> Lifespan:
        """For ``FastAPI(lifespan=…)``: `Backstay.open` with these arguments; `get_current_user` then means this."""
        return lifespan(self._find(), *arguments, **options)

    def install(self, app: FastAPI, *, first_message: bool = False) -> None:
        """Answer errors with problem details, watch open WebSockets, send cache headers, describe cookies."""
        stand_behind(app, self._find, first_message=first_message)
        self._describe(app)

    def router(self, accounts: Accounts | None = None, *, prefix: str = "/auth") -> APIRouter:
        """Login, refresh, logout, sessions, revocation, introspection and keys."""
        endpoints = Endpoints(self._find(), accounts=accounts)
        return _mounted(endpoints.table, APIRouter(prefix=prefix, tags=["auth"]), _Documented(self._model))

    def _describe(self, app: Any) -> None:  # Any: its method is replaced, as FastAPI says to extend it
        plain = app.openapi

        def openapi() -> dict[str, Any]:
            # Made once, when it is first asked for: by then the lifespan says which authenticator is meant.
            return app.openapi_schema or described(plain(), self._find().transport)

        app.openapi = openapi


def health_router(*, prefix: str = "") -> APIRouter:
    """``/healthz`` and ``/readyz``."""
    return _mounted(HEALTH, APIRouter(prefix=prefix, tags=["health"]), None)


def _mounted(table: Iterable[Endpoint], router: APIRouter, scheme: _Documented | None) -> APIRouter:
    for row in table:
        router.add_api_route(
            row.path,
            endpoint_of(row),
            methods=[row.method],
            name=row.name,
            summary=row.summary,
            status_code=row.status,
            response_class=Response,
            response_model=None,
            responses=row.responses(),
            dependencies=[Depends(scheme)] if row.secured and scheme else [],
            openapi_extra=row.extra() or None,
        )
    return router


def _model(token_url: str, scopes: Mapping[str, str]) -> SecurityModel:
    if not token_url:
        return HTTPBearer(bearerFormat="JWT", description="An access token")
    return OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl=token_url, scopes=dict(scopes))))


@lru_cache(maxsize=256)
def _all_scopes(names: tuple[str, ...]) -> Requirement:
    return all_of(*map(scope, names))


OpenBackstay = Annotated[Backstay, Depends(get_backstay)]
OpenCache = Annotated[Cache, Depends(get_cache)]

# These act on the ambient authenticator, whose users are of any type.
_ambient: Auth[Any] = Auth()
get_current_user = _ambient.current_user
optional_user = _ambient.optional_user
require_admin = _ambient.require_admin
require = _ambient.require
require_permissions = _ambient.require_permissions
