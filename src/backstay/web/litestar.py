"""backstay in Litestar: one plugin, guards, dependencies, a store over the cache, and answers to errors.

The smallest application::

    @get("/protected", dependencies={"user": Provide(get_current_user)})
    async def protected(user: Any) -> dict[str, str]: return {"user": user.username}

    app = Litestar([protected], lifespan=[Backstay.lifespan()])

`Auth` is for the rest: users of your own type, cookies, login, and problem details for every refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from litestar import Request, Response, Router
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult, DefineMiddleware
from litestar.openapi.spec import Components, Operation, SecurityScheme
from litestar.openapi.spec.oauth_flow import OAuthFlow
from litestar.openapi.spec.oauth_flows import OAuthFlows
from litestar.plugins import CLIPlugin, InitPlugin
from litestar.response.base import ASGIResponse
from litestar.stores.base import Store
from litestar.types import Guard, Scope

from backstay.cache import Cache, cache_key
from backstay.cache.codecs import Bytes
from backstay.container import Backstay, current_backstay
from backstay.errors import BackstayError
from backstay.tokens import Requirement, all_of, permission, role
from backstay.tokens.requirements import scopes_of

from .asgi import REFUSED, AuthenticationMiddleware, CacheHeadersMiddleware, cached_route
from .auth import Accounts, Answer, Authenticator, Endpoint, Endpoints, UserLoader, answer_to
from .auth import current_authenticator as current
from .auth.health import HEALTH
from .auth.lifespan import Lifespan
from .auth.lifespan import lifespan_of as lifespan

if TYPE_CHECKING:
    from click import Group

__all__ = ["Auth", "BackstayPlugin", "CacheStore", "cached_route", "get_backstay", "get_cache", "get_current_user"]
__all__ += ["health_router", "lifespan", "optional_user", "require", "require_admin", "require_permissions"]

U = TypeVar("U")
T = TypeVar("T")
SCHEME = "backstay"


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
        return (await self.refusing(lambda auth: auth.principal(scope))).user

    async def optional_user(self, scope: Scope) -> U | None:
        """For ``Provide``: the user, or None without a token. One that is not accepted is still refused."""
        principal = await self.refusing(lambda auth: auth.find(scope))
        return None if principal is None else principal.user

    def require(self, requirement: Requirement | None = None, /) -> Guard:
        """A guard, for HTTP and WebSockets: the user must meet the requirement; without one, be any user."""

        async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: Any) -> None:
            await self.refusing(lambda auth: auth.principal(connection.scope, requirement))

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
        auth = self.find()
        try:
            return await ask(auth)
        except BackstayError as exc:
            raise Refused(answer_to(exc, auth.challenges), str(exc)) from None


class BackstayPlugin(InitPlugin, CLIPlugin):
    """The one line: ``Litestar(plugins=[BackstayPlugin(auth)])``.

    Opens a Backstay with the application, sets ``request.user``, answers errors with problem details, watches
    WebSockets while they are open, mounts the endpoints and the health routes, provides ``cache`` and
    ``backstay``, and describes the security scheme.
    """

    def __init__(
        self,
        auth: Auth[Any] | None = None,
        *,
        accounts: Accounts | None = None,
        lifespan: Lifespan | None = None,
        prefix: str = "/auth",
        first_message: bool = False,
        scopes: Iterable[tuple[str, str]] = (),
    ) -> None:
        """`lifespan` opens the Backstay, if not plainly; `scopes` are what the description lists, each explained."""
        self._auth = auth or _ambient
        self._accounts = accounts
        self._lifespan = lifespan
        self._prefix = prefix
        self._first_message = first_message
        self._scopes = dict(scopes)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add everything to the application's configuration."""
        auth = self._auth.find
        app_config.lifespan.insert(0, self._lifespan or lifespan(auth()))
        app_config.exception_handlers = {
            Refused: self._on_error, BackstayError: self._on_error, **app_config.exception_handlers
        }  # fmt: skip
        app_config.after_exception.append(self._note_refusal)
        app_config.middleware[:0] = [
            DefineMiddleware(
                AuthenticationMiddleware, authenticator=auth, http=False, first_message=self._first_message
            ),
            DefineMiddleware(CacheHeadersMiddleware),
            DefineMiddleware(TokenMiddleware, auth=self._auth),
        ]
        app_config.dependencies = {
            "cache": Provide(get_cache), "backstay": Provide(get_backstay), **app_config.dependencies
        }  # fmt: skip
        endpoints = Endpoints(auth(), accounts=self._accounts)
        app_config.route_handlers += [
            Router(self._prefix, route_handlers=_mounted(endpoints.table)),
            health_router(),
        ]
        if app_config.openapi_config is not None:
            described = Components(security_schemes={SCHEME: self._scheme()})
            before = app_config.openapi_config.components
            joined = [*(before if isinstance(before, list) else [before]), described]
            app_config.openapi_config = replace(app_config.openapi_config, components=joined)
        return app_config

    def on_cli_init(self, cli: Group) -> None:
        """Put backstay's commands below ``litestar backstay``."""
        # By their entry point: the command line stands on top of the adapters, which do not know it.
        for command in entry_points(group="console_scripts", name="backstay"):
            cli.add_command(command.load(), "backstay")

    def _scheme(self) -> SecurityScheme:
        flow = OAuthFlow(token_url=f"{self._prefix}/login", scopes=self._scopes)
        return SecurityScheme(type="oauth2", flows=OAuthFlows(password=flow))

    def _on_error(self, _request: Request[Any, Any, Any], exc: Any) -> Response[bytes]:
        return Sent(self._answer(exc))

    async def _note_refusal(self, exc: Any, scope: Scope) -> None:
        if scope["type"] == "websocket" and isinstance(exc, (Refused, BackstayError)):
            scope[REFUSED] = self._answer(exc)  # type: ignore[literal-required]  # the guard sends it

    def _answer(self, exc: Any) -> Answer:
        return exc.answer if isinstance(exc, Refused) else answer_to(exc, self._auth.find().challenges)


