"""A thousand requests at once while tokens are being revoked: after the bound, none is let in."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from backstay import Secret, Settings
from backstay.container import Backstay
from backstay.settings import TokenSettings
from backstay.tokens import RingKey, base64url
from backstay.tokens.jose import generate_key
from backstay.tokens.keyfile import dump_ring
from backstay.web.auth import Authenticator

from . import applications
from .applications import FRAMEWORKS, People
from .serving import served

CALLERS = 1000
BOUND = 1.0
"""Seconds: how old a copy of revocations may be before the store itself is asked."""


@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_nobody_is_let_in_after_the_bound(framework, redis_url, monkeypatch):
    """The tokens are revoked by another node: a Backstay of its own, which shares only the Redis."""
    settings = Settings(
        redis_url=Secret(redis_url),
        token=TokenSettings(
            keys=Secret(dump_ring([RingKey(key=generate_key("ES256", kid="k"))])),
            refresh_secrets=Secret("r1:" + base64url.encode(b"s" * 32).decode()),
            issuer="https://issuer.example",
            audience=("api",),
            prefix=f"load:{framework}:{time.time_ns()}",
        ),
    )
    monkeypatch.setattr(Backstay.open.__func__, "__defaults__", (settings,))
    monkeypatch.setattr(applications, "authenticator", lambda people: Authenticator(people.load))
    app = FRAMEWORKS[framework](People(), None)
    revoked: dict[str, float] = {}
    answers: list[tuple[str, float, int]] = []
    limits = httpx2.Limits(max_connections=CALLERS)
    async with Backstay.open(settings) as other, served(app) as host:
        users = [f"user-{number}" for number in range(50)]
        tokens = {user: (await other.tokens.issue(user, client_id="web")).access_token for user in users}
        async with httpx2.AsyncClient(base_url=f"http://{host}", limits=limits, timeout=60) as client:

            async def call(user: str) -> None:
                asked_at = time.monotonic()
                answer = await client.get("/protected", headers={"Authorization": f"Bearer {tokens[user]}"})
                answers.append((user, asked_at, answer.status_code))

            async def revoke() -> None:
                for user in users[::2]:
                    await other.tokens.revoke_user(user)
                    revoked[user] = time.monotonic()

            async with asyncio.TaskGroup() as group:
                for number in range(CALLERS):
                    group.create_task(call(users[number % 50]))
                    if number == CALLERS // 2:
                        group.create_task(revoke())
            # Again, when the bound has passed for the last one.
            await asyncio.sleep(max(revoked.values()) + BOUND - time.monotonic())
            async with asyncio.TaskGroup() as group:
                for number in range(CALLERS):
                    group.create_task(call(users[number % 50]))
    assert len(answers) == 2 * CALLERS
    assert {status for _, _, status in answers} == {200, 401}
    late = [each for each in answers if each[0] in revoked and each[1] >= revoked[each[0]] + BOUND]
    assert len(late) >= CALLERS // 2
    assert {status for _, _, status in late} == {401}
    assert {status for user, _, status in answers if user not in revoked} == {200}
