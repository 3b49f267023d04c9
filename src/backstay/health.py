"""Whether the process lives, and whether it can do its work: two questions that must not be mixed up.

Liveness asks nobody: a process whose loop answers is alive, and restarting it would mend no database. Readiness
asks each probe, all at once, each within a deadline of its own. A probe of something the service can do without
(a cache) is shown and does not make it unready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from .clock import Clock, SystemClock
from .errors import BackstayError, ConfigError


class Probe(Protocol):
    """One thing that is asked whether it works."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def required(self) -> bool:
        """Whether the service cannot work without it."""
        ...

    async def check(self) -> None:
        """Return if it works; raise if not. Cancelled when its deadline passes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What one probe found."""

    ok: bool
    required: bool
    seconds: float
    detail: str = ""
    """Why not: an error of backstay's in full, another's only by its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """The answer to one question."""

    ok: bool
    """Whether everything required works."""
    probes: Mapping[str, ProbeResult] = field(default_factory=dict[str, ProbeResult])


class Health:
    """Asks the probes."""

    def __init__(self, probes: Iterable[Probe] = (), *, deadline: float = 1.0, clock: Clock | None = None) -> None:
        """`deadline` is what each probe has, in seconds.

        Raises:
            ConfigError: two probes share a name, or the deadline is not above 0.
        """
        self._probes = tuple(probes)
        self._deadline = deadline
        self._clock: Clock = clock or SystemClock()
        if len({probe.name for probe in self._probes}) != len(self._probes) or deadline <= 0:
            raise ConfigError("Health wants probes with names of their own and a deadline above 0")

    async def live(self) -> HealthReport:
        """Always ok: whoever reads this answer has seen the loop run."""
        return HealthReport(ok=True)

    async def ready(self) -> HealthReport:
        """Ask every probe at once."""
        found: dict[str, ProbeResult] = {}
        async with anyio.create_task_group() as group:
            for probe in self._probes:
                group.start_soon(self._ask, probe, found)
        results = {probe.name: found[probe.name] for probe in self._probes}
        return HealthReport(ok=all(each.ok or not each.required for each in results.values()), probes=results)

    async def _ask(self, probe: Probe, found: dict[str, ProbeResult]) -> None:
        began = self._clock.monotonic()
        detail = f"no answer within {self._deadline} s"
        ok = False
        with anyio.move_on_after(self._deadline):
            try:
                await probe.check()
                ok, detail = True, ""
            except BackstayError as exc:
                detail = str(exc)
            except Exception as exc:  # noqa: BLE001 - a foreign message may hold an address or a password
                detail = type(exc).__qualname__
        seconds = self._clock.monotonic() - began
        found[probe.name] = ProbeResult(ok=ok, required=probe.required, seconds=seconds, detail=detail)
