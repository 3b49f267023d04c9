"""What a cache backend is: the one Protocol that every store implements, and the values that cross it.

Bytes go in and come out; nothing here knows of Python objects, codecs or freshness. Three ideas carry the
laws of the cache, and a backend's whole duty is to keep them:

* **An entry and its lease are one thing.** Whoever wants to fill a key asks for its lease with a token of
  their own; `fill` stores only while the lease still holds that token; `put` voids the lease. So a
  computation that began before an invalidation can never store after it.
* **A scope invalidation is a record, not a search.** `bump` writes down "everything matching this, begun
  before now, is dead" and touches no entry. Readers compare.
* **Every read names the log.** `read` answers with the values *and* the records that the caller does not know
  yet, and the records are at least as new as the values.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, runtime_checkable

from backstay.errors import CacheUnavailable


class Reading(NamedTuple):
    """What one look at the backend found."""

    values: Sequence[bytes | None]
    """One per key asked for, in that order; None where nothing is stored."""
    epoch: int
    """The newest epoch of the log, in microseconds."""
    records: Sequence[tuple[str, int]]
    """The (scope, epoch) pairs newer than what the caller knew; the whole log if the caller's was lost."""


class Hit(NamedTuple):
    """Somebody filled the key since the caller looked."""

    value: bytes


class Granted(NamedTuple):
    """The lease is the caller's: compute, then `fill`."""


class Busy(NamedTuple):
    """Somebody else holds the lease."""

    token: str
    """Whose it is."""
    left: float
    """Seconds until it ends unless renewed."""


Acquired = Hit | Granted | Busy


class CacheBackend(Protocol):
    """Bytes under keys with an expiry, a lease beside each key, and a log of scope invalidations.

    Keys are any non-empty text of up to 1,024 bytes in UTF-8. Scopes are what `backstay.cache.scopes` makes;
    a backend stores them and does not read them, except for `FLOOR`.

    Not promised: that a value lives as long as its ttl (a backend may evict, but never a record of the log
    without raising the floor); that two keys written in one call are seen together; that anything survives
    a restart.

    Every method raises `CacheUnavailable` when the store cannot be reached or does not answer within the backend's
    own budget, and then whether the operation happened is unknown. A cancelled call may or may not have happened;
    it never disturbs another caller's.
    """

    async def read(self, keys: Sequence[str], /, *, since: int) -> Reading:
        """Look at the keys and the log in one step.

        `since` is the newest epoch the caller knows. A log that was lost, or whose epoch went backwards,
        answers with a `FLOOR` record newer than everything stored before the loss.
        """
        ...

    async def acquire(
        self, key: str, token: str, /, *, epoch: int, floor: int, lease: float, seen: bytes
    ) -> Acquired:
        """Ask for the lease of a key, in one atomic step.

        * An entry whose first 32 bytes are not `seen` was filled since the caller looked: `Hit`.
        * A lease held by another token that began at an epoch of at least `floor`: `Busy`.
        * Otherwise the lease becomes the caller's for `lease` seconds: `Granted`.

        `epoch` is the newest epoch the caller knew before it asked, and is remembered with the lease.
        """
        ...

    async def hold(self, key: str, token: str, /, *, lease: float) -> bool:
        """Let the lease last `lease` seconds from now, or end it (0), if it still holds `token`.

        False, and nothing is changed, if it does not: a lease that was voided never comes back.
        """
        ...

    async def fill(self, key: str, token: str, value: bytes, /, *, ttl: float) -> bool:
        """Store the value for `ttl` seconds and end the lease, if the lease still holds `token`.

        False, and nothing is changed, if it does not.
        """
        ...

    async def put(self, entries: Mapping[str, bytes | None], /, *, ttl: float) -> None:
        """Store each value for `ttl` seconds, or remove it (None), and void its lease.

        One atomic step per key. Removing what is not there is no error.
        """
        ...

    async def bump(self, scopes: Sequence[str], /) -> int:
        """Write one record per scope at a new epoch, newer than every epoch ever given out; return it."""
        ...


