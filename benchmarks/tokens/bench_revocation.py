"""How long until a revocation made on one node holds on another, and what a check costs beside a round trip.

    python benchmarks/tokens/bench_revocation.py [--quick] [--rounds 500]

Two nodes with a connection pool each, on one real Redis and one real PostgreSQL, which are started for this unless
REDIS_URL and DATABASE_URL name others. The wall time from the call of `deny` on the first node to the refusal on
the second; the second's check in the same loop, so that its event loop is as busy as a served request makes it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import ExitStack

import anyio

from backstay.errors import InvalidToken
from backstay.testing.postgres_server import start_postgres
from backstay.testing.redis_server import start_redis
from backstay.tokens import JwtCodec, KeyRing, LocalRevocations, TokenProfile
from backstay.tokens.jose import generate_key
from backstay.tokens.opening import open_store
from backstay.tokens.refresh import new_identifier
from backstay.tokens.sessions import TokenIds

PROFILE = TokenProfile.access(issuer="https://issuer.example", audience="api")
CODEC = JwtCodec(KeyRing([generate_key("HS256", kid="k")]))


def new_token(token_id: str):
    now = int(time.time())
    claims = {
        "iss": PROFILE.issuer,
        "aud": "api",
        "sub": "user-1",
        "client_id": "web",
        "iat": now,
        "exp": now + 600,
    }
    text = CODEC.encode_now({**claims, "jti": token_id, "sid": new_identifier(), "epoch": 1}, profile=PROFILE)
    return CODEC.verifier.verify(text, expect=PROFILE)


async def delays(url: str, count: int) -> list[float]:
    """Seconds from a revocation on one node to its effect on the other, `count` times."""
    found: list[float] = []
    async with (
        open_store(url, prefix="backstay-bench:tokens") as here,
        open_store(url, prefix="backstay-bench:tokens") as there,
        anyio.create_task_group() as group,
    ):
        copy = LocalRevocations(there)
        await copy.catch_up()
        group.start_soon(copy.run)
        await anyio.sleep(0.5)  # the connections stand
        for _ in range(count):
            token = new_token(new_identifier())
            began = time.perf_counter()
            await here.deny(token.token_id, expires_at=time.time() + 600)
            found.append(await until_refused(copy, token) - began)
        group.cancel_scope.cancel()
    return sorted(found)


async def until_refused(copy: LocalRevocations, token) -> float:
    while True:
        try:
            await copy.check(token)
        except InvalidToken:
            return time.perf_counter()
        await anyio.sleep(0.0005)


async def costs(url: str) -> tuple[float, float]:
    """Microseconds of one local check, and of one question to the store: medians of interleaved rounds."""
    local: list[float] = []
    asked: list[float] = []
    async with open_store(url, prefix="backstay-bench:tokens") as store:
        copy = LocalRevocations(store, max_staleness=1e9)
        await copy.catch_up()
        token = new_token(new_identifier())
        ids = TokenIds(token_id=token.token_id, session_id=token.session_id, user=token.subject, epoch=1)
        for _ in range(21):
            began = time.perf_counter()
            for _ in range(2000):
                copy.standing(token)
            local.append((time.perf_counter() - began) / 2000 * 1e6)
            began = time.perf_counter()
            for _ in range(50):
                await store.is_revoked(ids)
            asked.append((time.perf_counter() - began) / 50 * 1e6)
    return statistics.median(local), statistics.median(asked)


def main(count: int) -> None:
    with ExitStack() as stack:
        urls = {
            "redis": os.environ.get("REDIS_URL") or stack.enter_context(start_redis()).url,
            "postgres": os.environ.get("DATABASE_URL") or stack.enter_context(start_postgres()).url,
        }
        for name, url in urls.items():
            found = anyio.run(delays, url, count)
            p50, p99, most = (found[int((len(found) - 1) * share)] * 1e3 for share in (0.5, 0.99, 1.0))
            print(f"{name:9} visible after p50 {p50:.2f} ms, p99 {p99:.2f} ms, at most {most:.2f} ms")
            local, asked = anyio.run(costs, url)
            print(f"{name:9} check {local:.2f} us, one question to the store {asked:.0f} us: {asked / local:.0f} x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--rounds", type=int, default=500, help="revocations")
    given = parser.parse_known_args()[0]
    main(30 if given.quick else given.rounds)
