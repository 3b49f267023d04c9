"""The parts of the token package, opened together and closed in reverse: what an application would write itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from backstay.clock import Clock
from backstay.errors import ConfigError
from backstay.events import Emitter
from backstay.secret import Secret
from backstay.tasks import TaskOwner

from .claims import TokenProfile
from .codec import JwtCodec
from .ephemeral import EphemeralKeyRing, ephemeral_secrets
from .events import SessionsInMemory
from .keyring import KeyRing
from .lifetimes import Lifetimes
from .memory import MemoryTokenStore
from .protocol import TokenStore
from .refresh import RefreshSecrets
from .revocation import LocalRevocations
from .service import TokenService, UserClaims
from .verified import VerifiedCache

DEVELOPMENT = "backstay:development"
"""Issuer and audience of tokens that only this process can have made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlan:
    """What `open_tokens` is asked for, checked as a whole before anything is opened.

    `keys` and `refresh_secrets` are the texts of a key ring and of `RefreshSecrets.parse`; `store` is a redis or
    a postgresql URL.
    """

    keys: Secret | None = None
    refresh_secrets: Secret | None = None
    issuer: str = ""
    audience: Sequence[str] = ()
    store: Secret | None = None
    prefix: str = "backstay:tokens"
    replicas: int = 0
    lifetimes: Lifetimes
    leeway: timedelta = timedelta(seconds=30)
    verified: int = 4096

    def check(self) -> None:
        """Refuse what would work on one machine and log people out on two.

        Raises:
            ConfigError: naming the setting that is missing.
        """
        if self.keys is None:
            if self.store is not None:
                raise ConfigError(
                    "sessions are shared (token store), and keys are not: every process would refuse the tokens "
                    "of the others. Set token keys to a ring that 'backstay token keygen' made"
                )
            return
        if not self.issuer or not self.audience:
            raise ConfigError("with token keys, set token issuer and token audience: a verifier compares both")
        if self.store is not None and self.refresh_secrets is None:
            raise ConfigError(
                "sessions are shared, and their secret is not: set token refresh_secrets to 'kid:secret', where "
                "the secret is 32 random bytes or more in base64url"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTokens:
    """The open parts."""

    service: TokenService
    keys: KeyRing
    store: TokenStore


@asynccontextmanager
async def open_tokens(
    plan: TokenPlan, *, clock: Clock, events: Emitter, users: UserClaims | None = None
) -> AsyncGenerator[OpenTokens]:
    """A service with its keys, its store, and a local copy of revocations that follows the store.

    Nothing connects before its first use. On the way out the copy stops following, then the store is closed.

    Raises:
        ConfigError: see `TokenPlan.check`.
        KeyRejected: a key or a secret is refused.
        MissingExtraError: the plan asks for a driver that is not installed.
    """
    plan.check()
    keys = _key_ring(plan, clock, events)
    profile = TokenProfile(
        typ="at+jwt",
        issuer=plan.issuer or DEVELOPMENT,
        audience=frozenset(plan.audience or (DEVELOPMENT,)),
        leeway=plan.leeway,
        max_lifetime=max(plan.lifetimes.access, timedelta(hours=1)),
    )
    horizon = profile.max_lifetime_seconds + profile.leeway_seconds
    async with AsyncExitStack() as stack:
        store = await _open_store(stack, plan, clock, horizon)
        revocations = LocalRevocations(store, clock=clock, horizon=horizon, events=events)
        if plan.store is not None:
            owner = TaskOwner()
            stack.push_async_callback(owner.aclose)
            owner.start(revocations.run, "follow token revocations")
        elif plan.keys is not None:
            events(SessionsInMemory())
        service = TokenService(
            codec=JwtCodec(keys, clock=clock, cache=_verified_cache(plan, keys)),
            profile=profile,
            store=store,
            log=store,
            secrets=_secrets(plan),
            revocations=revocations,
            users=users,
            lifetimes=plan.lifetimes,
            events=events,
            clock=clock,
        )
        yield OpenTokens(service=service, keys=keys, store=store)


def _key_ring(plan: TokenPlan, clock: Clock, events: Emitter) -> KeyRing:
    if plan.keys is None:
        return EphemeralKeyRing(clock=clock, events=events)
    from .keyfile import load_ring

    return load_ring(plan.keys.reveal(), clock=clock)


def _secrets(plan: TokenPlan) -> RefreshSecrets:
    if plan.refresh_secrets is None:
        return ephemeral_secrets()
    return RefreshSecrets.parse(plan.refresh_secrets.reveal())


def _verified_cache(plan: TokenPlan, keys: KeyRing) -> VerifiedCache | None:
    # A MAC costs less than the look-up saves; only signatures are worth remembering.
    symmetric = any(entry.key.public_jwk is None for entry in keys.entries)
    return None if plan.verified == 0 or symmetric else VerifiedCache(size=plan.verified)


async def _open_store(stack: AsyncExitStack, plan: TokenPlan, clock: Clock, horizon: float) -> TokenStore:
    if plan.store is None:
        # Its log is at hand: the copy is not followed but asked, which costs no round trip.
        return MemoryTokenStore(clock=clock, horizon=horizon)
    return await stack.enter_async_context(
        open_store(plan.store.reveal(), prefix=plan.prefix, horizon=horizon, replicas=plan.replicas)
    )


@asynccontextmanager
async def open_store(
    url: str, *, prefix: str = "backstay:tokens", horizon: float = 3660.0, replicas: int = 0
) -> AsyncGenerator[TokenStore]:
    """The store that a URL names. `replicas` is for Redis alone; see `RedisTokenStore`.

    Raises:
        ConfigError: the URL is neither redis's nor postgresql's. Does not quote it.
        MissingExtraError: its driver is not installed.
    """
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in {"redis", "rediss", "unix"}:
        from .redis import open_redis_store

        async with open_redis_store(url, prefix=prefix, horizon=horizon, replicas=replicas) as redis:
            yield redis
    elif scheme in {"postgresql", "postgres"}:
        from .postgres import open_postgres_store

        async with open_postgres_store(url, horizon=horizon) as postgres:
            yield postgres
    else:
        raise ConfigError("a token store is a redis:// or a postgresql:// URL")
