"""The workers of the examples, run: a token that is good, one that was revoked, and one that grants too little."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "examples"))

from backstay import Backstay
from backstay.errors import InsufficientPermission
from backstay.tokens import RingKey, base64url
from backstay.tokens.jose import generate_key
from backstay.tokens.keyfile import dump_ring

pytestmark = [pytest.mark.asyncio, pytest.mark.redis]


@pytest.fixture
def shared(redis_url, monkeypatch, request):
    """Settings that the one who queues and the worker share, as two processes would."""
    secret = base64url.encode(b"s" * 32).decode()
    for name, value in {
        "REDIS_URL": redis_url,
        "CACHE_PREFIX": f"{request.node.name}:",
        "CACHE_BUDGET": "5",
        "TOKEN_KEYS": dump_ring([RingKey(key=generate_key("ES256", kid="k"))]),
        "TOKEN_ISSUER": "https://issuer.example",
        "TOKEN_AUDIENCE": "api",
        "TOKEN_REFRESH_SECRETS": f"r1:{secret}",
        "TOKEN_PREFIX": f"workers:{request.node.name}",
    }.items():
        monkeypatch.setenv(f"BACKSTAY_{name}", value)


async def tokens() -> tuple[str, str, str]:
    """Good, revoked, and without the scope."""
    async with Backstay.open() as kit:
        good = await kit.tokens.issue("ada", client_id="web", scopes=["prices:write"])
        revoked = await kit.tokens.issue("ada", client_id="web", scopes=["prices:write"])
        await kit.tokens.revoke_session(revoked.session_id)
        poor = await kit.tokens.issue("ada", client_id="web")
        return good.access_token, revoked.access_token, poor.access_token


async def test_taskiq(shared):
    from workers.with_taskiq import broker, recompute_price

    good, revoked, poor = await tokens()
    broker.is_worker_process = True
    await broker.startup()
    try:
        result = await (await recompute_price.kiq("AAPL", good)).wait_result()
        assert result.return_value.startswith("AAPL ")
        result = await (await recompute_price.kiq("AAPL", revoked)).wait_result()
        assert result.return_value == "refused"
        result = await (await recompute_price.kiq("AAPL", poor)).wait_result()
        assert isinstance(result.error, InsufficientPermission)
    finally:
        await broker.shutdown()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # saq calls redis-py by names that are going away
async def test_saq(shared):
    from saq import Worker

    from workers.with_saq import settings

    good, revoked, poor = await tokens()
    given = settings()
    queue = given["queue"]
    await queue.connect()
    # A worker sweeps when it starts, and takes a job just being handed out for a stuck one. Sweeping takes a
    # lock for a minute: sweep now, and it will not.
    await queue.sweep()
    jobs = [
        await queue.enqueue("recompute_price", symbol="AAPL", access_token=token) for token in (good, revoked, poor)
    ]
    worker = Worker(**given, burst=True, dequeue_timeout=1, concurrency=2)
    await worker.start()
    for job in jobs:
        await job.refresh()
    assert jobs[0].result.startswith("AAPL ")
    assert jobs[1].result == "refused"
    assert "InsufficientPermission" in jobs[2].error
    await queue.disconnect()


@pytest.mark.postgres
async def test_procrastinate(shared, database_url):
    from workers.with_procrastinate import application, done, work

    good, revoked, _ = await tokens()
    app = application(database_url)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        task = app.tasks["prices:recompute_price"]
        await task.defer_async(symbol="AAPL", access_token=good)
        await task.defer_async(symbol="MSFT", access_token=revoked)
        await work(app)
    assert done["AAPL"].startswith("AAPL ")
    assert done["MSFT"] == "refused"
