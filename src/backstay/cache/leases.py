"""Keeping leases alive while their computations run: one task per process, however many there are."""

from __future__ import annotations

from backstay.clock import Clock
from backstay.tasks import Handle, TaskOwner

from .far import FarTier


class LeaseKeeper:
    """Renews every lease it was told of at a third of the shortest lease, until it is told to let go.

    A lease that turns out to be void is let go of: the computation's fill will be refused, which is right.
    """

    def __init__(self, far: FarTier, owner: TaskOwner, clock: Clock) -> None:
        self._far = far
        self._owner = owner
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}
        self._round: Handle | None = None
        self._period = 0.0

    def hold(self, name: str, token: str, lease: float) -> None:
        """Keep the lease that `token` holds on `name` at `lease` seconds."""
        self._held[token] = (name, lease)
        period = lease / 3
        if self._round is not None and self._period <= period:
            return
        if self._round is not None:
            self._round.cancel()
        self._period = period
        self._round = self._owner.start(self._renew_all, "backstay lease renewal")

    def let_go(self, token: str) -> None:
        """The lease needs no more renewals."""
        self._held.pop(token, None)

    async def _renew_all(self) -> None:
        mine = self._round
        while True:
            await self._clock.sleep(self._period)
            if not self._held:
                break
            for token, (name, lease) in list(self._held.items()):
                if token in self._held and await self._far.hold(name, token, lease=lease) is False:
                    self.let_go(token)
        if self._round is mine:
            self._round = None
