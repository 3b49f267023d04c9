"""Cache headers: what a route cached in the server may also tell the client's cache.

`cached_route` is `backstay.cached` that also notes, for the request at hand, how long its answer is good. The
middleware turns the note into ``Cache-Control``, and the body into an ``ETag``: a client that has the same body is
answered 304 without it (RFC 9110, 8.8.3 and 13.1.2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from typing import Any, Final, ParamSpec, TypeVar

from backstay.cache import cached
from backstay.web.auth.extraction import Scope, header_of

from .sending import App, Message, Receive, Send

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class _Note:
    control: str = ""


_note: Final[ContextVar[_Note]] = ContextVar("backstay.web.cached")


def cached_route(
    key: str,
    ttl: float,
    *,
    max_age: float | None = None,
    private: bool = False,
    tags: Sequence[str] = (),
    codec: Any = None,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Cache what an async route returns; put it below the framework's own decorator.

    ``key`` is a template over the route's parameters, as of `backstay.cached`, which also says what is refused.

    Args:
        key: such as ``prices:symbol:{symbol}``.
        ttl: seconds that the server keeps it.
        max_age: seconds that clients and proxies may; 0, the default, makes them ask each time with their ETag.
        private: only the client itself may keep it, for answers that differ from user to user.
        tags: for invalidation, templates as well.
        codec: how the value is encoded, as of `backstay.cached`.
    """
    reach = "private" if private else "public"
    control = f"{reach}, max-age={int(max_age)}" if max_age else f"{reach}, no-cache"

    def decorate(route: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        kept = cached(key, ttl, tags=tags, codec=codec)(route)

        @wraps(route)
        async def noted(*args: P.args, **kwargs: P.kwargs) -> T:
            value = await kept(*args, **kwargs)
            note = _note.get(None)
            if note is not None:
                note.control = control
            return value

        return noted

    return decorate


class CacheHeadersMiddleware:
    """Adds ``ETag`` and ``Cache-Control`` to answers of cached routes, and answers 304 where it may.

    Other answers pass untouched, and so do those of more than `max_bytes`, which are not held back.
    """

    def __init__(self, app: App, *, max_bytes: int = 1024 * 1024) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        note = _Note()
        token = _note.set(note)
        try:
            await self._app(scope, receive, _Held(scope, send, note, self._max_bytes).send)
        finally:
            _note.reset(token)


class _Held:
    """One answer, held back until its body is known."""

    def __init__(self, scope: Scope, send: Send, note: _Note, max_bytes: int) -> None:
        self._scope = scope
        self._send = send
        self._note = note
        self._max_bytes = max_bytes
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._note.control and message["status"] == 200:
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            await self._collect(self._start, message)

    async def _collect(self, start: Message, message: Message) -> None:
        self._body += message.get("body", b"")
        more = message.get("more_body", False)
        if more and len(self._body) <= self._max_bytes:
            return
        self._start = None
        if more or not self._body:  # too long to be held, or a HEAD, whose body nobody knows
            await self._send(start)
        else:
            await self._finish(start)
            return
        await self._send({"type": "http.response.body", "body": self._body, "more_body": more})

    async def _finish(self, start: Message) -> None:
        etag = f'"{sha256(self._body).hexdigest()[:32]}"'
        known = {b"etag", b"cache-control"}
        headers = [(name, value) for name, value in start["headers"] if name.lower() not in known]
        headers += [(b"etag", etag.encode("ascii")), (b"cache-control", self._note.control.encode("ascii"))]
        if _matches(header_of(self._scope, b"if-none-match"), etag):
            kept = [(name, value) for name, value in headers if not name.lower().startswith(b"content-")]
            await self._send({**start, "status": 304, "headers": kept})
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": self._body, "more_body": False})


def _matches(asked: str | None, etag: str) -> bool:
    # Weakly compared (RFC 9110, 13.1.2): a proxy may have marked the tag as weak.
    tags = [each.strip().removeprefix("W/") for each in (asked or "").split(",")]
    return etag in tags or "*" in tags
