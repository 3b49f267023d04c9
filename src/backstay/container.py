"""The parts, wired: one frozen dataclass of Protocols, opened in one line and closed in reverse.

The type checker is the injector: a part of the wrong kind does not type-check. There is no registry and nothing is
looked up by type. A part that needs a driver imports it when it is opened, so that what is not used need not be
installed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from .ambient import Ambient
from .cache import Cache, CacheBackend, Defaults, LockBackend, MemoryCache, Transcoder, current_cache
from .clock import Clock, SystemClock
from .errors import ConfigError
from .events import Emitter, Listener
from .health import Health
from .migrations import MigrationRunner, open_runners, reporting_version, runner_for
from .passwords import (
    DeviceTokens,
    LoginThrottle,
    MemoryThrottle,
    PasswordHasher,
    PasswordPolicy,
    StandardThrottle,
    ThrottleStore,
    ambient_hasher,
    ambient_policy,
)
from .passwords.opening import PasswordPlan, open_passwords
from .secret import Secret
from .settings import Settings, from_env
from .telemetry.logging import LogListener
from .tokens import KeyRing, Lifetimes, TokenService, TokenStore, UserClaims
from .tokens.opening import TokenPlan, open_tokens
from .tokens.sessions import TokenIds


class _Store(CacheBackend, LockBackend, Protocol):
    """What the container needs of a cache backend: that it also has locks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backstay:
    """Everything that stands behind an application. Made by `open`, or by hand from parts of your own."""

    cache: Cache
    passwords: PasswordPolicy
    hasher: PasswordHasher
    tokens: TokenService | None = None
    """Sessions and their tokens. Always there after `open`; None only in one that was made by hand without."""
    keys: KeyRing | None = None
    """What the tokens are signed with, and the key set to publish."""
    token_store: TokenStore | None = None
    """Where sessions, revocations and one-time identifiers are: what `DpopVerifier` and `OpaqueTokens` take."""
    throttle: LoginThrottle | None = None
    """What a login asks before it compares a password. `open` always gives one."""
    migrations: MigrationRunner | None = None
    """What `run_pending_migrations` uses; None unless a database and a directory are set."""
    health: Health
    clock: Clock
    settings: Settings

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings | None = None,
        *,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
        users: UserClaims | None = None,
    ) -> AsyncGenerator[Backstay]:
        """Open every part that the settings ask for, and make it the one that module-level functions mean.

        Without a Redis URL the cache is this process's memory, and without token keys so are sessions. Nothing
        connects before its first use, but for the report of the application's version, where migrations and a
        version are set. On the way out all parts are closed in reverse order, also when closing one
        of them fails.

        Args:
            settings: from the environment if not given.
            listeners: told of every event, beside the one that logs.
            clock: where time comes from.
            users: asked at each issue and refresh of tokens for what a user may do now; see `UserClaims`.

        Raises:
            ConfigError: a setting is missing, unknown or malformed.
            KeyRejected: a token key or secret is refused.
            MissingExtraError: a setting asks for a driver that is not installed.
        """
        given = from_env() if settings is None else settings
        ticking: Clock = clock or SystemClock()
        heard = (LogListener(), *listeners)
        async with AsyncExitStack() as stack:
            cache, backend = await _open_cache(stack, given, ticking, heard)
            stack.enter_context(current_cache.entered(cache))
            passwords, hasher = await _open_passwords(stack, given, cache, ticking, heard)
            migrations = _migration_runner(given, ticking, heard)
            if migrations is not None:
                stack.enter_context(open_runners.entered(migrations))
                await _report_version(stack, given, ticking, heard)
            tokens = await stack.enter_async_context(
                open_tokens(_token_plan(given), clock=ticking, events=Emitter(heard), users=users)
            )
            health = Health([CacheProbe(backend), TokenProbe(tokens.store)], clock=ticking)
            kit = cls(
                cache=cache,
                passwords=passwords,
                hasher=hasher,
                tokens=tokens.service,
                keys=tokens.keys,
                token_store=tokens.store,
                throttle=await _login_throttle(stack, given, ticking, heard),
                migrations=migrations,
                health=health,
                clock=ticking,
                settings=given,
            )
            yield stack.enter_context(current_backstay.entered(kit))

    @classmethod
    def lifespan(
        cls,
        settings: Settings | None = None,
        *,
        listeners: Iterable[Listener] = (),
        users: UserClaims | None = None,
    ) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Backstay]]]:
        """What FastAPI, Starlette and Litestar take as a lifespan: ``FastAPI(lifespan=Backstay.lifespan())``.

        In Starlette and FastAPI the open Backstay is ``request.state.backstay`` as well.
        """

        @asynccontextmanager
        async def opened(_app: Any) -> AsyncGenerator[dict[str, Backstay]]:
            async with cls.open(settings, listeners=listeners, users=users) as kit:
                yield {"backstay": kit}

        return opened


class CacheProbe:
    """Whether the cache's backend answers. Not required: without it, values are computed."""

    name = "cache"
    required = False

    def __init__(self, backend: CacheBackend) -> None:
        self._backend = backend

    async def check(self) -> None:
        """Look at nothing but the log. Raises CacheUnavailable."""
        await self._backend.read((), since=0)


class TokenProbe:
    """Whether the store of sessions and revocations answers. Required: without it nobody can be let in."""

    name = "tokens"
    required = True

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    async def check(self) -> None:
        """Ask for a token that nobody has. Raises TokenStoreUnavailable."""
        nobody = TokenIds(token_id="-", session_id="-", user="-", epoch=0)  # noqa: S106 - an identifier
        await self._store.is_revoked(nobody)


