"""A Redis Cluster as one `Port`: a link to each primary, and each command to the node that has its keys.

What a turn of the loop reads goes out in one write for each node, the epoch of the log beside it. A reader hears of
changes only while every link is up and the map of the slots is known to be the one that these links were laid by:
a key whose slot moves away in silence would else be trusted where nobody is told of it any more.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from backstay.cache.protocol import Trust
from backstay.clock import Clock
from backstay.errors import CacheRefused, CacheUnavailable, MissingExtraError
from backstay.tasks import TaskOwner

from .cluster_map import Address, ClusterMap, ClusterWay, slot_of
from .gather import Gathering, Part
from .link import HEARTBEAT, TRUST, Link
from .names import encode
from .port import Deliver, Ears, Port

try:
    from hiredis import ReplyError
except ImportError as exc:
    raise MissingExtraError("redis", "backstay.cache.redis") from exc

_SOON: Final = 0.1  # seconds between two looks at a map that is in doubt
_PING: Final = (b"PING",)
_AWAY: Final = "the node of the Redis Cluster that has the key is away"
_MOST_ROUTES: Final = 8192


async def _slots_by(address: Address, link: Link) -> ClusterMap | None:
    """The map of a node that is linked; None if it does not tell."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    try:
        link.send((b"CLUSTER", b"SLOTS"), lambda reply: None if told.done() else told.set_result(reply))
        return ClusterMap(await told, address)
    except (CacheUnavailable, TypeError, ValueError, LookupError):  # away, or no such answer
        return None


def _put_one(gathering: Gathering, place: int, answer: Any) -> None:
    # Of what cannot be had nothing is known, and that is no more than that nothing is there.
    gathering.put([place], [None if isinstance(answer, CacheUnavailable) else answer])


class _NodeEars:
    """What one link hears, passed on; and its share of the trust."""

    def __init__(self, cluster: ClusterPort) -> None:
        self._cluster = cluster
        self.trust: Trust = _Share(cluster)

    def up(self) -> None:
        self._cluster.node_up()

    def down(self) -> None:
        self._cluster.node_down()

    def pushed(self, names: Sequence[bytes] | None) -> None:
        self._cluster.ears.pushed(names)


class _Share(Trust):
    """A link's trust: whatever changes it changes the trust in the whole."""

    __slots__ = ("_cluster", "_until")

    def __init__(self, cluster: ClusterPort) -> None:
        self._cluster = cluster
        self._until = 0.0

    @property
    def until(self) -> float:
        return self._until

    @until.setter
    def until(self, until: float) -> None:
        self._until = until
        self._cluster.judge_trust()


