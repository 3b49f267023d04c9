"""A fuzzer for the freshness law: random schedules of reads, computations, sets and invalidations on several nodes.

::

    class TestMine(ScheduleSuite):
        @asynccontextmanager
        async def open_nodes(self, count):
            async with AsyncExitStack() as stack:
                yield [await stack.enter_async_context(MyBackend.connect(...)) for _ in range(count)]

A seed decides the *plan*: who does what, after which pause, for how long, and who is cancelled when. The store and
the machine decide the order in which it happens, so a seed that failed may need some repetitions to fail again:
``BACKSTAY_SEEDS=17x200`` runs seed 17 two hundred times, ``BACKSTAY_SEEDS=0:500`` the seeds from 0 to 499.
"""

# ruff: noqa: S101, S311 - to assert is what a suite is for, and chance here guards nothing

from __future__ import annotations

import itertools
import os
import random
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import anyio

from backstay.cache import MISSING, Cache, CacheBackend, Defaults, Invalidation

from .history import UNKNOWN, History, Mutation, Production, Sight

PLACES: Final = ("red:id:1", "red:id:2", "blue:id:1", "blue:id:2")
"""The keys of a schedule, below a root of its own. Few, so that they meet."""

TAGS: Final = {place: (f"of {place[:-5]}", f"number {place[-1]}") for place in PLACES}

SCOPES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("pattern", "{root}red:*"): PLACES[:2],
    ("pattern", "{root}*:id:1"): PLACES[0::2],
    ("pattern", "{root}[a-c]l?e:*"): PLACES[2:],
    ("pattern", "{root}*"): PLACES,
    ("tags", "{root}of red"): PLACES[:2],
    ("tags", "{root}number 2"): PLACES[1::2],
    ("namespace", "{root}blue"): PLACES[2:],
    ("namespace", "{root}red"): PLACES[:2],
}
"""What is invalidated as a whole, and which places that concerns, written down by hand."""

