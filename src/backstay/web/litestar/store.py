"""Litestar's stores (sessions, rate limits, response caches) over backstay's cache."""

from __future__ import annotations

import logging
from datetime import timedelta
from hashlib import sha256

from litestar.stores.base import NamespacedStore

from backstay.cache import Cache, cache_key
from backstay.cache.codecs import Bytes
from backstay.container import current_backstay
from backstay.errors import ValueTooLarge

_BYTES = Bytes()
_LONG = 256  # characters; what is longer is known by its digest
_log = logging.getLogger("backstay.web.store")


class CacheStore(NamespacedStore):
    """A Litestar store over backstay's cache, for sessions, rate limits and response caches.

    ``stores=StoreRegistry(default_factory=CacheStore().with_namespace)`` makes one for whatever asks for one.

    Not promised: that a value lives until it expires, or is kept at all if it is too large for the cache. What
    must not be lost belongs in a database.
    """

    def __init__(self, namespace: str = "litestar", *, ttl: float = 86_400.0) -> None:
        """`ttl` is for values without an expiry of their own, in seconds: a cache keeps nothing for ever."""
        self._namespace = namespace
        self._ttl = ttl

    def with_namespace(self, namespace: str) -> CacheStore:
        """A store below this one: forgetting all of this one's values forgets its values too."""
        return CacheStore(f"{self._namespace}.{namespace}", ttl=self._ttl)

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep a value. One that is too large is logged, and whatever was there is forgotten."""
        data = value.encode() if isinstance(value, str) else value
        try:
            await self._cache.set(self._key(key), data, _seconds(expires_in) or self._ttl, codec=_BYTES)
        except ValueTooLarge as exc:
            # Litestar writes a response down before it sends it: an error here would take the response with it.
            _log.warning("a value for the store %r is not kept: %s", self._namespace, exc)
            await self.delete(key)

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value or None; `renew_for` starts its time anew."""
        found = await self._cache.get(self._key(key), None, codec=_BYTES)
        if found is not None and (renewed := _seconds(renew_for)):
            await self._cache.touch(self._key(key), renewed)
        return found

    async def delete(self, key: str) -> None:
        """Forget a value."""
        await self._cache.invalidate(self._key(key))

    async def delete_all(self) -> None:
        """Forget all values of this store, and of those below it."""
        await self._cache.invalidate_namespace(self._namespace)
        await self._cache.invalidate_pattern(f"{cache_key(self._namespace)}.*")

    async def exists(self, key: str) -> bool:
        """Whether there is a value."""
        return await self._cache.exists(self._key(key))

    async def expires_in(self, key: str) -> int | None:
        """Seconds until the value expires, or None."""
        found = await self._cache.get_entry(self._key(key), codec=_BYTES)
        return int(found.expires_in) if found is not None and found.fresh else None

    @property
    def _cache(self) -> Cache:
        return current_backstay.get().cache

    def _key(self, key: str) -> str:
        # Litestar makes keys of addresses, which clients choose.
        if len(key) <= _LONG:
            return cache_key(self._namespace, key=key)
        return cache_key(self._namespace, digest=sha256(key.encode("utf-8", "surrogatepass")).hexdigest())


def _seconds(duration: int | timedelta | None) -> float | None:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration
