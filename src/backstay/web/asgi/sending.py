"""Plain answers sent as ASGI messages, over HTTP and in place of a WebSocket's handshake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from backstay.web.auth import Answer
from backstay.web.auth.extraction import Scope

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

# https://www.iana.org/assignments/websocket: Unauthorized, Forbidden, Try Again Later; RFC 6455, 7.4.1.
CLOSE_CODES: Final = {401: 3000, 403: 3003, 429: 1013, 503: 1013, 500: 1011}
"""Which code closes an open WebSocket for the reason that an HTTP status gives."""


def close_message(answer: Answer, /) -> Message:
    """The message that closes an open WebSocket for the reason of a refusal."""
    code = CLOSE_CODES.get(answer.status, 1008)
    return {"type": "websocket.close", "code": code, "reason": _REASONS.get(code, "policy violation")}


async def send_answer(scope: Scope, send: Send, answer: Answer, /) -> None:
    """Send an answer to a request, or instead of accepting a WebSocket.

    A server without the extension for refused handshakes (ASGI, ``websocket.http.response``) answers 403 by
    itself, and the client learns no more.
    """
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send(close_message(answer))
            return
        prefix = "websocket."
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    await send({"type": f"{prefix}http.response.start", "status": answer.status, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": answer.body, "more_body": False})


_REASONS: Final = {3000: "unauthorized", 3003: "forbidden", 1013: "try again later", 1011: "internal error"}