WEIGHTS: Final = {"get": 20, "compute": 34, "stale": 8, "many": 6, "set": 8, "touch": 3, "key": 10, "scope": 14}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that one walker does."""

    verb: str
    places: tuple[str, ...]
    scope: tuple[str, str]
    pause: float
    """Seconds before it begins."""
    work: float
    """Seconds that a computation takes."""
    patience: float
    """Seconds after which its caller is cancelled."""
    exact: bool
    """Go past what this process remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What each walker of each node does, one step after the other: a function of the seed alone."""

    seed: int
    walkers: tuple[tuple[int, tuple[Step, ...]], ...]
    """(node, steps) of each."""

    @classmethod
    def of(cls, seed: int, *, nodes: int = 3, walkers: int = 2, steps: int = 8) -> Plan:
        """The plan of a seed: `walkers` on each of `nodes`, with `steps` each."""
        chance = random.Random(seed)
        # Some schedules are quick, so that everything overlaps, and some are slow, so that things are over.
        pace = chance.choice((0.0005, 0.001, 0.003))
        return cls(
            seed=seed,
            walkers=tuple(
                (number % nodes, tuple(_step(chance, pace) for _ in range(steps)))
                for number in range(nodes * walkers)
            ),
        )


def _step(chance: random.Random, pace: float) -> Step:
    (verb,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
    return Step(
        verb=verb,
        places=tuple(chance.sample(PLACES, chance.choice((2, 3)) if verb == "many" else 1)),
        scope=chance.choice(list(SCOPES)),
        pause=chance.choice((0.0, chance.random() * pace, chance.random() * pace * 4)),
        work=chance.choice((0.0, chance.random() * pace * 2, chance.random() * pace * 6)),
        patience=chance.random() * pace * 4 if chance.random() < 0.08 else 60.0,
        exact=chance.random() < 0.25,
    )


@dataclass(slots=True, kw_only=True)
class Walk:
    """One node's part of a run: does steps, and writes down what it saw."""

    cache: Cache
    node: int
    root: str
    """Before every key, tag and pattern, so that several runs may share a store."""
    history: History = field(default_factory=History)
    _made: Iterator[int] = field(default_factory=itertools.count)

    async def walk(self, steps: Sequence[Step]) -> None:
        """Do these, in order. What the cache raises comes out."""
        for step in steps:
            await anyio.sleep(step.pause)
            with anyio.move_on_after(step.patience):
                await self._do(step)

    async def look(self) -> None:
        """The quiet pass at the end: nothing stale may have stayed, wherever it is looked for."""
        for place in PLACES:
            key = self.root + place
            await self._compute(place, 0.0)  # first of all what the node remembers
            begun = time.monotonic()
            self._saw(key, begun, await self.cache.get(key))
            await self._compute(place, 0.0, exact=True)

    async def _do(self, step: Step) -> None:
        place, *_ = step.places
        match step.verb:
            case "get":
                begun = time.monotonic()
                self._saw(self.root + place, begun, await self.cache.get(self.root + place))
            case "compute":
                await self._compute(place, step.work, exact=step.exact)
            case "stale":
                await self._compute(place, step.work, exact=step.exact, ttl=0.004, swr=1.0, grace=1.0)
            case "many":
                await self._compute_many(step)
            case "set":
                await self._set(place)
            case "touch":
                await self.cache.touch(self.root + place, 60)
            case "key":
                await self._mutate("invalidate", self.root + place, step.places)
            case _:
                kind, text = step.scope
                await self._mutate(f"invalidate_{kind}", text.format(root=self.root), SCOPES[step.scope])

    async def _compute(self, place: str, work: float, *, exact: bool = False, **options: Any) -> None:
        key = self.root + place

        async def compute() -> str:
            value = self._make(key, time.monotonic())
            await anyio.sleep(work)
            return value

        begun = time.monotonic()
        found = await self.cache.get_or_compute(key, compute, tags=self._tags(place), local=not exact, **options)
        self._saw(key, begun, found, exact=exact)

    async def _compute_many(self, step: Step) -> None:
        # Tags belong to a call: those of the first place stand for all, and are left to it.
        keys = [self.root + place for place in step.places]

        async def compute_many(missing: Sequence[str]) -> dict[str, str]:
            values = {key: self._make(key, time.monotonic()) for key in missing}
            await anyio.sleep(step.work)
            return values

        begun = time.monotonic()
        tags = sorted({tag for place in step.places for tag in self._tags(place)})
        found = await self.cache.get_many_or_compute(keys, compute_many, tags=tags)
        for key, value in found.items():
            self._saw(key, begun, value)

    async def _set(self, place: str) -> None:
        key = self.root + place
        # Until it is known to be stored, nothing makes it stale: it may still arrive.
        value = self._make(key, UNKNOWN)
        begun = time.monotonic()
        if await self.cache.set(key, value, tags=self._tags(place)) is Invalidation.APPLIED:
            ended = time.monotonic()
            self._make(key, ended, value)
            self._did(f"set({place!r})", (place,), begun, ended)

    async def _mutate(self, method: str, what: str, places: tuple[str, ...]) -> None:
        begun = time.monotonic()
        if await getattr(self.cache, method)(what) is Invalidation.APPLIED:
            self._did(f"{method}({what!r})", places, begun, time.monotonic())

    def _make(self, key: str, at: float, value: str | None = None) -> str:
        value = value or f"{key} by {self.node}, {next(self._made)}"
        self.history.productions[value] = Production(value=value, key=key, node=self.node, at=at)
        return value

    def _saw(self, key: str, begun: float, found: object, *, exact: bool = False) -> None:
        if found is not MISSING:
            sight = Sight(value=str(found), key=key, node=self.node, begun=begun, exact=exact)
            self.history.sights.append(sight)

    def _did(self, what: str, places: tuple[str, ...], begun: float, ended: float) -> None:
        keys = tuple(self.root + place for place in places)
        self.history.mutations.append(Mutation(what=what, keys=keys, node=self.node, begun=begun, ended=ended))

    def _tags(self, place: str) -> tuple[str, ...]:
        return tuple(self.root + tag for tag in TAGS[place])


