"""Authentication as pure ASGI middleware: who sends a request is in the scope before the application sees it.

For any ASGI framework; the adapters use its WebSocket half. Not built on a framework's middleware class, which
would cost more than the signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Never

import anyio

from backstay.container import current_backstay
from backstay.errors import BackstayError, RequestRefused
from backstay.web.auth import (
    SUBPROTOCOL,
    Authenticator,
    Carrier,
    Principal,
    answer_to,
    current_authenticator,
)
from backstay.web.auth.extraction import Scope, hide_subprotocol_token, parse_authorization

from .guard import SocketGuard
from .sending import App, Receive, Send, close_message, send_answer


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Who sends a request without a token."""

    scopes: frozenset[str] = frozenset()
    is_authenticated: bool = False


ANONYMOUS = Anonymous()


class Unaccepted:
    """Stands where the user of a token would that is not accepted: asked for anything, it refuses the request.

    So a route that wants nobody in particular still answers. Signing in is one.
    """

    __slots__ = ("_refusal",)

    def __init__(self, refusal: Exception) -> None:
        self._refusal = refusal

    def __getattr__(self, name: str) -> Never:
        raise self._refusal

    def __bool__(self) -> Never:
        raise self._refusal


class AuthenticationMiddleware:
    """Sets ``scope["user"]`` to the user and ``scope["auth"]`` to the `Principal`, or both to an `Anonymous`.

    A request whose token is not accepted is answered here; one without a token goes on, and what needs a user
    refuses it. A WebSocket is watched while it is open: see `SocketGuard`.

    Not promised: that a message already handed to the application is taken back when its token ends.
    """

    def __init__(
        self,
        app: App,
        authenticator: Authenticator[Any] | Callable[[], Authenticator[Any]] | None = None,
        *,
        http: bool = True,
        interval: float = 1.0,
        first_message: bool = False,
        patience: float = 10.0,
    ) -> None:
        """Wrap an application.

        Args:
            app: what is wrapped.
            authenticator: or a way to it; the ambient one if not given.
            http: False leaves requests alone, where the framework's own dependencies ask.
            interval: seconds between two looks at the token of an open WebSocket that sends nothing.
            first_message: let a WebSocket without credentials send ``Bearer <token>`` as its first message. The
                application then sees only those that did.
            patience: seconds that such a first message may take.
        """
        self._app = app
        self._find = _finder(authenticator)
        self._http = http
        self._interval = interval
        self._first_message = first_message
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http" and self._http:
            await self._request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        auth = self._find()
        try:
            principal = await auth.find(scope)
        except BackstayError as exc:
            await send_answer(scope, send, answer_to(exc, auth.challenges))
            return
        _tell(scope, principal)
        await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        auth = self._find()
        try:
            principal = await auth.find(scope)
        except BackstayError as exc:
            await receive()  # the handshake, which a server expects to be read before it is refused
            await send_answer(scope, send, answer_to(exc, auth.challenges))
            return
        hide_subprotocol_token(scope)
        accepted = principal is None and self._first_message
        if accepted:
            principal = await self._by_first_message(auth, scope, receive, send)
            if principal is None:
                return
        _tell(scope, principal)
        clock = current_backstay.get().clock
        connection = (scope, receive, send)
        guard = SocketGuard(auth, principal, connection, clock=clock, interval=self._interval, accepted=accepted)
        await guard.run(self._app)

    async def _by_first_message(
        self, auth: Authenticator[Any], scope: Scope, receive: Receive, send: Send
    ) -> Principal[Any] | None:
        offered = SUBPROTOCOL in (scope.get("subprotocols") or ())
        await receive()
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        message: dict[str, Any] = {}
        with anyio.move_on_after(self._patience):
            message = await receive()
        if message.get("type") == "websocket.disconnect":
            return None
        try:
            scope["backstay.principal"] = principal = await self._accept(auth, scope, message.get("text") or "")
        except BackstayError as exc:
            await send(close_message(answer_to(exc, auth.challenges)))
            return None
        return principal

    async def _accept(self, auth: Authenticator[Any], scope: Scope, text: str) -> Principal[Any]:
        try:
            value = text.encode("ascii")
            found = parse_authorization(value, auth.transport, carrier=Carrier.MESSAGE)
        except (UnicodeEncodeError, RequestRefused):
            found = None
        if found is None:
            raise auth.challenges.missing()
        return await auth.accept(scope, found)


def _finder(
    given: Authenticator[Any] | Callable[[], Authenticator[Any]] | None,
) -> Callable[[], Authenticator[Any]]:
    if given is None:
        return current_authenticator.get
    if not isinstance(given, Authenticator):
        return given
    fixed: Any = given  # pyright: ignore[reportUnknownVariableType] - of what user, no check can tell
    return lambda: fixed


def _tell(scope: Scope, principal: Principal[Any] | None) -> None:
    scope["user"] = ANONYMOUS if principal is None else principal.user
    scope["auth"] = ANONYMOUS if principal is None else principal
