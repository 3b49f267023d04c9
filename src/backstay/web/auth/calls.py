"""What an endpoint is given: the scope, a body of bounded size, and the fields that were sent in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from backstay.errors import RequestRefused
from backstay.tokens.json import NotStrictJson, parse_object

from .extraction import Scope, header_of

Receive = Callable[[], Awaitable[Any]]

MAX_BODY: Final = 64 * 1024
"""Bytes; a password has at most 4,096, a token 8,192."""
_MAX_FIELDS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to one of our endpoints. Its repr does not show what was sent."""

    scope: Scope = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    path: Mapping[str, str] = field(default_factory=dict[str, str])
    """The parameters in the path."""

    @classmethod
    async def read(cls, scope: Scope, receive: Receive, path: Mapping[str, str] | None = None) -> Call:
        """Read the body. Raises RequestRefused with 413 as soon as it is too large."""
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > MAX_BODY:
                raise RequestRefused("the body is too large", status=413, error="invalid_request")
            parts.append(part)
            more = message.get("more_body", False)
        return cls(scope=scope, body=b"".join(parts), path=path or {})

    def fields(self) -> dict[str, str]:
        """What was sent, as JSON or as a form; nothing for an empty body.

        Raises:
            RequestRefused: 400 or 415; a field is there twice (RFC 6749, 3.2), is no text, or cannot be read.
        """
        if not self.body:
            return {}
        kind = (header_of(self.scope, b"content-type") or "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return _from_json(self.body)
        if kind == "application/x-www-form-urlencoded":
            return _from_form(self.body)
        raise RequestRefused("send JSON or a form", status=415, error="invalid_request")

    @property
    def address(self) -> str:
        """The client's address, as the server knows it: behind a proxy, tell the server to trust its header."""
        client = self.scope.get("client")
        return str(client[0]) if client else "unknown"

    @property
    def device(self) -> str:
        """What the user will recognise a session by: the User-Agent, without control characters."""
        text = header_of(self.scope, b"user-agent") or ""
        return "".join(each for each in text if each.isprintable())[:256]


def _from_json(body: bytes) -> dict[str, str]:
    try:
        found = parse_object(body)
    except NotStrictJson:
        raise _unreadable() from None
    if not all(isinstance(value, str) for value in found.values()):
        raise RequestRefused("every field is a text", status=400, error="invalid_request")
    return found


def _from_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise _unreadable() from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RequestRefused("a field is sent once", status=400, error="invalid_request")
    return fields


def _unreadable() -> RequestRefused:
    return RequestRefused("the body cannot be read", status=400, error="invalid_request")
