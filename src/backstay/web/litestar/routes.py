"""The endpoints as Litestar's route handlers, with what its API description says of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from litestar import Request, Response, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Operation
from litestar.response.base import ASGIResponse

from backstay.web.auth import Answer, Endpoint
from backstay.web.auth.described import SCHEME
from backstay.web.auth.health import HEALTH


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


def health_router(*, prefix: str = "/") -> Router:
    """``/healthz`` and ``/readyz``."""
    return Router(prefix, route_handlers=mounted(HEALTH), tags=["health"])


def mounted(table: Iterable[Endpoint]) -> list[HTTPRouteHandler]:
    """A route handler for each row."""
    return [_route(row) for row in table]


def _route(row: Endpoint) -> HTTPRouteHandler:
    async def endpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        return Sent(await row.serve(request.scope, request.receive, request.path_params))  # type: ignore[arg-type]

    return HTTPRouteHandler(
        row.path.replace("}", ":str}"),
        http_method=row.method,  # type: ignore[arg-type]
        name=row.name,
        operation_id=row.name,
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
            answers = {str(status): response for status, response in self.of.responses().items()}
            return super().to_schema() | self.of.extra() | {"responses": answers}

    return Described