async def _open_cache(
    stack: AsyncExitStack, settings: Settings, clock: Clock, listeners: Iterable[Listener]
) -> tuple[Cache, CacheBackend]:
    backend = await _open_backend(stack, settings, clock)
    transcoder = Transcoder(
        max_value_bytes=settings.cache.max_value_bytes, compress_above=settings.cache.compress_above
    )
    cache = Cache(
        backend,
        locks=backend,
        defaults=Defaults(ttl=settings.cache.ttl),
        transcoder=transcoder,
        listeners=listeners,
        clock=clock,
    )
    return await stack.enter_async_context(cache), backend


async def _open_backend(stack: AsyncExitStack, settings: Settings, clock: Clock) -> _Store:
    cache = settings.cache
    if settings.redis_url is None:
        return MemoryCache(max_entries=cache.max_entries, max_bytes=cache.max_bytes, clock=clock)
    from .cache.redis import RedisCache

    return await stack.enter_async_context(
        RedisCache.open(settings.redis_url, prefix=cache.prefix, budget=cache.budget, clock=clock)
    )


def _one_redis(settings: Settings, instead: str) -> Secret | None:
    """The Redis of the settings, for what cannot use several servers as one."""
    url = settings.redis_url
    if url is not None and "+" in url.reveal().partition("://")[0]:
        raise ConfigError(
            f"BACKSTAY_REDIS_URL names sentinels or a cluster, which serve the cache only; set {instead} as well"
        )
    return url


def _token_plan(settings: Settings) -> TokenPlan:
    token = settings.token
    # A Redis that is there for the cache holds sessions too, as soon as there are keys to go with them.
    shared = token.store or (_one_redis(settings, "BACKSTAY_TOKEN_STORE") if token.keys is not None else None)
    try:
        lifetimes = Lifetimes(
            access=timedelta(seconds=token.access_ttl),
            idle=timedelta(seconds=token.idle_ttl),
            absolute=timedelta(seconds=token.absolute_ttl),
            grace=timedelta(seconds=token.grace),
        )
    except ValueError as exc:
        raise ConfigError(f"token lifetimes: {exc}") from exc
    return TokenPlan(
        keys=token.keys,
        refresh_secrets=token.refresh_secrets,
        issuer=token.issuer,
        audience=token.audience,
        store=shared,
        prefix=token.prefix,
        replicas=token.replicas,
        lifetimes=lifetimes,
        leeway=timedelta(seconds=token.leeway),
        verified=token.verified,
    )


class CachedRanges:
    """Answers of the breach check, kept in the application's cache and so shared by all workers."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def get(self, key: str, /) -> bytes | None:
        """The answer, or None."""
        return await self._cache.get(key, None, codec=bytes)

    async def set(self, key: str, value: bytes, /, *, ttl: float) -> None:
        """Keep it for `ttl` seconds."""
        await self._cache.set(key, value, ttl, codec=bytes)


async def _open_passwords(
    stack: AsyncExitStack, settings: Settings, cache: Cache, clock: Clock, listeners: Iterable[Listener]
) -> tuple[PasswordPolicy, PasswordHasher]:
    given = settings.password
    plan = PasswordPlan(
        preset=given.preset,
        context=given.context,
        breach_online=given.breach_online,
        breach_url=given.breach_url,
        breach_db=given.breach_db,
        breach_unknown=given.breach_unknown,
        hash_memory=given.hash_memory,
        peppers=given.peppers,
    )
    policy, hasher = await stack.enter_async_context(
        open_passwords(plan, ranges=CachedRanges(cache), clock=clock, emitter=Emitter(listeners))
    )
    stack.enter_context(ambient_policy.entered(policy))
    stack.enter_context(ambient_hasher.entered(hasher))
    return policy, hasher


async def _login_throttle(
    stack: AsyncExitStack, settings: Settings, clock: Clock, listeners: Iterable[Listener]
) -> LoginThrottle:
    given = settings.throttle
    store: ThrottleStore = MemoryThrottle(clock=clock)
    url = given.store or _one_redis(settings, "BACKSTAY_THROTTLE_STORE")
    if url is not None:
        from .passwords.throttle.redis import RedisThrottle

        opened = RedisThrottle.open(url, prefix=given.prefix, timeout=given.timeout)
        store = await stack.enter_async_context(opened)
    devices = None if given.device_key is None else DeviceTokens(given.device_key, clock=clock)
    return StandardThrottle(store, devices=devices, emitter=Emitter(listeners))


def _migration_runner(settings: Settings, clock: Clock, listeners: Iterable[Listener]) -> MigrationRunner | None:
    directory = settings.migrations.directory
    if settings.database_url is None or directory is None:
        return None
    return runner_for(
        settings.database_url.reveal(),
        directory,
        app_version=settings.migrations.app_version,
        clock=clock,
        listeners=listeners,
    )


async def _report_version(
    stack: AsyncExitStack, settings: Settings, clock: Clock, listeners: Iterable[Listener]
) -> None:
    """Before any migration runs: one that is about to take something away waits for whoever still needs it."""
    given = settings.migrations
    if settings.database_url is not None and given.app_version and given.reports:
        url = settings.database_url.reveal()
        await stack.enter_async_context(reporting_version(url, given.app_version, clock=clock, listeners=listeners))


current_backstay: Final[Ambient[Backstay]] = Ambient(
    "Backstays", missing="Open one: async with Backstay.open() as kit"
)
"""The open ones, innermost first."""
