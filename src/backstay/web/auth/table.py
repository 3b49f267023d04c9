"""Which endpoint is at which path, and what an API description says of it: the one list behind every adapter."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backstay.errors import BackstayError

from .answers import Answer
from .calls import Call, Receive
from .challenges import Challenges
from .extraction import Scope
from .problems import answer_to

if TYPE_CHECKING:
    from .endpoints import Endpoints

_TEXT = {"type": "string"}
_SOME_TEXT = {"type": "string", "minLength": 1}
_TOKENS = {
    "type": "object",
    "properties": {
        "access_token": _TEXT,
        "refresh_token": _TEXT,
        "token_type": _TEXT,
        "expires_in": {"type": "integer", "description": "seconds"},
        "scope": _TEXT,
        "device": _TEXT,
        "csrf_token": _TEXT,
    },
    "required": ["token_type", "expires_in", "scope"],
}
_SESSIONS = {
    "type": "object",
    "properties": {"sessions": {"type": "array", "items": {"type": "object"}}},
    "required": ["sessions"],
}
PROBLEM = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "error": _TEXT,
    },
    "required": ["type", "title", "status", "detail"],
}
"""The schema of problem details (RFC 9457)."""
REFUSAL: dict[str, Any] = {
    "description": "Refused",
    "content": {"application/problem+json": {"schema": PROBLEM}},
}
"""What an API description says of an answer that refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row: a method and a path below the prefix, what answers, and what an API description says of it."""

    method: str
    path: str
    """With parameters in braces, such as ``/sessions/{session_id}``."""
    name: str
    handle: Callable[[Call], Awaitable[Answer]]
    fields: tuple[str, ...] = ()
    """What may be sent, as JSON or as a form; those that must be come first, `required` of them."""
    required: int = 0
    secured: bool = False
    scopes: tuple[str, ...] = ()
    status: int = 200
    content: dict[str, Any] = field(default_factory=dict[str, Any])
    """The schema of a good answer; empty for none."""
    media: str = "application/json"
    """What a good answer is sent as."""
    refuses: tuple[int, ...] = ()
    challenges: Challenges | None = None

    async def serve(self, scope: Scope, receive: Receive, path: Mapping[str, str]) -> Answer:
        """What to send to a request. Raises nothing of backstay's: an error is an answer too."""
        try:
            return await self.handle(await Call.read(scope, receive, path))
        except BackstayError as exc:
            return answer_to(exc, self.challenges)

    @property
    def summary(self) -> str:
        """The first line of what its handler says of itself."""
        return (self.handle.__doc__ or self.name).partition("\n")[0]

    def request_body(self) -> dict[str, Any] | None:
        """OpenAPI's description of what is sent, or None."""
        if not self.fields:
            return None
        needed = list(self.fields[: self.required])
        properties = dict.fromkeys(self.fields, _TEXT) | dict.fromkeys(needed, _SOME_TEXT)
        schema = {"type": "object", "properties": properties, "required": needed}
        kinds = ("application/json", "application/x-www-form-urlencoded")
        content = {kind: {"schema": schema} for kind in kinds}
        return {"required": self.required > 0, "content": content}

    def parameters(self) -> list[dict[str, Any]]:
        """OpenAPI's description of the parameters in the path."""
        names = re.findall(r"{(\w+)}", self.path)
        return [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]

    def extra(self) -> dict[str, Any]:
        """What a framework cannot find out from a handler that takes a plain request."""
        body, parameters = self.request_body(), self.parameters()
        return ({"requestBody": body} if body else {}) | ({"parameters": parameters} if parameters else {})

    def responses(self) -> dict[int | str, dict[str, Any]]:
        """OpenAPI's description of the answers."""
        good: dict[str, Any] = {"description": "Done"}
        if self.content:
            good["content"] = {self.media: {"schema": self.content}}
        refused = (*self.refuses, *((401, 403) if self.secured else ()), 503)
        described: dict[int | str, dict[str, Any]] = {self.status: good}
        return described | dict.fromkeys(sorted(set(refused)), REFUSAL)


def rows(to: Endpoints) -> Iterator[Endpoint]:
    """All of them, in the order in which an API description shows them."""
    yield Endpoint(
        method="POST", path="/login", name="login", handle=to.login,
        fields=("username", "password", "scope", "transport", "device"), required=2,
        content=_TOKENS, refuses=(400, 401, 403, 413, 415, 429),
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="/refresh", name="refresh", handle=to.refresh,
        fields=("refresh_token", "scope"), content=_TOKENS, refuses=(400, 401, 403, 413, 415),
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="/logout", name="logout", handle=to.logout,
        fields=("refresh_token",), status=204, refuses=(400, 401, 403, 413, 415),
    )  # fmt: skip
    yield Endpoint(
        method="GET", path="/sessions", name="sessions", handle=to.sessions,
        secured=True, content=_SESSIONS, refuses=(400,),
    )  # fmt: skip
    yield Endpoint(
        method="DELETE", path="/sessions", name="end_other_sessions", handle=to.end_others,
        secured=True, content={"type": "object"}, refuses=(400,),
    )  # fmt: skip
    yield Endpoint(
        method="DELETE", path="/sessions/{session_id}", name="end_session", handle=to.end_session,
        secured=True, status=204, refuses=(400, 404),
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="/revoke", name="revoke", handle=to.revoke,
        fields=("token", "token_type_hint"), required=1, refuses=(400, 413, 415),
    )  # fmt: skip
    yield Endpoint(
        method="POST", path="/introspect", name="introspect", handle=to.introspect,
        fields=("token", "token_type_hint"), required=1, secured=True, content={"type": "object"},
        refuses=(400, 413, 415),
    )  # fmt: skip
    yield Endpoint(
        method="GET", path="/jwks.json", name="keys", handle=to.keys, content={"type": "object"},
        media="application/jwk-set+json",
    )  # fmt: skip
