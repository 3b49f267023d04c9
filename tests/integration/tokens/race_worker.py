"""A process of its own that refreshes, fifty tasks at once, each token that it reads from its input."""

from __future__ import annotations

import json
import sys

import anyio

from backstay.errors import BackstayError
from backstay.tokens import JwtCodec, KeyRing, TokenProfile
from backstay.tokens.jose import import_jwk
from backstay.tokens.postgres import open_postgres_store
from backstay.tokens.redis import open_redis_store
from backstay.tokens.refresh import RefreshSecrets
from backstay.tokens.service import TokenService

JWK = {"kty": "oct", "kid": "h", "alg": "HS256", "k": "c2VjcmV0LW9mLWEtdGVzdC1vZi10aGlydHktdHdvLWJ5dGVz"}
SECRETS = {"a": b"a" * 32, "b": b"b" * 32}


def make_service(store, current: str = "a") -> TokenService:
    return TokenService(
        codec=JwtCodec(KeyRing([import_jwk(JWK)])),
        profile=TokenProfile.access(issuer="https://issuer.example", audience="api"),
        store=store,
        log=store,
        secrets=RefreshSecrets(SECRETS, current=current),
    )


def open_store(kind: str, url: str):
    if kind == "redis":
        return open_redis_store(url, prefix="backstay-test:tokens-race", timeout=30)
    return open_postgres_store(url, timeout=30, max_size=8)


async def race(service: TokenService, token: str, tasks: int) -> dict[str, list[str]]:
    got: list[str] = []
    failed: list[str] = []

    async def one() -> None:
        try:
            got.append((await service.refresh(token, client_id="web")).refresh_token)
        except BackstayError as exc:
            failed.append(repr(exc))

    async with anyio.create_task_group() as group:
        for _ in range(tasks):
            group.start_soon(one)
    return {"got": got, "failed": failed}


async def main(kind: str, url: str, current: str) -> None:
    async with open_store(kind, url) as store:
        service = make_service(store, current)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            sys.stdout.write(json.dumps(await race(service, line.strip(), 50)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