class Audience(Protocol):
    """Who is told of changes without asking. A push has one meaning: forget the key, wake who waits for it.

    May be called from any thread, at any time; returns quickly and raises nothing.
    """

    def changed(self, key: str, /) -> None:
        """The entry under the key, or its lease, is not what it was."""
        ...

    def news(self, epoch: int, records: Sequence[tuple[str, int]], /) -> None:
        """The log has these records, and is at this epoch."""
        ...

    def freed(self, name: str, /) -> None:
        """The lock of this name is not whose it was, or for how long it was."""
        ...

    def lost(self) -> None:
        """Something may have happened that was not told: nothing that is remembered can be trusted."""
        ...

    def back(self) -> None:
        """After `lost`: the backend can be asked again."""
        ...


class Trust:
    """Until when silence means that nothing happened. A place to look at, not to ask: hits do so."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until = until
        """Monotonic seconds; 0 while nothing is heard."""


@runtime_checkable
class Attentive(Protocol):
    """A backend that hears of changes: an ability of its own, not part of `CacheBackend`.

    Told to an audience: every change of an entry or a lease that this process has read since it last changed, by
    whomever, and every record of the log. What the process did itself is told before the call that did it
    returns, and also if that call was cancelled. `lost` is told before anything is read again.
    """

    @property
    def trust(self) -> Trust:
        """Always the same object: until then, what was told is all that happened."""
        ...

    def attend(self, audience: Audience, /) -> Callable[[], None]:
        """Tell this audience from now on. Returns what ends that."""
        ...


class Claim(NamedTuple):
    """What `CacheBackend.acquire` is asked for; the fields are its parameters."""

    key: str
    token: str
    epoch: int
    floor: int
    lease: float
    seen: bytes


@runtime_checkable
class Prompt(Protocol):
    """A backend that can be asked about one key without a coroutine in between: the fast way of a hit and a miss.

    It fails with CacheUnavailable also where `CacheBackend` would have waited for a connection first.
    """

    def look(self, key: str, /) -> Awaitable[bytes | None]:
        """Like `read` of one key. News of the log are told to the audience before the answer is given."""
        ...

    def acquire_then(self, claim: Claim, then: Callable[[Acquired | CacheUnavailable], None], /) -> None:
        """Like `acquire`, but `then` is told the answer: once, in the caller's event loop, after this has returned.

        Neither raises: what went wrong is told as well. `then` returns quickly.
        """
        ...

    def fill_then(
        self, key: str, token: str, value: bytes, then: Callable[[bool | CacheUnavailable], None], /, *, ttl: float
    ) -> None:
        """Like `fill`; with `then` as above."""
        ...


class Held(NamedTuple):
    """A lock is the caller's."""

    fence: int
    """Grows with every acquisition of this name by anyone; hand it to what the lock protects."""


HAND_OVER: Final = 1.0
"""Seconds for which a lock that was given back is kept for the first who waits for it."""


class LockBackend(Protocol):
    """Named locks with a lease and a fencing number: an ability of its own, not part of `CacheBackend`.

    Not promised: mutual exclusion beyond the lease, or across a failover of the store. Correctness rests on
    the fencing number (Kleppmann 2016), which the protected resource must compare.
    """

    async def lock(self, name: str, token: str, /, *, lease: float, queue: bool = False) -> Held | Busy:
        """Take the lock for `lease` seconds, or renew it if `token` holds it (the fence stays the same).

        With `queue`, a token that is told `Busy` has a place among those who wait.
        """
        ...

    async def unlock(self, name: str, token: str, /) -> bool:
        """Give the lock back, or a place in its queue. False if `token` no longer held the lock.

        A lock that is given back while tokens wait is the first one's for `HAND_OVER` seconds, within which it has
        to ask again; so who waits longest is next, and one that died costs the others no more than that.
        """
        ...
