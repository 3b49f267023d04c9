"""What the settings of passwords mean: a policy, and a hasher."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backstay.clock import Clock
from backstay.errors import ConfigError
from backstay.events import Emitter
from backstay.secret import Secret

from .breach import BreachDatabase, PwnedRanges, RangeCache, UrllibTransport
from .breach.ranges import DEFAULT_URL
from .hashing import PasswordHasher
from .policy import StandardPolicy
from .rules import preset


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPlan:
    """Settings, as far as passwords are concerned."""

    preset: str = "classic"
    context: tuple[str, ...] = ()
    breach_online: bool = False
    breach_url: str = DEFAULT_URL
    breach_db: Path | None = None
    breach_unknown: Literal["open", "closed"] = "open"
    hash_memory: int = 256 * 1024 * 1024
    peppers: Secret | None = None


@asynccontextmanager
async def open_passwords(
    plan: PasswordPlan, *, ranges: RangeCache, clock: Clock, emitter: Emitter
) -> AsyncGenerator[tuple[StandardPolicy, PasswordHasher]]:
    """A policy and a hasher as planned; closed with the block.

    Args:
        plan: what is wanted.
        ranges: where the answers of the online breach check are kept.
        clock: for the breaker before that check.
        emitter: told of everything.

    Raises:
        ConfigError: no such preset, or a pepper that is malformed or too short.
        BreachDataError: the breach database is missing or damaged.
    """
    peppers = _peppers(plan.peppers)
    hasher = PasswordHasher(
        memory_budget=plan.hash_memory, peppers=peppers, current_pepper=next(iter(peppers), None), emitter=emitter
    )
    with ExitStack() as stack:
        stack.callback(hasher.close)
        online = PwnedRanges(UrllibTransport(), url=plan.breach_url, cache=ranges, clock=clock, emitter=emitter)
        policy = StandardPolicy(
            preset(plan.preset, context=plan.context),
            breach=online if plan.breach_online else None,
            offline=None if plan.breach_db is None else stack.enter_context(BreachDatabase(plan.breach_db)),
            when_unknown=plan.breach_unknown,
            emitter=emitter,
        )
        yield policy, hasher


def _peppers(given: Secret | None) -> Mapping[str, Secret]:
    """``id:key,…``, the current one first."""
    if given is None:
        return {}
    found: dict[str, Secret] = {}
    for part in given.reveal().split(","):
        key_id, colon, key = part.strip().partition(":")
        if not colon or key_id in found:
            raise ConfigError("peppers are id:key, separated by commas, each id once, the current one first")
        found[key_id] = Secret(key)
    return found
