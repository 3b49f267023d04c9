"""Everything that stands behind an application: opened by the one line of every framework, and asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from backstay.cache import Cache
from backstay.clock import Clock
from backstay.container import Backstay, current_backstay
from backstay.events import Listener
from backstay.settings import Settings
from backstay.tokens import UserClaims

from .authenticator import Authenticator, current_authenticator

Lifespan = Callable[[Any], AbstractAsyncContextManager[dict[str, Backstay]]]


def lifespan_of(
    authenticator: Authenticator[Any] | None = None,
    settings: Settings | None = None,
    *,
    listeners: Iterable[Listener] = (),
    users: UserClaims | None = None,
    clock: Clock | None = None,
) -> Lifespan:
    """A lifespan that opens a Backstay and makes the authenticator the one that `get_current_user` means.

    The arguments but the first are those of `Backstay.open`.
    """

    @asynccontextmanager
    async def opened(_app: Any) -> AsyncGenerator[dict[str, Backstay]]:
        async with Backstay.open(settings, listeners=listeners, users=users, clock=clock) as kit:
            if authenticator is None:
                yield {"backstay": kit}
                return
            with current_authenticator.entered(authenticator):
                yield {"backstay": kit}

    return opened


async def get_backstay() -> Backstay:
    """A dependency: the open Backstay."""
    return current_backstay.get()


async def get_cache() -> Cache:
    """A dependency: its cache."""
    return current_backstay.get().cache
