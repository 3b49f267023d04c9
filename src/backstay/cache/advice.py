"""Options that contradict each other, or that are known to hurt (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .request import Plan


class Advice(NamedTuple):
    """One thing to reconsider."""

    code: str
    """For filters; does not change."""
    text: str
    """What is wrong, and what to do."""


_RULES: Final[tuple[tuple[str, Callable[[Plan[Any]], bool], str], ...]] = (
    (
        "stampede",
        lambda plan: not plan.lifetime.swr and not plan.lifetime.beta,
        "with early=0 and no swr, all callers wait when the value expires: leave early, or give swr",
    ),
    (
        "in-step",
        lambda plan: not plan.lifetime.jitter and plan.lifetime.ttl >= 1,
        "with jitter=0, what is stored together expires together: leave some",
    ),
    (
        "soft-without-grace",
        lambda plan: plan.soft_timeout is not None and not plan.lifetime.grace,
        "soft_timeout serves an old value, and without grace there is none: give grace",
    ),
    (
        "soft-above-hard",
        lambda plan: (
            None not in (plan.soft_timeout, plan.hard_timeout)
            and (plan.soft_timeout or 0.0) >= (plan.hard_timeout or 0.0)
        ),
        "a soft_timeout that is not below the hard_timeout never counts",
    ),
    (
        "grace-below-swr",
        lambda plan: 0 < plan.lifetime.grace < plan.lifetime.swr,
        "grace is shorter than swr: a failing computation is an error while a slow one is not; make it longer",
    ),
    (
        "long-nothing",
        lambda plan: plan.negative_ttl is not None and plan.negative_ttl > plan.lifetime.ttl,
        "negative_ttl is longer than ttl: that nothing was found is remembered longer than what was found",
    ),
    (
        "short-lease",
        lambda plan: plan.lease < 1.0,
        "a lease below 1 s is lost by a pause of the process, and renewed more than three times a second",
    ),
    (
        "hours-of-lease",
        lambda plan: plan.lease > 300.0,
        "when a process dies, others wait for what is left of its lease: renewal keeps a short one alive",
    ),
)


def advise(plan: Plan[Any], *, seals: bool) -> tuple[Advice, ...]:
    """What to reconsider in a plan, for a cache that does or does not seal."""
    found = [Advice(code, text) for code, applies, text in _RULES if applies(plan)]
    if plan.label.sensitive and not seals:
        found.append(Advice("unsealed", "sensitive values are never stored by a cache without an Encryptor"))
    return tuple(found)
