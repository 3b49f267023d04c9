"""backstay in Litestar: one plugin, guards, dependencies, a store over the cache, and answers to errors.

The smallest application::

    @get("/protected", dependencies={"user": Provide(get_current_user)})
    async def protected(user: Any) -> dict[str, str]: return {"user": user.username}

    app = Litestar([protected], lifespan=[Backstay.lifespan()])

`Auth` is for the rest: users of your own type, cookies, login, and problem details for every refusal.
"""

from backstay.web.asgi import cached_route
from backstay.web.auth.lifespan import get_backstay, get_cache
from backstay.web.auth.lifespan import lifespan_of as lifespan

from .auth import (
    Auth,
    Refused,
    TokenMiddleware,
    get_current_user,
    optional_user,
    require,
    require_admin,
    require_permissions,
)
from .plugin import BackstayPlugin
from .routes import health_router
from .store import CacheStore

__all__ = [
    "Auth",
    "BackstayPlugin",
    "CacheStore",
    "Refused",
    "TokenMiddleware",
    "cached_route",
    "get_backstay",
    "get_cache",
    "get_current_user",
    "health_router",
    "lifespan",
    "optional_user",
    "require",
    "require_admin",
    "require_permissions",
]