class TokenMiddleware(AbstractAuthenticationMiddleware):
    """Sets ``request.user`` and ``request.auth``; both are None without a token, and guards refuse."""

    def __init__(self, app: Any, auth: Auth[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._auth = auth

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Who sends the request. Raises `Refused` for a token that is not accepted."""
        principal = await self._auth.refusing(lambda auth: auth.find(connection.scope))
        return AuthenticationResult(user=None if principal is None else principal.user, auth=principal)


class Sent(Response[bytes]):
    """A plain answer as Litestar sends it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body, status_code=answer.status)
        self.answer = answer

    def to_asgi_response(self, *_arguments: Any, **_options: Any) -> ASGIResponse:
        """The answer, and nothing of what a handler's configuration would add."""
        return ASGIResponse(
            body=self.answer.body,
            status_code=self.answer.status,
            headers=self.answer.headers,
            media_type=self.answer.header("content-type") or "text/plain",
        )


class CacheStore(Store):
    """A Litestar store over backstay's cache, for sessions, rate limits and response caches.

    Not promised: that a value lives until it expires. What must not be lost belongs in a database.
    """

    def __init__(self, namespace: str = "litestar", *, ttl: float = 86_400.0) -> None:
        """`ttl` is for values without an expiry of their own, in seconds: a cache keeps nothing for ever."""
        self._namespace = namespace
        self._ttl = ttl

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep a value."""
        data = value.encode() if isinstance(value, str) else value
        await self._cache.set(self._key(key), data, _seconds(expires_in) or self._ttl, codec=_BYTES)

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value or None; `renew_for` starts its time anew."""
        found = await self._cache.get(self._key(key), None, codec=_BYTES)
        if found is not None and renew_for is not None:
            await self._cache.touch(self._key(key), _seconds(renew_for))
        return found

    async def delete(self, key: str) -> None:
        """Forget a value."""
        await self._cache.invalidate(self._key(key))

    async def delete_all(self) -> None:
        """Forget all values of this store's namespace."""
        await self._cache.invalidate_namespace(self._namespace)

    async def exists(self, key: str) -> bool:
        """Whether there is a value."""
        return await self._cache.exists(self._key(key))

    async def expires_in(self, key: str) -> int | None:
        """Seconds until the value expires, or None."""
        found = await self._cache.get_entry(self._key(key), codec=_BYTES)
        return None if found is None else max(0, int(found.expires_in))

    @property
    def _cache(self) -> Cache:
        return current_backstay.get().cache

    def _key(self, key: str) -> str:
        return cache_key(self._namespace, key=key)


def health_router(*, prefix: str = "/") -> Router:
    """``/healthz`` and ``/readyz``."""
    return Router(prefix, route_handlers=_mounted(HEALTH), tags=["health"])


async def get_backstay() -> Backstay:
    """For ``Provide``: the open Backstay."""
    return current_backstay.get()


async def get_cache() -> Cache:
    """For ``Provide``: its cache."""
    return current_backstay.get().cache


def _mounted(table: Iterable[Endpoint]) -> list[HTTPRouteHandler]:
    return [_route(row) for row in table]


def _route(row: Endpoint) -> HTTPRouteHandler:
    async def endpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        return Sent(await row.serve(request.scope, request.receive, request.path_params))  # type: ignore[arg-type]

    return HTTPRouteHandler(
        row.path.replace("}", ":str}"),
        http_method=row.method,  # type: ignore[arg-type]
        name=row.name,
        summary=row.summary,
        status_code=200,
        operation_class=_described(row),
        security=[{SCHEME: list(row.scopes)}] if row.secured else None,
    )(endpoint)


def _described(row: Endpoint) -> type[Operation]:
    @dataclass
    class Described(Operation):
        of: ClassVar[Endpoint] = row

        def to_schema(self) -> dict[str, Any]:
            """What Litestar found out, with what the row says of its body and its answers."""
            body = self.of.request_body()
            answers = {str(status): response for status, response in self.of.responses().items()}
            return super().to_schema() | ({"requestBody": body} if body else {}) | {"responses": answers}

    return Described


def _seconds(duration: int | timedelta | None) -> float | None:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


_BYTES = Bytes()

# These act on the ambient authenticator, whose users are of any type.
_ambient: Auth[Any] = Auth()
get_current_user = _ambient.current_user
optional_user = _ambient.optional_user
require = _ambient.require
require_admin = _ambient.require_admin
require_permissions = _ambient.require_permissions
