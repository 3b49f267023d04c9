"""What Litestar's API description says beyond what Litestar finds out: cookies as another way in."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import fields
from typing import Any

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import OpenAPI

from backstay.web.auth import Authenticator
from backstay.web.auth.described import described


def with_cookies(config: OpenAPIConfig, find: Callable[[], Authenticator[Any]]) -> OpenAPIConfig:
    """The same configuration, whose description knows the authenticator's cookies."""

    class WithCookies(OpenAPI):
        def to_schema(self) -> dict[str, Any]:
            return described(super().to_schema(), find().transport)

    config = copy(config)
    extended: Any = config  # a method of it is replaced, as it may be of a class of the application's own
    plain = config.to_openapi_schema

    def to_openapi_schema() -> OpenAPI:
        made = plain()
        return WithCookies(**{each.name: getattr(made, each.name) for each in fields(made)})

    extended.to_openapi_schema = to_openapi_schema
    return config
