"""Five processes of fifty tasks each refresh one token at once: all succeed, with one successor."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import anyio
import asyncpg
import pytest

WORKER = Path(__file__).with_name("race_worker.py")
RUNS = 1000 if os.environ.get("BACKSTAY_NIGHTLY") else 20

spec = importlib.util.spec_from_file_location("race_worker", WORKER)
race_worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(race_worker)


def start(kind: str, url: str, current: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), kind, url, current],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def end(worker: subprocess.Popen[str]) -> None:
    worker.stdin.close()
    worker.wait(timeout=30)
    worker.stdout.close()


def run_race(kind: str, url: str) -> None:
    async def rounds(workers: list[subprocess.Popen[str]]) -> None:
        async with race_worker.open_store(kind, url) as store:
            service = race_worker.make_service(store)
            for number in range(RUNS):
                pair = await service.issue(f"racer-{number}", client_id="web")
                for worker in workers:
                    worker.stdin.write(pair.refresh_token + "\n")
                    worker.stdin.flush()
                answers = [json.loads(worker.stdout.readline()) for worker in workers]
                assert [a["failed"] for a in answers] == [[]] * 5
                assert sum(len(a["got"]) for a in answers) == 250
                successors = {token for a in answers for token in a["got"]}
                assert len(successors) == 1
                assert len(await store.sessions(f"racer-{number}")) == 1
                await service.refresh(successors.pop(), client_id="web")

    with ExitStack() as stack:
        workers = []
        # Two secrets are current at once, as in the middle of a rotation: still one successor.
        for current in "aabab":
            workers.append(start(kind, url, current))
            stack.callback(end, workers[-1])
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 5
        anyio.run(rounds, workers)


@pytest.mark.redis
@pytest.mark.slow
def test_racing_processes_on_redis(redis_url) -> None:
    async def clean() -> None:
        async with race_worker.open_store("redis", redis_url) as store:
            keys = [key async for key in store._client.scan_iter(match=f"{store.prefix}*")]
            await store._client.delete(*keys)

    run_race("redis", redis_url)
    anyio.run(clean)


@pytest.mark.postgres
@pytest.mark.slow
def test_racing_processes_on_postgres(postgres_url) -> None:
    name = "backstay_tokens_race"

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    anyio.run(run, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    anyio.run(run, f"CREATE DATABASE {name}")
    try:
        run_race("postgres", postgres_url.rsplit("/", 1)[0] + f"/{name}")
    finally:
        anyio.run(run, f"DROP DATABASE {name} WITH (FORCE)")
