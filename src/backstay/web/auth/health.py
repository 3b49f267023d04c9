"""Liveness and readiness as answers: the first asks nobody, the second every probe."""

from __future__ import annotations

import dataclasses

from backstay.container import current_backstay
from backstay.health import HealthReport

from .answers import Answer, json_answer
from .calls import Call
from .table import Endpoint


async def live(_call: Call) -> Answer:
    """Whether the process lives: whoever reads the answer has seen its loop run."""
    return _answer(await current_backstay.get().health.live())


async def ready(_call: Call) -> Answer:
    """Whether it can do its work: 503 if something required does not answer."""
    return _answer(await current_backstay.get().health.ready())


def _answer(report: HealthReport) -> Answer:
    probes = {name: dataclasses.asdict(result) for name, result in report.probes.items()}
    return json_answer({"ok": report.ok, "probes": probes}, status=200 if report.ok else 503)


_REPORT = {"type": "object", "properties": {"ok": {"type": "boolean"}, "probes": {"type": "object"}}}

HEALTH = (
    Endpoint(method="GET", path="/healthz", name="healthz", handle=live, content=_REPORT),
    Endpoint(method="GET", path="/readyz", name="readyz", handle=ready, content=_REPORT),
)
"""The two rows, which every adapter mounts."""
