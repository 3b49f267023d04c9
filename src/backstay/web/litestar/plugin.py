"""The one line: a plugin that opens what stands behind the application and wires everything into it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from litestar import Request, Response, Router
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi.spec import Components, SecurityScheme
from litestar.openapi.spec.oauth_flow import OAuthFlow
from litestar.openapi.spec.oauth_flows import OAuthFlows
from litestar.plugins import CLIPlugin, InitPlugin

from backstay.errors import BackstayError
from backstay.web.asgi import REFUSED, AuthenticationMiddleware, CacheHeadersMiddleware
from backstay.web.auth import Accounts, Answer, Endpoints, answer_to
from backstay.web.auth.described import SCHEME
from backstay.web.auth.lifespan import Lifespan, get_backstay, get_cache, lifespan_of

from .auth import Auth, Refused, TokenMiddleware, ambient
from .description import with_cookies
from .routes import Sent, health_router, mounted

# ASGI, and in other words than Litestar's types say it.
_AUTHENTICATION: Any = AuthenticationMiddleware
_CACHE_HEADERS: Any = CacheHeadersMiddleware
_TOKENS: Any = TokenMiddleware


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
        health: str | None = "/",
        first_message: bool = False,
        scopes: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Wire it.

        Args:
            auth: the ambient one if not given.
            accounts: where passwords are; without it there is no login.
            lifespan: opens the Backstay, if not plainly.
            prefix: of the endpoints.
            health: the prefix of the health routes; None for none.
            first_message: let a WebSocket send its token as its first message.
            scopes: what the API description lists, each with what it says of it.
        """
        self._auth = auth or ambient
        self._accounts = accounts
        self._lifespan = lifespan
        self._prefix = prefix
        self._health = health
        self._options = {"http": False, "first_message": first_message}
        self._scopes = dict(scopes)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add everything to the application's configuration."""
        self._configure(app_config)
        return app_config

    def _configure(self, app_config: Any) -> None:  # Any: the types of its fields are not whole
        auth = self._auth.find
        app_config.lifespan.insert(0, self._lifespan or lifespan_of(auth()))
        app_config.exception_handlers = {
            Refused: self._on_error, BackstayError: self._on_error, **app_config.exception_handlers
        }  # fmt: skip
        app_config.after_exception.append(self._note_refusal)
        app_config.middleware[:0] = [
            DefineMiddleware(_AUTHENTICATION, authenticator=auth, **self._options),
            DefineMiddleware(_CACHE_HEADERS),
            DefineMiddleware(_TOKENS, auth=self._auth),
        ]
        app_config.dependencies = {
            "cache": Provide(get_cache), "backstay": Provide(get_backstay), **app_config.dependencies
        }  # fmt: skip
        endpoints = Endpoints(auth(), accounts=self._accounts)
        app_config.route_handlers.append(Router(self._prefix, route_handlers=mounted(endpoints.table)))
        if self._health is not None:
            app_config.route_handlers.append(health_router(prefix=self._health))
        if app_config.openapi_config is not None:
            described = Components(security_schemes={SCHEME: self._scheme()})
            before = app_config.openapi_config.components
            joined: list[Any] = [*(before if isinstance(before, list) else [before]), described]
            app_config.openapi_config = with_cookies(app_config.openapi_config, auth)
            app_config.openapi_config.components = joined

    def on_cli_init(self, cli: Any) -> None:
        """Put backstay's commands below ``litestar backstay``."""
        # By their entry point: the command line stands on top of the adapters, which do not know it.
        for command in entry_points(group="console_scripts", name="backstay"):
            cli.add_command(command.load(), "backstay")

    def _scheme(self) -> SecurityScheme:
        flow = OAuthFlow(token_url=f"{self._prefix}/login", scopes=self._scopes)
        return SecurityScheme(type="oauth2", flows=OAuthFlows(password=flow))

    def _on_error(self, _request: Request[Any, Any, Any], exc: Any) -> Response[bytes]:
        return Sent(self._answer(exc))

    async def _note_refusal(self, exc: Any, scope: Any) -> None:
        if scope["type"] == "websocket" and isinstance(exc, (Refused, BackstayError)):
            scope[REFUSED] = self._answer(exc)  # the guard around the application sends it

    def _answer(self, exc: Any) -> Answer:
        return exc.answer if isinstance(exc, Refused) else answer_to(exc, self._auth.find().challenges)
