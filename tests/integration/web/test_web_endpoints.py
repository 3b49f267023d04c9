"""Login, refresh, logout, sessions and the rest in three frameworks: the same steps, the same answers."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie

import httpx2
import pytest

from backstay import ManualClock
from backstay.container import current_backstay
from backstay.tokens import RingKey, base64url
from backstay.tokens.jose import generate_key
from backstay.tokens.keyfile import dump_ring

from .applications import FRAMEWORKS, PASSWORD, People
from .serving import served

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("framework", FRAMEWORKS)]
LOGIN = {"username": "ada", "password": PASSWORD}
WRONG = {"detail": "the name or the password is wrong", "error": "invalid_grant"}


async def test_tokens_in_the_body(framework):
    async with served(FRAMEWORKS[framework](People(), ManualClock())) as host, client_of(host) as client:
        answer = await client.post("/auth/login", json=LOGIN | {"transport": "token", "scope": "orders:read"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        tokens = answer.json()
        assert tokens["token_type"] == "Bearer"
        assert tokens["scope"] == "orders:read"
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get("/orders", headers=bearer)).status_code == 200
        # As a form, as OAuth clients send it.
        form = await client.post("/auth/login", data=LOGIN | {"transport": "token"})
        assert form.json()["scope"] == "introspect orders:read"
        other = {"Authorization": f"Bearer {form.json()['access_token']}"}
        refreshed = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert refreshed.json()["access_token"] != tokens["access_token"]
        # Both devices are listed, and each may end the other.
        found = (await client.get("/auth/sessions", headers=bearer)).json()["sessions"]
        assert sorted(each["current"] for each in found) == [False, True]
        theirs = next(each["id"] for each in found if not each["current"])
        assert (await client.delete(f"/auth/sessions/{theirs}", headers=bearer)).status_code == 204
        assert (await client.get("/protected", headers=other)).status_code == 401
        # Introspection and revocation.
        again = (await client.post("/auth/login", data=LOGIN | {"transport": "token"})).json()
        asker = {"Authorization": f"Bearer {again['access_token']}"}
        asked = await client.post("/auth/introspect", data={"token": tokens["access_token"]}, headers=asker)
        assert asked.json()["active"] is True
        assert (await client.post("/auth/revoke", data={"token": tokens["access_token"]})).status_code == 200
        asked = await client.post("/auth/introspect", data={"token": tokens["access_token"]}, headers=asker)
        assert asked.json() == {"active": False}
        ended = await client.delete("/auth/sessions", headers=asker)
        assert ended.json() == {"ended": 1}
        out = await client.post("/auth/logout", json={"refresh_token": again["refresh_token"]})
        assert out.status_code == 204
        gone = await client.post("/auth/refresh", json={"refresh_token": again["refresh_token"]})
        assert (gone.status_code, gone.json()["error"]) == (400, "invalid_grant")
        keys = await client.get("/auth/jwks.json")
        assert keys.headers["content-type"] == "application/jwk-set+json"
        assert [key["kid"] for key in keys.json()["keys"]] == [
            entry["kid"] for entry in current_backstay.get().keys.jwks()["keys"]
        ]


async def test_tokens_in_cookies(framework):
    async with served(FRAMEWORKS[framework](People(), ManualClock())) as host, client_of(host) as client:
        answer = await client.post("/auth/login", json=LOGIN, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"token_type", "expires_in", "scope", "csrf_token"}
        jar = cookies_of(answer)
        for name in ("__Host-access", "__Host-refresh"):
            assert jar[name]["secure"]
            assert jar[name]["httponly"]
            assert jar[name]["path"] == "/"
            assert not jar[name]["domain"]
        assert not jar["__Host-csrf"]["httponly"]
        assert jar["__Host-refresh"]["samesite"] == "Strict"
        cookies = {"Cookie": "; ".join(f"{name}={jar[name].value}" for name in jar)}
        ours = cookies | {"X-CSRF-Token": answer.json()["csrf_token"], "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/change", headers=ours)).status_code == 200
        assert (await client.post("/auth/refresh", headers=cookies)).status_code == 403
        refreshed = await client.post("/auth/refresh", headers=ours)
        assert set(cookies_of(refreshed)) == {"__Host-access", "__Host-refresh", "__Host-csrf"}
        assert "refresh_token" not in refreshed.json()
        assert (await client.post("/auth/logout", headers=cookies)).status_code == 403
        out = await client.post("/auth/logout", headers=ours)
        assert out.status_code == 204
        assert {each["max-age"] for each in cookies_of(out).values()} == {"0"}
        assert (await client.get("/protected", headers=cookies)).status_code == 401
        # A form of another site cannot sign anybody in either.
        foreign = await client.post("/auth/login", data=LOGIN, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403


async def test_nobody_learns_who_has_an_account(framework):
    async with served(FRAMEWORKS[framework](People(), ManualClock())) as host, client_of(host) as client:
        answers = []
        for username, password in (("ada", "wrong"), ("nobody", "wrong"), ("bob", PASSWORD), ("nobody", PASSWORD)):
            answer = await client.post("/auth/login", json={"username": username, "password": password})
            assert answer.status_code == 401
            assert answer.json().items() >= WRONG.items()
            answers.append((answer.headers["www-authenticate"], answer.content))
        assert len(set(answers)) == 1
        tried = 0
        while (answer := await client.post("/auth/login", json=LOGIN | {"password": "x"})).status_code == 401:
            tried += 1
            assert tried < 200
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert (await client.post("/auth/login", json=LOGIN)).status_code == 429


async def test_bodies_that_cannot_be_read(framework):
    async with served(FRAMEWORKS[framework](People(), ManualClock())) as host, client_of(host) as client:
        json, form = {"Content-Type": "application/json"}, {"Content-Type": "application/x-www-form-urlencoded"}
        for content, headers, status in (
            (b"{", json, 400),
            (b'{"username": 1, "password": "x"}', json, 400),
            (b'{"username": "a", "username": "b", "password": "x"}', json, 400),
            (b"username=a&username=b&password=x", form, 400),
            (b"username=%ff&password=x", form, 400),
            (b"<login/>", {"Content-Type": "text/xml"}, 415),
            (b"username=" + b"a" * 70_000, form, 413),
            (b"username=ada&password=x&transport=pigeon", form, 400),
        ):
            answer = await client.post("/auth/login", content=content, headers=headers)
            assert answer.status_code == status, (content[:40], answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


def client_of(host: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://{host}", timeout=30)


def cookies_of(answer) -> SimpleCookie:
    jar = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        jar.load(header)
    return jar


@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_what_no_store_could_keep_is_nobodys_session(framework, store, redis_url, database_url, monkeypatch):
    secret = base64url.encode(b"s" * 32).decode()
    for name, value in {
        "TOKEN_STORE": redis_url if store == "redis" else database_url,
        "TOKEN_KEYS": dump_ring([RingKey(key=generate_key("ES256", kid="k"))]),
        "TOKEN_ISSUER": "https://issuer.example",
        "TOKEN_AUDIENCE": "api",
        "TOKEN_REFRESH_SECRETS": f"r1:{secret}",
        "TOKEN_PREFIX": f"odd:{framework}:{time.time_ns()}",
    }.items():
        monkeypatch.setenv(f"BACKSTAY_{name}", value)
    async with served(FRAMEWORKS[framework](People(), None)) as host, client_of(host) as client:
        tokens = (await client.post("/auth/login", data=LOGIN | {"transport": "token"})).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        for odd in ("%00", "a%00b", "%ff", "%ed%a0%80", "%0d%0a", "a" * 5000, "*"):
            answer = await client.delete(f"/auth/sessions/{odd}", headers=bearer)
            assert (odd, answer.status_code) == (odd, 404)
        for odd in ("%00", "bsr1.%00", "bsr1.k.a.1.%00", "a" * 9000):
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            revoked = await client.post("/auth/revoke", content=f"token={odd}", headers=form)
            refreshed = await client.post("/auth/refresh", content=f"refresh_token={odd}", headers=form)
            assert (odd, revoked.status_code, refreshed.status_code) == (odd, 200, 400)
        assert (await client.get("/protected", headers=bearer)).status_code == 200
