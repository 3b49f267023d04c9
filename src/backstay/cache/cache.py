"""The cache as a caller sees it.

The way of a value: ``key → backend → bytes → envelope → codec → object``; on a miss ``compute → codec →
envelope → bytes → backend``. `Cache` is the calls; `Settler` decides by age; `Shelf` judges bytes; `Filler` owns
the miss path; `FarTier` stands between them and a backend that may be away.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final, Self, TypeVar, Unpack, overload

from backstay.clock import Clock, SystemClock
from backstay.errors import CacheUnavailable, InvalidKey, NotConfiguredError
from backstay.events import Emitter, Listener
from backstay.tasks import TaskOwner

from . import scopes
from .advice import Advice, advise
from .codecs import Codec, codec_for
from .computation import visible
from .far import AWAY, FarTier, Patience
from .filler import COLD, Filler
from .freshness import Age, Defaults, Ttl, seconds
from .globs import matcher
from .invalidating import Invalidator
from .keys import check_key, stored_name
from .local import LocalEntry
from .locks import Lease, Locks
from .near import Local
from .protocol import CacheBackend, LockBackend, Trust
from .request import Compute, Label, Options, Plan, Plans, Request, check_tags
from .results import MISSING, Entry, Invalidation, Missing
from .settling import Settler
from .shelf import Shelf, head
from .stats import CacheStats, Tally
from .together import ComputeMany, Together
from .transcode import Decoded, Transcoder
from .warming import WarmItem, WarmReport, warm_all

T = TypeVar("T")
D = TypeVar("D")


_MOST_KEYS: Final = 1000
_LOCAL: Final = Local()


class Cache:
    """Values under keys, computed once, never staler than the last invalidation.

    Use it as ``async with Cache(backend) as cache``: leaving the block ends its background work. One Cache
    belongs to one event loop; a backend may serve several.
    """

    def __init__(
        self,
        backend: CacheBackend,
        *,
        locks: LockBackend | None = None,
        defaults: Defaults | None = None,
        transcoder: Transcoder | None = None,
        patience: Patience | None = None,
        local: Local | None = _LOCAL,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        """Put a cache in front of a backend.

        Args:
            backend: where bytes are kept.
            locks: what `lock` works on; often the same object as `backend`.
            defaults: ttl, grace and the like for calls that do not say.
            transcoder: compression, sealing and size limits.
            patience: how long to bear with a failing backend.
            local: what this process keeps in front of a backend that hears of changes; None keeps nothing.
            listeners: told of what happens; see `backstay.cache.events`.
            clock: where time comes from.
        """
        self._clock: Clock = clock or SystemClock()
        self._monotonic = self._clock.monotonic
        self._defaults = defaults or Defaults()
        self._emit = Emitter(listeners)
        self._owner = TaskOwner()
        self._tally = Tally()
        self._far = FarTier(backend, self._clock, self._emit, patience or Patience(), local)
        self._near = self._far.near
        self._kept: dict[str, LocalEntry] = {} if self._near is None else self._near.entries
        self._trust = Trust(0.0) if self._near is None else self._near.trust
        self._log = self._far.log
        self._plans = Plans(self._defaults)
        self._shelf = Shelf(self._far, transcoder or Transcoder(), self._tally, self._clock, self._emit)
        self._filler = Filler(self._shelf, self._owner, self._clock, self._emit)
        self._settler = Settler(self._shelf, self._filler)
        self._invalidator = Invalidator(self._shelf, self._filler, self._tally, self._emit)
        self._locks = Locks(locks, self._owner, self._clock, self._emit) if locks is not None else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End background work and wait for it. Calls made later compute and store nothing."""
        self._far.close()
        if self._locks is not None:
            self._locks.close()
        self._filler.close()
        await self._owner.aclose()

    def get_or_compute(
        self, key: str, compute_func: Compute[T], ttl: Ttl | None = None, **options: Unpack[Options[T]]
    ) -> Coroutine[Any, Any, T]:
        """The cached value, or what `compute_func` returns, which is then cached. To be awaited.

        However many callers ask at once, one computation runs. It belongs to the cache: cancelling a caller
        cancels only that caller. An error of the computation reaches all who wait and is not cached. A
        backend that is away is an event and never an error.

        Args:
            key: from `cache_key`, or any text.
            compute_func: an async function without arguments, or a quick sync one.
            ttl: fresh for this long; the cache's default if not given.
            **options: see `Options`.

        Raises:
            InvalidKey: the key or a tag breaks the rules.
            ConfigError: a duration makes no sense.
            ComputeTimeout: the hard timeout passed.
        """
        return self.served(key, compute_func, ttl, options)

    async def served(self, key: str, compute_func: Compute[T], ttl: Ttl | None, options: Options[T]) -> T:
        """`get_or_compute`, given the options as a mapping: to spread them out once more costs every hit."""
        kept = self._kept.get(key)
        if kept is not None and not options:
            # The way of most hits, spelt out: nothing is awaited, and nothing called but the clock.
            now = self._monotonic()
            if now < kept.plain_until and now < self._trust.until and kept.checked == self._log.epoch:
                kept.used = now
                kept.counts.hits += 1
                remembered: T = kept.value
                return remembered
        plan = self._plans.of(ttl, options)
        near = self._near if plan.local else None
        if kept is not None and near is not None and not plan.refresh:
            served: T | Missing = near.serve(key, kept, plan.label.codec)
            if served is not MISSING:
                return served
        ticket = near.ticket() if near is not None else 0
        filler = self._filler
        if filler.absent >= COLD and (claimed := await self._claim(key, compute_func, plan)) is not MISSING:
            return claimed
        try:
            raw = await (self._far.look(stored_name(check_key(key))) or self._shelf.fetch(key))
        except CacheUnavailable:
            raw = await self._shelf.fetch(key)  # the slow way finds out what is wrong, and tells
        filler.absent = 0 if raw is not None else filler.absent + 1
        now, counts = self._clock.timestamp() * 1000.0, self._tally.of(key)
        found = None if raw is None else self._shelf.judge(key, raw, plan.label.codec, now)
        if found is None or plan.refresh or now + found.cost * plan.widest_draw >= found.fresh_until:
            request = Request(key, compute_func, plan, counts, found)
            seen = head(raw)
            if found is not None and self._settler.serves(request, found, seen, now):
                return found.value
            return await self._settler.obtain(request, found, seen)
        counts.hits += 1
        if near is not None:
            near.keep(key, found, plan.label.codec, counts=counts, ticket=ticket, now_ms=now)
        return found.value

    def _claim(self, key: str, compute_func: Compute[T], plan: Plan[T]) -> Coroutine[Any, Any, T | Missing]:
        """What a cold cache does without a look: it asks for the lease at once, and computes if that is granted.

        MISSING if it is not, or cannot be asked for like that; then look.
        """
        if not (plan.patient and self._far.in_touch):
            return _nothing()
        return self._filler.claim(Request(check_key(key), compute_func, plan, self._tally.of(key)))

    @overload
    async def get(self, key: str) -> Any: ...

    @overload
    async def get(self, key: str, *, codec: Codec[T] | type[T]) -> T | Missing: ...

    @overload
    async def get(self, key: str, default: D, *, codec: Codec[T] | type[T]) -> T | D: ...

    @overload
    async def get(self, key: str, default: Any) -> Any: ...

    async def get(self, key: str, default: Any = MISSING, *, codec: Codec[Any] | type[Any] | None = None) -> Any:
        """The cached value if it is fresh; else `default`, which is `MISSING` unless given."""
        found = await self.get_many([key], codec=codec)
        return found.get(key, default)

    async def get_entry(self, key: str, *, codec: Codec[T] | type[T] | None = None) -> Entry[T] | None:
        """The cached value with its age and tags, even if stale but within grace. Counts as no look-up."""
        (found,), _ = await self._shelf.find_many([check_key(key)], codec_for(codec))
        if found is None:
            return None
        left = (found.fresh_until - self._shelf.now_ms()) / 1000.0
        return Entry(found.value, left > 0, left, visible(found.tags), found.cost / 1_000_000)

    async def exists(self, key: str) -> bool:
        """Whether a fresh value is cached, whatever its codec. Counts as no look-up."""
        raws = await self._far.read([stored_name(check_key(key))])
        envelope = None if raws is AWAY else self._shelf.peek(key, raws[0])
        return envelope is not None and self._shelf.age_of(envelope) is Age.FRESH

    async def set(
        self,
        key: str,
        value: T,
        ttl: Ttl | None = None,
        *,
        codec: Codec[T] | type[T] | None = None,
        tags: Sequence[str] = (),
        sensitive: bool = False,
    ) -> Invalidation:
        """Store a value, and void every computation for the key that began before.

        `QUEUED` means: not stored; the key will be invalidated once the backend is back.

        Raises:
            EncodingError, ValueTooLarge, SealingRequired: the value cannot be stored like this.
        """
        return await self.set_many({key: value}, ttl, codec=codec, tags=tags, sensitive=sensitive)

    async def set_many(
        self,
        values: Mapping[str, T],
        ttl: Ttl | None = None,
        *,
        codec: Codec[T] | type[T] | None = None,
        tags: Sequence[str] = (),
        sensitive: bool = False,
    ) -> Invalidation:
        """Store several values with one ttl. Each key is atomic; all together are not."""
        lifetime = self._defaults.lifetime(ttl, early=0.0)
        _few(list(values))
        # What is set now is newer than every invalidation so far, also those not heard of yet.
        await self._far.read(())
        label = Label(codec_for(codec), check_tags(tags), sensitive)
        raws = {
            key: self._shelf.write(check_key(key), value, label, ttl=lifetime.ttl, epoch=self._far.log.epoch)
            for key, value in values.items()
        }
        return await self._invalidator.replace(raws, lifetime.ttl)

    async def get_many(
        self, keys: Sequence[str], *, codec: Codec[T] | type[T] | None = None, local: bool = True
    ) -> dict[str, T]:
        """The fresh values of those keys that have one, in one look. At most 1,000 keys.

        `local=False` asks the backend for all of them, whatever this process remembers.
        """
        reader, near = codec_for(codec), self._near if local else None
        values: dict[str, T]
        if near is None:
            values = await self._shelf.fresh_many(_few(keys), reader)
            self._tally.looked_up(keys, values)
            return values
        values = near.get_many(_few(keys), reader)
        wanted = [key for key in keys if key not in values] if values else keys
        if wanted:
            ticket = near.ticket()
            found, _ = await self._shelf.find_many(wanted, reader)
            now = self._shelf.now_ms()
            for key, each in zip(wanted, found, strict=True):
                value = self._value_or(key, each, MISSING)
                if each is not None and value is not MISSING:
                    values[key] = each.value
                    near.keep(key, each, reader, counts=self._tally.of(key), ticket=ticket, now_ms=now)
        return values

    async def get_many_or_compute(
        self,
        keys: Sequence[str],
        compute_many: ComputeMany[T],
        ttl: Ttl | None = None,
        *,
        codec: Codec[T] | type[T] | None = None,
        tags: Sequence[str] = (),
    ) -> dict[str, T]:
        """The values of the keys, in one look, with one computation for all that are missing.

        `compute_many` is given the keys that nobody else is computing already, and answers with a mapping; a key
        that is not in it has no value, here as there. If it raises, so does this.
        """
        wanted = list(dict.fromkeys(check_key(key) for key in _few(keys)))
        label: Label[Any] = Label(codec_for(codec), check_tags(tags))
        found, seen = await self._shelf.find_many(wanted, label.codec)
        values = {key: self._value_or(key, each, MISSING) for key, each in zip(wanted, found, strict=True)}
        missing = {key: head(raw) for key, raw in zip(wanted, seen, strict=True) if values[key] is MISSING}
        together = Together(compute_many, len(missing))
        lifetime = self._defaults.lifetime(ttl, early=0.0)
        plan: Plan[Any] = Plan(label=label, lifetime=lifetime, lease=self._defaults.lease, cache_if=_is_there)
        requests = [Request(key, partial(together.value, key), plan, self._tally.of(key)) for key in missing]
        try:
            values |= await self._filler.obtain_many(requests, missing, together.decided)
        finally:
            together.no_more()  # also when cancelled: others may be aboard
        return {key: value for key, value in values.items() if value is not MISSING}

    async def touch(self, key: str, ttl: Ttl | None = None) -> bool:
        """Give a fresh value a new ttl, counted from now. False if there is none, or it changed meanwhile."""
        return await self._filler.touch(
            check_key(key), self._defaults.lifetime(ttl, early=0.0, jitter=0.0), self._defaults.lease
        )

    async def invalidate(self, *keys: str) -> Invalidation:
        """Forget these keys, and void every computation for them that is under way anywhere."""
        return await self._invalidator.replace({check_key(key): None for key in _few(keys)}, 0.0)

    async def invalidate_pattern(self, pattern: str) -> Invalidation:
        r"""Invalidate every key that matches a glob, at the same cost for any number of keys.

        ``*`` any run, ``?`` one character, ``[a-z]`` classes, ``\`` quotes. Build patterns that hold values
        with `key_pattern`.
        """
        return await self._invalidator.scopes([scopes.pattern_scope(pattern)], matcher(pattern))

    async def invalidate_namespace(self, namespace: str) -> Invalidation:
        """Invalidate all keys of a namespace: what `cache_key` makes with it as the first argument."""
        glob = scopes.namespace_scope(namespace)
        return await self._invalidator.scopes([glob], matcher(glob[1:]))

    async def invalidate_tags(self, *tags: str) -> Invalidation:
        """Invalidate every entry that carries one of the tags."""
        wanted = check_tags(tags)
        return await self._invalidator.scopes([scopes.tag_scope(tag) for tag in wanted], None, wanted)

    async def warm(
        self,
        items: Iterable[WarmItem],
        *,
        concurrency: int = 8,
        rate: float | None = None,
        on_progress: Callable[[WarmReport], None] | None = None,
    ) -> WarmReport:
        """Compute what is missing ahead of its use, `concurrency` at a time and at most `rate` per second.

        Items are taken one by one as there is room, so a generator may be endless in memory. An item that
        fails is reported and stops nothing. `on_progress` is called after each item.
        """

        async def ready(item: WarmItem) -> None:
            await self.get_or_compute(item.key, item.compute, item.ttl, codec=item.codec, tags=item.tags)

        return await warm_all(
            ready, items, concurrency=concurrency, rate=rate, clock=self._clock, on_progress=on_progress
        )

    def lock(self, name: str, *, lease: Ttl = 10.0, wait: Ttl | None = None) -> AbstractAsyncContextManager[Lease]:
        """Hold a named lock for a block; see `Locks.hold`, and the module for what a lock cannot promise."""
        if self._locks is None:
            raise NotConfiguredError("this cache was given no locks: Cache(backend, locks=backend)")
        waiting = None if wait is None else seconds(wait, "wait", zero=True)
        return self._locks.hold(name, lease=seconds(lease, "lease"), wait=waiting)

    def advise(self, ttl: Ttl | None = None, **options: Unpack[Options[Any]]) -> tuple[Advice, ...]:
        """Known mistakes in the options of a call; nothing is computed. Raises as `get_or_compute` would."""
        return advise(self._plans.of(ttl, options), seals=self._shelf.seals)

    def stats(self) -> CacheStats:
        """What happened in each namespace, in this process and since this cache was made."""
        return self._tally.snapshot(available=self._far.available, queued=self._far.owed)

    def _value_or(self, key: str, found: Decoded[T] | None, default: D) -> T | D:
        counts = self._tally.of(key)
        if found is None or self._shelf.age_of(found) is not Age.FRESH:
            counts.misses += 1
            return default
        counts.hits += 1
        return found.value


def _few(keys: Sequence[str]) -> Sequence[str]:
    if len(keys) > _MOST_KEYS:
        raise InvalidKey(f"at most {_MOST_KEYS} keys in one call, not {len(keys)}: ask in portions")
    return keys


def _is_there(value: object) -> bool:
    return value is not MISSING


async def _nothing() -> Missing:
    return MISSING
