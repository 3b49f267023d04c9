"""A thousand requests at once while tokens are being revoked: after the bound, none is let in."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from backstay.container import Backstay
from backstay.tokens import RingKey, base64url
from backstay.tokens.jose import generate_key
from backstay.tokens.keyfile import dump_ring
from backstay.web.auth import Authenticator

from . import applications
from .applications import FRAMEWORKS, People
from .serving import served

CALLERS = 1000
COMBINATIONS = [
    *((framework, "uvicorn") for framework in FRAMEWORKS),
    ("starlette", "hypercorn"),
    ("starlette", "granian"),
]
BOUND = 1.0
"""Seconds: how old a copy of revocations may be before the store itself is asked."""


@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize(("framework", "server"), COMBINATIONS)
async def test_nobody_is_let_in_after_the_bound(framework, server, redis_url, monkeypatch):  # noqa: C901
    """The tokens are revoked by another node, and this one learns of it from Redis."""
    secret = base64url.encode(b"s" * 32).decode()
    for name, value in {
        "REDIS_URL": redis_url,
        "TOKEN_KEYS": dump_ring([RingKey(key=generate_key("ES256", kid="k"))]),
        "TOKEN_ISSUER": "https://issuer.example",
        "TOKEN_AUDIENCE": "api",
        "TOKEN_REFRESH_SECRETS": f"r1:{secret}",
        "TOKEN_PREFIX": f"load:{framework}:{time.time_ns()}",
    }.items():
        monkeypatch.setenv(f"BACKSTAY_{name}", value)
    monkeypatch.setattr(applications, "authenticator", lambda people: Authenticator(people.load))
    app = FRAMEWORKS[framework](People(), None)
    revoked: dict[str, float] = {}
    answers: list[tuple[str, float, int]] = []
    users = [f"user-{number}" for number in range(50)]
    tokens: dict[str, str] = {}

    async def issue() -> None:
        async with Backstay.open() as node:
            for user in users:
                tokens[user] = (await node.tokens.issue(user, client_id="web")).access_token

    async def revoke() -> None:
        async with Backstay.open() as node:
            for user in users[::2]:
                await node.tokens.revoke_user(user)
                revoked[user] = time.monotonic()

    await elsewhere(issue)
    async with served(app, server) as host:
        port = int(host.rpartition(":")[2])

        async def call(user: str) -> None:
            status = 503
            while status == 503:  # too busy to hear from Redis: nobody is let in, and all are to come again
                asked_at = time.monotonic()
                status = await status_of(port, tokens[user])
                await asyncio.sleep(random.uniform(0, 1) if status == 503 else 0)
            answers.append((user, asked_at, status))

        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(call(users[number % 50]))
                if number == CALLERS // 2:
                    group.create_task(elsewhere(revoke))
        # Again, when the bound has passed for the last one.
        await asyncio.sleep(max(revoked.values()) + BOUND - time.monotonic())
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(call(users[number % 50]))
    assert len(answers) == 2 * CALLERS
    late = [status for user, at, status in answers if user in revoked and at >= revoked[user] + BOUND]
    assert len(late) >= CALLERS // 2
    assert set(late) == {401}
    assert {status for user, _, status in answers if user not in revoked} == {200}


async def elsewhere(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Another node: a loop in a thread of its own, which shares only the Redis."""
    await asyncio.to_thread(lambda: asyncio.run(work()))


async def status_of(port: int, token: str) -> int:
    """One request by hand: the pools of HTTP clients are not made for a thousand connections at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = ("GET /protected HTTP/1.1", "Host: x", "Connection: close", f"Authorization: Bearer {token}")
    writer.write("\r\n".join((*head, "", "")).encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1])