async def run_schedule(caches: Sequence[Cache], plan: Plan, *, settle: float = 0.0) -> History:
    """Run the plan on these nodes, look everywhere `settle` seconds after its end, and return what happened."""
    root = f"s{plan.seed}-{random.SystemRandom().getrandbits(40):x}/"
    walks = [Walk(cache=cache, node=node, root=root) for node, cache in enumerate(caches)]
    async with anyio.create_task_group() as group:
        for node, steps in plan.walkers:
            group.start_soon(walks[node].walk, steps)
    await anyio.sleep(settle)
    for walk in walks:
        await walk.look()
    return History().merge(walk.history for walk in walks)


def chosen_seeds(default: int, offset: int = 0) -> list[int]:
    """The seeds to run: what ``BACKSTAY_SEEDS`` says (``17``, ``17x200`` or ``0:500``), or `default` of them."""
    text = os.environ.get("BACKSTAY_SEEDS", "")
    if not text:
        return list(range(offset, offset + default))
    if ":" in text:
        first, _, last = text.partition(":")
        return list(range(int(first), int(last)))
    seed, _, times = text.partition("x")
    return [int(seed)] * int(times or 1)


class ScheduleSuite:
    """Runs schedules on caches over a backend of yours. Subclass it and say how to open the nodes."""

    backends: ClassVar[tuple[str, ...]] = ("asyncio",)
    """The event loops to run on."""
    schedules: ClassVar[int] = 100
    nodes: ClassVar[int] = 3
    lag: ClassVar[float] = 0.0
    """Seconds by which a node may learn late of another's mutation; see `History.violations`."""
    alone: ClassVar[float] = 0.0
    """How old own computations may be that a node serves; see `History.violations`."""
    at_once: ClassVar[int] = 5
    """Schedules that run side by side: what one node does for one delays it for the others."""
    longest: ClassVar[float] = 20.0
    """Seconds after which a schedule counts as hung. One takes some tens of milliseconds."""

    @abstractmethod
    def open_nodes(self, count: int) -> AbstractAsyncContextManager[Sequence[CacheBackend]]:
        """As many backends on one store, each as another process would have it."""

    @asynccontextmanager
    async def open_caches(self, count: int) -> AsyncGenerator[list[Cache]]:
        """The caches of the nodes. Override it for options of your own."""
        async with self.open_nodes(count) as backends, AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(Cache(backend, defaults=Defaults(jitter=0.0)))
                for backend in backends
            ]

    async def disturb(self) -> None:
        """Runs beside the schedules and is cancelled with the last of them. Override it to cut connections."""

    def test_no_read_sees_what_was_invalidated_before_it_began(self) -> None:
        """Nor what was computed or set before that. Zero of all schedules."""
        for backend in self.backends:
            failed = anyio.run(self.run_all, backend=backend)
            assert not failed, "\n".join(failed)

    async def run_all(self) -> list[str]:
        """Run all schedules. What went wrong, each named by its seed."""
        failed: list[str] = []
        seeds = iter(chosen_seeds(self.schedules))
        # A store of its own for each portion: the log of invalidations stays as short as in real life.
        while portion := list(itertools.islice(seeds, 50)):
            async with self.open_caches(self.nodes) as caches, anyio.create_task_group() as disturbing:
                disturbing.start_soon(self.disturb)
                shared = iter(portion)
                async with anyio.create_task_group() as group:
                    for _ in range(self.at_once):
                        group.start_soon(self._run_some, caches, shared, failed)
                disturbing.cancel_scope.cancel()
        return failed

    async def _run_some(self, caches: Sequence[Cache], seeds: Iterator[int], failed: list[str]) -> None:
        for seed in seeds:
            plan = Plan.of(seed, nodes=len(caches))
            try:
                with anyio.fail_after(self.longest):
                    history = await run_schedule(caches, plan, settle=self.lag)
            except TimeoutError:
                failed.append(f"seed {seed}: hung for {self.longest:g} s")
            except Exception as exc:  # noqa: BLE001 - a cache that raises is a finding as well, and has a seed
                failed.append(f"seed {seed}: raised {exc!r}")
            else:
                failed += [f"seed {seed}: {each}" for each in history.violations(lag=self.lag, alone=self.alone)]
