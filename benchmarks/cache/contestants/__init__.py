"""The contestants: one small module each, all measured through the same few calls.

A contestant is what a careful user of that library would write in a service, and nothing that its public API
does not have. What it cannot do it leaves out, and the table then has a dash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Protocol

NAMES = {
    "limit": "limit:Limit",
    "limit again": "limit:Limit",
    "backstay": "by_backstay:Backstay",
    "redis-py tuned": "by_redis:Tuned",
    "redis-py default": "by_redis:Default",
    "coredis": "by_coredis:Coredis",
    "valkey-glide": "by_glide:Glide",
    "cashews": "by_cashews:Cashews",
    "aiocache": "by_aiocache:Aiocache",
    "dogpile.cache": "by_dogpile:Dogpile",
}
CONTROL = ("limit", "limit again")
"""The same code under two names: how far they lie apart is how far the run can be trusted."""


class Contestant(Protocol):
    """Open it with `open(url, payload, local=…)`; then:"""

    async def prefill(self, values: Mapping[str, Any]) -> None: ...
    async def get(self, key: str) -> Any: ...
    async def set(self, key: str, value: Any) -> None: ...
    async def get_many(self, keys: Sequence[str]) -> Sequence[Any]: ...
    async def get_or_compute(self, key: str, compute: Callable[[], Awaitable[Any]]) -> Any: ...


Opener = Callable[..., AbstractAsyncContextManager[Contestant]]


def opener(name: str) -> Opener:
    """How a contestant is opened. Raises ImportError if its library is not installed."""
    module, _, attribute = NAMES[name].partition(":")
    return getattr(import_module(f"contestants.{module}"), attribute).open