class ClusterPort:
    """A `Port` over links of its own, one to each primary."""

    def __init__(
        self,
        way: ClusterWay,
        owner: TaskOwner,
        clock: Clock,
        ears: Ears,
        *,
        budget: float,
        log: bytes,
        heartbeat: tuple[Any, ...],
    ) -> None:
        """`log` is the key that `heartbeat` asks for: the node that has it is sent that, and the others a PING."""
        self.ears = ears
        self.spans_slots: Final = False
        self._way = way
        self._owner = owner
        self._clock = clock
        self._budget = budget
        self._log_slot = slot_of(log)
        self._heartbeat = heartbeat
        self._map: ClusterMap | None = None
        self._mapped_until = 0.0
        self._trouble = "no node has answered"
        self._links: dict[Address, tuple[Link, _NodeEars]] = {}
        self._owners: list[Link | None] = []
        self._routes: dict[bytes, tuple[Link | None, bytes]] = {}
        self._turns = itertools.count()
        self._started = False
        self._tried = asyncio.Event()
        self._doubt = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether any node can be asked."""
        return any(link.up for link, _ in self._links.values())

    async def ready(self) -> None:
        """Come back once a node is up. The first attempt is waited for, a budget long."""
        if not self._started and not self._owner.closed:
            self._started = True
            self._owner.start(self._supervise, "backstay redis cluster")
        if self._started and not self._tried.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._budget):
                    await self._tried.wait()
        if not self.up:
            raise CacheUnavailable(f"there is no connection to the Redis Cluster: {self._trouble}")

    def send(self, command: tuple[Any, ...], deliver: Deliver) -> None:
        """Send one command to the node that has its first key."""
        key = command[3] if command[0] == b"EVALSHA" else command[1]
        link = self._owner_of(key)
        link.send(command, partial(self._answered, link, command, deliver))

    def read(self, names: Sequence[bytes | str], deliver: Deliver) -> None:
        """Ask every node for what it has of these, in one write each. Of a node that is away, nothing is there."""
        parts: dict[Link | None, Part] = {}
        for place, each in enumerate(names):
            name = encode(each) if isinstance(each, str) else each
            link, packed = self._routes.get(name) or self._route(name)
            part = parts.get(link)
            if part is None:
                part = parts[link] = Part()
            part.places.append(place)
            part.names.append(name)
            part.packed.append(packed)
        gathering = Gathering(len(names), len(parts), deliver)
        for link, part in parts.items():
            if link is None or not self._ask_part(link, part, gathering):
                gathering.put(part.places, [None] * len(part.places))

    def _ask_part(self, link: Link, part: Part, gathering: Gathering) -> bool:
        """Whether the node could be asked."""
        answers = part.answers

        def last(reply: Any) -> None:
            answers.append(reply)
            if part.usual:
                gathering.put(part.places, answers)
            else:
                self._judge_part(link, part, gathering)

        try:
            link.send_many(part.packed, answers.append, last)
        except CacheUnavailable:
            return False
        return True

    def _judge_part(self, link: Link, part: Part, gathering: Gathering) -> None:
        """Some answers are none: each is judged, and asked for elsewhere where that is what it says."""
        inner = Gathering(len(part.places), len(part.places), partial(gathering.put, part.places))
        for number, (name, answer) in enumerate(zip(part.names, part.answers, strict=True)):
            self._answered(link, (b"GET", name), partial(_put_one, inner, number), answer)

    def _route(self, name: bytes) -> tuple[Link | None, bytes]:
        """Which link a key's value is asked over, and how. Remembered: hot keys are asked for all the time."""
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        packed = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name)
        route = self._routes[name] = (self._owners[slot_of(name)] if self._owners else None, packed)
        return route

    def flush(self) -> None:
        """Write now."""
        for link, _ in self._links.values():
            link.flush()

    def failure(self, error: Exception) -> CacheUnavailable:
        """What is delivered here has been judged already, by the link that it came over."""
        if isinstance(error, CacheUnavailable):
            return error
        return CacheUnavailable(f"Redis did not serve the request ({type(error).__name__})")

    def close(self) -> None:
        """Hang up everywhere."""
        for link, _ in self._links.values():
            link.close()

    # What the links tell.

    def node_up(self) -> None:
        """One link is up: a new stream begins, once it is the last that was missing."""
        if self._whole:
            self.ears.up()

    def node_down(self) -> None:
        """One link is down: from now on not everything is heard, and its node may have lost its place."""
        self._doubt.set()
        self.ears.down()

    def judge_trust(self) -> None:
        """Silence means as much as it does on the link that was heard last the longest ago."""
        shares = [ears.trust.until for _, ears in self._links.values()]
        self.ears.trust.until = min(self._mapped_until, *shares) if shares and self._whole else 0.0

    @property
    def _whole(self) -> bool:
        return bool(self._links) and all(link.up for link, _ in self._links.values())

    # Whom to ask.

    def _owner_of(self, key: bytes) -> Link:
        link = self._owners[slot_of(key)] if self._owners else None
        if link is None or not link.up:
            # Of this key only: the others' nodes serve.
            raise CacheRefused(_AWAY)
        return link

    def _answered(self, link: Link, command: tuple[Any, ...], deliver: Deliver, reply: Any) -> None:
        if not isinstance(reply, Exception):
            deliver(reply)
            return
        kind, _, place = str(reply).partition(" ")
        if isinstance(reply, ReplyError) and kind in {"MOVED", "ASK"}:
            self._redirected(link, command, deliver, place.rpartition(" ")[2], ask=kind == "ASK")
        elif isinstance(reply, ReplyError) and kind == "WRONGTYPE" and command[0] == b"GET":
            deliver(None)  # as MGET would answer
        elif isinstance(reply, ReplyError) and kind == "CLUSTERDOWN":
            self._doubt.set()
            deliver(CacheRefused("the Redis Cluster does not serve the key's slot"))
        else:
            deliver(link.failure(reply))

    def _redirected(
        self, told_by: Link, command: tuple[Any, ...], deliver: Deliver, place: str, *, ask: bool
    ) -> None:
        """Follow once. A slot that has moved for good puts the map in doubt."""
        host, _, port = place.rpartition(":")
        if not host:  # a node that does not know its own name, nor the others': the one that answered
            host = next((address.host for address, (link, _) in self._links.items() if link is told_by), "")
        known = self._links.get(Address(host.strip("[]"), int(port)))
        if not ask:
            self._doubt.set()
            self._mapped_until = 0.0
            self.judge_trust()
        if known is None or not known[0].up:
            deliver(CacheRefused("the key's slot has moved to a node that is not known yet"))
            return
        link = known[0]

        def judged(reply: Any) -> None:
            if isinstance(reply, ReplyError) and str(reply).startswith(("MOVED", "ASK", "TRYAGAIN")):
                deliver(CacheRefused("the key's slot is on the move"))
            else:
                deliver(link.failure(reply) if isinstance(reply, Exception) else reply)

        try:
            if ask:
                link.send((b"ASKING",), lambda _reply: None)
            link.send(command, judged)
            link.flush()
        except CacheUnavailable as exc:
            deliver(exc)

    # The map.

    async def _supervise(self) -> None:
        """Look at the map every second, and at once when it is in doubt."""
        try:
            while True:
                self._doubt.clear()
                asked_at = self._clock.monotonic()
                told, agreed = await self._ask_for_map()
                if told is not None:
                    await self._lay_out(told)
                    if agreed:
                        self._mapped_until = asked_at + TRUST
                    else:
                        self._doubt.set()
                    self.judge_trust()
                self._tried.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await self._doubt.wait()
                        await asyncio.sleep(_SOON)
        finally:
            self.close()

    async def _ask_for_map(self) -> tuple[ClusterMap | None, bool]:
        """What most primaries say the cluster looks like, and whether all of them do.

        All: news of a slot that moved reaches them one after the other, and the one that had it may be the last.
        """
        linked = [(address, link) for address, (link, _) in self._links.items() if link.up]
        if not linked:
            return await self._ask_anybody(), False
        answers = await asyncio.gather(*(_slots_by(address, link) for address, link in linked))
        maps = [answer for answer in answers if answer is not None]
        if not maps:
            return None, False
        most = max(maps, key=maps.count)
        return most, len(maps) == len(self._links) and maps.count(most) == len(maps)

    async def _ask_anybody(self) -> ClusterMap | None:
        """What the first node that answers says; another one is asked first each time."""
        nodes = list(dict.fromkeys((*self._links, *self._way.seeds)))
        turn = next(self._turns) % len(nodes)
        for address in nodes[turn:] + nodes[:turn]:
            try:
                return await self._way.ask(address, self._budget)
            except ReplyError as exc:
                # Its first words name the trouble; what follows may quote what was sent.
                alone = "cluster support disabled" in str(exc)
                self._trouble = "the server is no cluster" if alone else f"refused ({str(exc).partition(' ')[0]})"
            except Exception as exc:  # noqa: BLE001 - whatever it is, another node may answer, or this one later
                self._trouble = type(exc).__name__
        return None

    async def _lay_out(self, told: ClusterMap) -> None:
        """Have a link to every primary, and to nobody else."""
        if told == self._map:
            return
        changed, self._map = self._map is not None, told
        for address in [address for address in self._links if address not in told.primaries]:
            self._links.pop(address)[0].retire()
        log_owner = told.owners[self._log_slot]
        new = [address for address in told.primaries if address not in self._links]
        for address in new:
            ears = _NodeEars(self)
            link = Link(
                self._way.dial(address), self._owner, self._clock, ears, budget=self._budget, heartbeat=_PING
            )
            self._links[address] = (link, ears)
        for address, (link, _) in self._links.items():
            link.heartbeat = self._heartbeat if address == log_owner else _PING
        self._owners = [None if owner is None else self._links[owner][0] for owner in told.owners]
        self._routes.clear()
        if changed:  # what was tracked on a node is not on the one that has the slot now
            self.ears.down()
        for address in new:
            with suppress(CacheUnavailable):
                await self._links[address][0].ready()
        if changed and self._whole:
            self.ears.up()


if TYPE_CHECKING:
    _port: type[Port] = ClusterPort
