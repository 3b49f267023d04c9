"""What happened to cached values, and who saw one that was dead by then (pure).

The law, on real-time intervals (Herlihy and Wing, "Linearizability", 1990, weakened to what a cache promises): a
read may return a value unless some mutation of its key lies *wholly* between the value and the read. A computed
value is as old as the beginning of its computation, because that is when it looked at its source; a value that
was set is as old as the end of the call that set it. What overlaps may be ordered either way.

Every value names its key and is made once, so a reply that reached the wrong caller is seen as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

UNKNOWN = math.inf
"""The instant of what may still happen: a call whose outcome nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """A value came to be."""

    value: str
    key: str
    node: int
    at: float
    """Mutations that begin later than this make the value stale. Monotonic seconds, like all instants here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """An invalidation, or a set, that was answered with *applied*."""

    what: str
    keys: tuple[str, ...]
    node: int
    begun: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A read returned a value."""

    value: str
    key: str
    node: int
    begun: float
    exact: bool = False
    """The reader asked for exactness: neither `lag` nor `alone` excuses what it got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A read that returned what it must not have."""

    sight: Sight
    production: Production | None
    """Of the value; None if nobody ever made it."""
    mutation: Mutation | None
    """What lay between the value and the read; None if the value is another key's."""

    def __str__(self) -> str:
        sight, made, between = self.sight, self.production, self.mutation
        how = "reading exactly" if sight.exact else "reading"
        seen = f"node {sight.node} {how} {sight.key!r} at {sight.begun:.6f} got {sight.value!r}"
        if made is None:
            return f"{seen}, which nobody made"
        if between is None:
            return f"{seen}, a value of {made.key!r}"
        return (
            f"{seen}, as old as {made.at:.6f}, although node {between.node} had done {between.what} from "
            f"{between.begun:.6f} to {between.ended:.6f}"
        )


@dataclass(slots=True)
class History:
    """Everything that the nodes of one run did. Nodes of several processes share the monotonic clock on Linux."""

    productions: dict[str, Production] = field(default_factory=dict[str, Production])
    mutations: list[Mutation] = field(default_factory=list[Mutation])
    sights: list[Sight] = field(default_factory=list[Sight])

    def merge(self, others: Iterable[History]) -> History:
        """This history and the others as one."""
        whole = History(dict(self.productions), list(self.mutations), list(self.sights))
        for other in others:
            whole.productions.update(other.productions)
            whole.mutations += other.mutations
            whole.sights += other.sights
        return whole

    def violations(self, *, lag: float = 0.0, alone: float = 0.0) -> list[Violation]:
        """Every read that the law forbids.

        Args:
            lag: seconds by which a node may learn late of *another* node's mutation. 0 for caches without a
                local tier; the bound that the cache states for one with it.
            alone: a node may serve values of its *own* computations until they are this many seconds old,
                whatever other nodes did: what a cache promises while its store is away. 0 where no link falls.
        """
        by_key: dict[str, list[Mutation]] = {}
        for mutation in self.mutations:
            for key in mutation.keys:
                by_key.setdefault(key, []).append(mutation)
        judged = (self._judge(sight, by_key.get(sight.key, ()), lag, alone) for sight in self.sights)
        return [violation for violation in judged if violation is not None]

    def _judge(self, sight: Sight, mutations: Sequence[Mutation], lag: float, alone: float) -> Violation | None:
        made = self.productions.get(sight.value)
        if made is None or made.key != sight.key:
            return Violation(sight=sight, production=made, mutation=None)
        excused = not sight.exact and alone > 0 and made.node == sight.node and sight.begun - made.at <= alone
        for mutation in mutations:
            own = mutation.node == sight.node
            late = 0.0 if own or sight.exact else lag
            if made.at < mutation.begun and mutation.ended + late < sight.begun and (own or not excused):
                return Violation(sight=sight, production=made, mutation=mutation)
        return None

    def as_json(self) -> dict[str, Any]:
        """For another process; `from_json` reads it."""
        return {
            "productions": [asdict(each) for each in self.productions.values()],
            "mutations": [asdict(each) for each in self.mutations],
            "sights": [asdict(each) for each in self.sights],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> History:
        """What another process recorded."""
        productions = [Production(**each) for each in data["productions"]]
        return cls(
            productions={each.value: each for each in productions},
            mutations=[Mutation(**(each | {"keys": tuple(each["keys"])})) for each in data["mutations"]],
            sights=[Sight(**each) for each in data["sights"]],
        )
