"""Liveness and readiness as answers: the first asks nobody, the second every probe."""

from __future__ import annotations

import dataclasses

from backstay.container import current_backstay
from backstay.health import HealthReport

from .answers import Answer, json_answer


async def live() -> Answer:
    """200: whoever reads this has seen the loop run."""
    return _answer(await current_backstay.get().health.live())


async def ready() -> Answer:
    """200 if everything required works, else 503."""
    return _answer(await current_backstay.get().health.ready())


def _answer(report: HealthReport) -> Answer:
    probes = {name: dataclasses.asdict(result) for name, result in report.probes.items()}
    return json_answer({"ok": report.ok, "probes": probes}, status=200 if report.ok else 503)
