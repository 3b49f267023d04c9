"""A WebSocket that is closed when its token is: at expiry, at revocation, and when the user is gone.

A handshake is checked once, and the connection may last for hours. So every message that comes in is asked for
its token's standing again before the application sees it (the cost of a request, without its HTTP), and a socket
that only listens is asked every `interval` seconds.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import anyio

from backstay.clock import Clock
from backstay.errors import BackstayError
from backstay.web.auth import SUBPROTOCOL, Answer, Authenticator, Principal, answer_to
from backstay.web.auth.extraction import Scope

from .sending import App, Message, Receive, Send, close_message, send_answer

REFUSED: Final = "backstay.refused"
"""Where a scope keeps why a handler refused a WebSocket, for frameworks that can only close it."""


class SocketGuard:
    """One WebSocket between its server and the application."""

    def __init__(
        self,
        authenticator: Authenticator[Any],
        principal: Principal[Any] | None,
        connection: tuple[Scope, Receive, Send],
        *,
        clock: Clock,
        interval: float,
        accepted: bool = False,
    ) -> None:
        """`accepted` says that the handshake is over: the application's own is then not sent again."""
        self._auth = authenticator
        self._principal = principal
        self._scope, self._receive, self._send = connection
        self._clock = clock
        self._interval = interval
        self._accepted = self._was_accepted = accepted
        self._offered = SUBPROTOCOL in (self._scope.get("subprotocols") or ())
        self._ended: Message | None = None
        self._waiting: anyio.CancelScope | None = None
        self._told = False

    async def run(self, app: App) -> None:
        """Run the application until it or the token ends. What the application raises is raised."""
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            if self._principal is not None:
                group.start_soon(self._watch, self._principal)
            try:
                await app(self._scope, self.receive, self.send)
            except Exception as exc:  # noqa: BLE001 - raised below, out of the group and as it is
                failure = exc
            group.cancel_scope.cancel()
        # One that fails over a connection that we took away from it has nothing to report.
        if failure is not None and not self._told:
            raise failure

    async def receive(self) -> Message:
        """The next message for the application; a disconnect once the token has ended."""
        if self._was_accepted:
            self._was_accepted = False
            return {"type": "websocket.connect"}
        message: Message = {"type": "websocket.disconnect"}
        if self._ended is None:
            with anyio.CancelScope() as self._waiting:
                message = await self._receive()
            self._waiting = None
        if message["type"] == "websocket.receive" and self._principal is not None and self._ended is None:
            await self._check(self._principal)
        return message if self._ended is None else self._goodbye(self._ended)

    async def send(self, message: Message) -> None:
        """Send what the application says; fails as a lost connection does once the token has ended."""
        if self._ended is not None:
            if message["type"] == "websocket.close":
                return
            self._told = True
            raise OSError("the WebSocket was closed: its token is no longer accepted")
        match message["type"]:
            case "websocket.accept":
                await self._accept(message)
            case "websocket.close" if REFUSED in self._scope:
                await self._refuse(self._scope[REFUSED])
            case _:
                await self._send(message)

    async def _accept(self, message: Message) -> None:
        if not self._accepted:
            # A browser that offered protocols and is given none closes the connection; ours is always right.
            chosen = message.get("subprotocol") or (SUBPROTOCOL if self._offered else None)
            await self._send({**message, "subprotocol": chosen})
        self._accepted = True

    async def _watch(self, principal: Principal[Any]) -> None:
        while self._ended is None:
            await self._clock.sleep(self._interval)
            await self._check(principal)

    async def _check(self, principal: Principal[Any]) -> None:
        try:
            await self._auth.recheck(principal)
        except BackstayError as exc:
            await self._refuse(answer_to(exc, self._auth.challenges))

    async def _refuse(self, answer: Answer) -> None:
        if self._ended is not None:
            return
        self._ended = close_message(answer)
        # First, as some servers cannot send while a receive is waiting.
        if self._waiting is not None:
            self._waiting.cancel()
        # Shielded: the application wakes up, ends, and must not take its watcher and the message with it.
        with suppress(OSError), anyio.CancelScope(shield=True):
            if self._accepted:
                await self._send(self._ended)
            else:
                await send_answer(self._scope, self._send, answer)

    def _goodbye(self, ended: Message) -> Message:
        self._told = True
        return {"type": "websocket.disconnect", "code": ended["code"], "reason": ended["reason"]}
