"""Keeping leases alive while their computations run: one task per process, however many there are."""

from __future__ import annotations

from typing import Any

from backstay.clock import Clock
from backstay.tasks import Handle, TaskOwner

from .far import FarTier
from .flights import Flight


class LeaseKeeper:
    """Renews the leases of all flights that have one, at a third of the shortest, until they are let go of.

    A lease that turns out to be void is let go of: the computation's fill will be refused, which is right.
    """

    def __init__(self, far: FarTier, owner: TaskOwner, clock: Clock) -> None:
        self.leased: dict[str, Flight[Any]] = {}
        """The flights under a lease, by its token."""
        self._far = far
        self._owner = owner
        self._clock = clock
        self._round: Handle | None = None
        self._period = 0.0

    def hold(self, flight: Flight[Any]) -> None:
        """Keep the lease that the flight was granted."""
        self.leased[flight.token] = flight
        period = flight.request.plan.lease / 3
        if self._round is not None and self._period <= period:
            return
        if self._round is not None:
            self._round.cancel()
        self._period = period
        self._round = self._owner.start(self._renew_all, "backstay lease renewal")

    def let_go(self, flight: Flight[Any]) -> None:
        """The lease needs no more renewals."""
        self.leased.pop(flight.token, None)

    async def _renew_all(self) -> None:
        mine = self._round
        try:
            await self._clock.sleep(self._period)
            while self.leased:
                for token, flight in list(self.leased.items()):
                    request = flight.request
                    held = token not in self.leased or await self._far.hold(
                        request.name, token, lease=request.plan.lease
                    )
                    if held is False:
                        self.let_go(flight)
                await self._clock.sleep(self._period)
        finally:
            if self._round is mine:
                self._round = None
