"""An HTTP answer as plain data, which each framework sends in its own way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from backstay.errors import RequestRefused

NO_STORE = ("cache-control", "no-store")
"""For every answer that holds a token or speaks of one person (RFC 6749, 5.1)."""

# What RFC 9110 calls them. Python has these names from 3.13 on, and every version is to give the same bytes.
_PHRASES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status, headers in the order in which they are sent, and a body, which its repr does not show."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str, /) -> str | None:
        """The first value of a header, by its name in lower case."""
        return next((value for key, value in self.headers if key == name), None)


def json_answer(content: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """An answer in JSON, which no cache keeps."""
    return Answer(
        status=status,
        headers=(("content-type", "application/json"), NO_STORE, *headers),
        body=_dump(content),
    )


def problem(
    status: int, detail: str, *, error: str = "", headers: tuple[tuple[str, str], ...] = (), **members: Any
) -> Answer:
    """Problem details (RFC 9457). `error` is an extension member: the OAuth code, where there is one.

    The type is ``about:blank``, so that the title is the status's phrase (RFC 9457, 4.2.1).
    """
    content = {"type": "about:blank", "title": _title(status), "status": status, "detail": detail}
    if error:
        content["error"] = error
    return Answer(
        status=status,
        headers=(("content-type", "application/problem+json"), NO_STORE, *headers),
        body=_dump(content | members),
    )


def refusal(exc: RequestRefused) -> Answer:
    """The answer that a refusal stands for."""
    return problem(exc.status, str(exc), error=exc.error, headers=exc.headers)


def _dump(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _title(status: int) -> str:
    return _PHRASES.get(status) or HTTPStatus(status).phrase
