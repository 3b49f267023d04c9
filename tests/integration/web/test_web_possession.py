"""Proof of possession and stores that are away, through each framework."""

from __future__ import annotations

import json
import time
from hashlib import sha256

import httpx2
import pytest

from backstay import SystemClock
from backstay.tokens import RingKey, base64url
from backstay.tokens.dpop import DpopNonces
from backstay.tokens.jose import generate_key
from backstay.tokens.keyfile import dump_ring
from backstay.web.auth import Authenticator, ProofOfPossession

from . import applications
from .applications import FRAMEWORKS, PASSWORD, People
from .serving import served

pytestmark = pytest.mark.asyncio
CLIENT = generate_key("ES256")
NONCES = DpopNonces(b"n" * 32)
USE_NONCE = 'DPoP realm="api", error="use_dpop_nonce", error_description="the proof of possession needs a nonce", '


def proof(method: str, url: str, *, token: str = "", nonce: str = "", number: list[int] = [0]) -> str:  # noqa: B006
    number[0] += 1
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": dict(CLIENT.public_jwk)}
    body = {"jti": f"proof-{number[0]}", "htm": method, "htu": url, "iat": int(time.time())}
    if token:
        body["ath"] = base64url.encode(sha256(token.encode()).digest()).decode()
    if nonce:
        body["nonce"] = nonce
    data = b".".join(base64url.encode(json.dumps(part).encode()) for part in (head, body))
    return (data + b"." + base64url.encode(CLIENT.sign(data))).decode()


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_stolen_token_is_worth_nothing_without_its_key(framework, monkeypatch):
    people = People()
    with_nonces = Authenticator(people.load, proofs=ProofOfPossession(nonces=NONCES))
    monkeypatch.setattr(applications, "authenticator", lambda _people: with_nonces)
    app = FRAMEWORKS[framework](people, SystemClock())
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        login, protected = f"http://{host}/auth/login", f"http://{host}/protected"
        fields = {"username": "ada", "password": PASSWORD}
        asked = await client.post("/auth/login", data=fields, headers={"DPoP": proof("POST", login)})
        nonce = asked.headers["dpop-nonce"]
        assert asked.headers["www-authenticate"].startswith(USE_NONCE)
        answer = await client.post("/auth/login", data=fields, headers={"DPoP": proof("POST", login, nonce=nonce)})
        assert answer.json()["token_type"] == "DPoP", answer.text
        token = answer.json()["access_token"]

        async def status(scheme: str, *proofs: str) -> tuple[int, str]:
            headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", each) for each in proofs)]
            found = await client.get("/protected", headers=headers)
            return found.status_code, found.json().get("error", "")

        good = proof("GET", protected, token=token, nonce=nonce)
        assert await status("DPoP", good) == (200, "")
        assert await status("DPoP", good) == (401, "invalid_dpop_proof")  # used once
        assert await status("Bearer") == (401, "invalid_token")
        assert await status("DPoP") == (401, "invalid_dpop_proof")
        assert await status("DPoP", proof("GET", protected, token=token)) == (401, "use_dpop_nonce")
        assert await status("DPoP", proof("POST", protected, token=token, nonce=nonce)) == (
            401,
            "invalid_dpop_proof",
        )
        assert await status("DPoP", proof("GET", login, token=token, nonce=nonce)) == (401, "invalid_dpop_proof")
        assert await status("DPoP", proof("GET", protected, token="x", nonce=nonce)) == (401, "invalid_dpop_proof")
        two = [proof("GET", protected, token=token, nonce=nonce) for _ in range(2)]
        assert await status("DPoP", *two) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_store_that_is_away_is_503_and_signs_nobody_out(framework, redis_server, monkeypatch):
    people = People()
    monkeypatch.setattr(applications, "authenticator", lambda p: Authenticator(p.load))
    secret = base64url.encode(b"s" * 32).decode()
    for name, value in {
        "REDIS_URL": redis_server.url,
        "TOKEN_KEYS": dump_ring([RingKey(key=CLIENT)]),
        "TOKEN_ISSUER": "https://issuer.example",
        "TOKEN_AUDIENCE": "api",
        "TOKEN_REFRESH_SECRETS": f"r1:{secret}",
    }.items():
        monkeypatch.setenv(f"BACKSTAY_{name}", value)
    app = FRAMEWORKS[framework](people, None)
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}", timeout=30) as client:
        answer = await client.post("/auth/login", data={"username": "ada", "password": PASSWORD})
        tokens = answer.json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get("/protected", headers=bearer)).status_code == 200
        redis_server.stop()
        while (found := await client.get("/protected", headers=bearer)).status_code == 200:
            pass  # the copy of revocations is believed for a second more
        assert (found.status_code, found.headers["retry-after"]) == (503, "1")
        assert "www-authenticate" not in found.headers
        refresh = await client.post("/auth/refresh", data={"refresh_token": tokens["refresh_token"]})
        login = await client.post("/auth/login", data={"username": "ada", "password": PASSWORD})
        ready = await client.get("/readyz")
        assert {refresh.status_code, login.status_code, ready.status_code} == {503}
        redis_server.restart()
        while (again := await client.get("/protected", headers=bearer)).status_code == 503:
            pass
        assert again.status_code == 200
