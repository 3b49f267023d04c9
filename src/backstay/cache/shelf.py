"""Entries on the far tier: looked up and judged, written and weighed. Where bytes become values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from backstay.clock import Clock
from backstay.events import Emitter

from .codecs import Codec
from .envelope import HEAD_BYTES, Doubt, Envelope, fresh_payloads, plain, times_in, unpack
from .events import Doubted
from .far import AWAY, FarTier
from .freshness import Age, age
from .keys import names_of, stored_name
from .request import Label
from .stats import Tally
from .transcode import Decoded, Times, Transcoder

T = TypeVar("T")

_new: Any = getattr(tuple, "__new__")  # noqa: B009 - its type says less than Any does


class Shelf:
    """The far tier with judgement: nothing leaves it that is dead, doubtful or another key's."""

    def __init__(self, far: FarTier, transcoder: Transcoder, tally: Tally, clock: Clock, emit: Emitter) -> None:
        self.far = far
        self.tally = tally
        self._log = far.log
        self._transcoder = transcoder
        self._seals = transcoder.seals
        self._clock = clock
        self._emit = emit

    @property
    def seals(self) -> bool:
        """Whether what is stored is encrypted."""
        return self._seals

    def now_ms(self) -> float:
        """Milliseconds since 1970 by the wall clock: what envelopes are measured against."""
        return self._clock.timestamp() * 1000.0

    async def find_many(
        self, keys: Sequence[str], codec: Codec[T]
    ) -> tuple[list[Decoded[T] | None], Sequence[bytes | None]]:
        """The entries that may be served or renewed, and the bytes that were seen, in one look.

        Raises InvalidKey.
        """
        raws = await self.far.read(names_of(keys))
        if raws is AWAY:
            return [None] * len(keys), [None] * len(keys)
        now = self.now_ms()
        found = [
            None if raw is None else self.judge(key, raw, codec, now) for key, raw in zip(keys, raws, strict=True)
        ]
        return found, raws

    async def fresh_many(self, keys: Sequence[str], codec: Codec[T]) -> dict[str, T]:
        """The fresh values, in one look, and nothing else about them. Raises InvalidKey."""
        raws = await self.far.read(names_of(keys))
        if raws is AWAY:
            return {}
        now = self.now_ms()
        values = self._fresh_plain(keys, raws, codec, now)
        if len(values) < len(keys):  # something is not there, or not the usual
            for key, raw in zip(keys, raws, strict=True):
                if raw is not None and key not in values:
                    found = self.judge(key, raw, codec, now)
                    if found is not None and now < found.fresh_until:
                        values[key] = found.value
        return values

    def _fresh_plain(
        self, keys: Sequence[str], raws: Sequence[bytes | None], codec: Codec[T], now_ms: float
    ) -> dict[str, T]:
        if self._seals:
            return {}
        payloads = fresh_payloads(keys, raws, codec.number, now_ms=now_ms, log=self._log)
        try:
            return dict(zip(payloads, map(codec.decode, payloads.values()), strict=True))
        except Exception:  # noqa: BLE001 - one of them does not decode: a closer look at each finds out which
            return {}

    async def fetch(self, key: str) -> bytes | None:
        """The bytes under one key; None if there are none, or the backend is away. `FarTier.look` is faster."""
        raws = await self.far.read([stored_name(key)])
        return None if raws is AWAY else raws[0]

    def judge(self, key: str, raw: bytes, codec: Codec[T], now_ms: float) -> Decoded[T] | None:
        """What the bytes say, if they are this key's and nothing that is known has invalidated them."""
        start = plain(raw, key, codec.number)
        if not start or self._seals:
            return self._judge_closely(key, raw, codec, now_ms)
        _, epoch, fresh, dead, cost = times_in(raw)
        if now_ms >= dead or (epoch < self._log.latest and self._log.newest(key, (), epoch)):
            return None
        payload = raw[start:]
        try:
            value = codec.decode(payload)
        except Exception:  # noqa: BLE001 - an application's codec may raise anything; doubt is a miss
            self._doubt(key, Doubt.UNDECODABLE)
            return None
        # As Decoded(...) would, without its detour: this line runs for every hit.
        decoded: Decoded[T] = _new(Decoded, (value, epoch, fresh, dead, cost, (), len(raw), payload))
        return decoded

    def _judge_closely(self, key: str, raw: bytes, codec: Codec[T], now_ms: float) -> Decoded[T] | None:
        """The same for what is not the usual: tagged, compressed or sealed, or in doubt."""
        envelope = unpack(raw, key)
        if isinstance(envelope, Doubt):
            self._doubt(key, envelope)
            return None
        if now_ms >= envelope.dead_after or self._log.newest(key, envelope.tags, envelope.epoch):
            return None
        decoded = self._transcoder.read(envelope, raw, codec)
        if isinstance(decoded, Doubt):
            self._doubt(key, decoded)
            return None
        return decoded

    def peek(self, key: str, raw: bytes | None) -> Envelope | None:
        """The envelope, under the same conditions, its payload not looked into."""
        if raw is None:
            return None
        envelope = unpack(raw, key)
        if isinstance(envelope, Doubt):
            self._doubt(key, envelope)
            return None
        if self.invalidated(key, envelope) or self.age_of(envelope) is Age.DEAD:
            return None
        return envelope

    def invalidated(self, key: str, entry: Envelope | Decoded[Any]) -> bool:
        """Whether a scope that is known of was invalidated after the entry's computation began."""
        return self._log.newest(key, entry.tags, entry.epoch) > 0

    def age_of(self, entry: Envelope | Decoded[Any], beta: float = 0.0) -> Age:
        """How old an entry is; see `freshness.age`."""
        return age(self.now_ms(), entry.fresh_until, entry.dead_after, cost=entry.cost, beta=beta)

    def write(
        self,
        key: str,
        value: T,
        label: Label[T],
        *,
        ttl: float,
        epoch: int,
        kept: float | None = None,
        cost: float = 0.0,
    ) -> bytes:
        """The bytes to store for a value that is fresh for `ttl` seconds and kept for `kept` (at least ttl).

        `epoch` is the newest one known when the value began to be made, `cost` the seconds that took. Raises
        EncodingError, ValueTooLarge or SealingRequired, as `Transcoder.write`.
        """
        now = self._clock.timestamp() * 1000.0
        fresh, dead = int(now + ttl * 1000.0), int(now + (ttl if kept is None else kept) * 1000.0)
        times: Times = _new(Times, (epoch, fresh, dead, int(cost * 1_000_000)))
        return self._transcoder.write(key, value, label.codec, times, label.tags, sensitive=label.sensitive)

    def rewrite(self, envelope: Envelope, ttl: float) -> bytes | None:
        """The same entry with a new ttl from now on. Its epoch stays: what kills it later still does."""
        return self._transcoder.rewrite(envelope, int(self.now_ms() + ttl * 1000.0))

    async def put(self, entries: Mapping[str, bytes | None], ttl: float = 0.0) -> bool:
        """Store or remove by key. False: not done, owed."""
        return await self.far.put({stored_name(key): raw for key, raw in entries.items()}, ttl=ttl)

    def _doubt(self, key: str, doubt: Doubt) -> None:
        self.tally.of(key).doubted += 1
        self._emit(Doubted(key=key, doubt=doubt.value))


def head(raw: bytes | None) -> bytes:
    """What a reader hands to `acquire` as "I have seen this"."""
    return raw[:HEAD_BYTES] if raw is not None else b""
