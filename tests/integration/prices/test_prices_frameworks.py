"""The demo in three frameworks, on the embedded default and on real servers: one story, the same answers."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx2
import pytest

sys.path.append(str(Path(__file__).parents[3] / "examples"))

from tests.integration.web.serving import served

from prices import on_litestar, on_starlette, service

pytestmark = pytest.mark.asyncio
APPLICATIONS = {"fastapi": service, "starlette": on_starlette, "litestar": on_litestar}
ADA = {"username": "ada", "email": "ada@example.org", "password": "Wind-hard-over-the-Marsh-9"}
BOB = {"username": "bob", "email": "bob@example.org", "password": "Slow-boats-leave-at-Seven-4"}


@pytest.fixture(params=["embedded", "servers"])
def behind(request, monkeypatch):
    """What stands behind: nothing, or the shared Redis and a database of the test's own."""
    monkeypatch.delenv("BACKSTAY_DATABASE_URL", raising=False)
    if request.param == "servers":
        monkeypatch.setenv("BACKSTAY_REDIS_URL", request.getfixturevalue("redis_url"))
        monkeypatch.setenv("BACKSTAY_DATABASE_URL", request.getfixturevalue("database_url"))
        monkeypatch.setenv("BACKSTAY_CACHE_PREFIX", f"{request.node.name}:")


@pytest.mark.parametrize("framework", APPLICATIONS)
async def test_signing_up_signing_in_and_running_the_place(framework, behind):
    app = APPLICATIONS[framework].create_app()
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}", timeout=60) as client:
        weak = await client.post("/signup", json=ADA | {"password": "weak"})
        assert weak.status_code == 422
        made = await client.post("/signup", json=ADA)
        assert made.status_code == 201, made.text
        assert (made.json()["username"], made.json()["is_admin"]) == ("ada", True)
        assert (await client.post("/signup", json=ADA | {"username": "ADA"})).status_code == 409
        assert (await client.post("/signup", json=BOB)).json()["is_admin"] is False
        bearers = {}
        for person in (ADA, BOB):
            fields = {"username": person["username"], "password": person["password"], "transport": "token"}
            tokens = (await client.post("/auth/login", data=fields)).json()
            bearers[person["username"]] = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get("/protected", headers=bearers["bob"])).json() == {"user": "bob"}
        assert (await client.get("/admin", headers=bearers["ada"])).json() == {"message": "Admin access granted"}
        assert (await client.get("/admin", headers=bearers["bob"])).status_code == 403
        assert (await client.get("/protected")).status_code == 401
        first = await client.get("/prices/AAPL?date=2009-12-24")
        assert first.status_code == 200
        assert first.json() == (await client.get("/prices/aapl?date=2009-12-01")).json()
        assert (await client.get("/prices/NONE")).status_code == 404
        assert (await client.get("/prices/*:*")).status_code in {400, 422}
        assert (await client.delete("/prices/AAPL/cached")).json()["outcome"] == "applied"
        assert (await client.get("/readyz")).status_code == 200
        again = (await client.post("/auth/refresh", data={"refresh_token": tokens["refresh_token"]})).json()
        assert (
            await client.post("/auth/logout", data={"refresh_token": again["refresh_token"]})
        ).status_code == 204
        assert (await client.get("/protected", headers=bearers["bob"])).status_code == 401
