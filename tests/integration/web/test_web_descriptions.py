"""What the API descriptions of FastAPI and Litestar say of schemes, scopes and endpoints; and that it holds."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from backstay.web.auth import Authenticator

from . import applications
from .applications import FRAMEWORKS, People
from .serving import served

ROOT = Path(__file__).parents[3]
ENDPOINTS = {
    ("post", "/auth/login"), ("post", "/auth/refresh"), ("post", "/auth/logout"), ("get", "/auth/sessions"),
    ("delete", "/auth/sessions"), ("delete", "/auth/sessions/{session_id}"), ("post", "/auth/revoke"),
    ("post", "/auth/introspect"), ("get", "/auth/jwks.json"), ("get", "/healthz"), ("get", "/readyz"),
}  # fmt: skip


def description(framework: str) -> dict:
    app = FRAMEWORKS[framework](People(), None)
    return app.openapi() if framework == "fastapi" else app.openapi_schema.to_schema()


@pytest.mark.parametrize("framework", ["fastapi", "litestar"])
def test_schemes_scopes_and_endpoints_are_described(framework):
    said = description(framework)
    flow = said["components"]["securitySchemes"]["backstay"]["flows"]["password"]
    assert flow["tokenUrl"] == "/auth/login"
    assert flow["scopes"] == {"orders:read": "Read orders"}
    cookie = {each: said["components"]["securitySchemes"][f"backstay_{each}"] for each in ("cookie", "csrf")}
    assert (cookie["cookie"]["in"], cookie["cookie"]["name"]) == ("cookie", "__Host-access")
    assert (cookie["csrf"]["in"], cookie["csrf"]["name"]) == ("header", "x-csrf-token")
    paths = said["paths"]
    assert {(method, path) for path, item in paths.items() for method in item} >= ENDPOINTS
    assert paths["/orders"]["get"]["security"] == [{"backstay": ["orders:read"]}, {"backstay_cookie": []}]
    assert paths["/auth/sessions"]["get"]["security"] == [{"backstay": []}, {"backstay_cookie": []}]
    changing = {"backstay_cookie": [], "backstay_csrf": []}  # both of them, or a token
    assert paths["/auth/sessions"]["delete"]["security"] == [{"backstay": []}, changing]
    assert "security" not in paths["/auth/login"]["post"]
    (parameter,) = paths["/auth/sessions/{session_id}"]["delete"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("session_id", "path", True)
    login = paths["/auth/login"]["post"]
    body = login["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert body["required"] == ["username", "password"]
    assert set(login["responses"]) >= {"200", "400", "401", "429", "503"}
    assert "application/problem+json" in login["responses"]["401"]["content"]


@pytest.mark.parametrize("framework", ["fastapi", "litestar"])
def test_who_takes_no_cookies_describes_none(framework, monkeypatch):
    monkeypatch.setattr(applications, "authenticator", lambda people: Authenticator(people.load))
    said = description(framework)
    assert set(said["components"]["securitySchemes"]) == {"backstay"}
    assert said["paths"]["/auth/sessions"]["delete"]["security"] == [{"backstay": []}]


CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection,ignored_auth"
)
ENDING = ("POST /auth/logout", "POST /auth/revoke", "DELETE /auth/sessions", "DELETE /auth/sessions/{session_id}")
ROOT_USER = {"username": "root", "password": "Wind-hard-over-the-Marsh-9"}
DEMOS = {"fastapi": ("prices.service", "openapi.json"), "litestar": ("prices.on_litestar", "schema/openapi.json")}


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("framework", DEMOS)
async def test_the_demo_does_what_it_describes_and_never_fails(framework, monkeypatch, tmp_path):
    """schemathesis sends what the description allows and what it does not: as nobody, and as an admin."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.delenv("BACKSTAY_DATABASE_URL", raising=False)
    module, path = DEMOS[framework]
    async with served(importlib.import_module(module).create_app()) as host:
        await generated(tmp_path, f"http://{host}/{path}")
        async with httpx2.AsyncClient(base_url=f"http://{host}") as client:
            made = await client.post("/signup", json=ROOT_USER | {"email": "root@example.org"})
            login = await client.post("/auth/login", data=ROOT_USER | {"transport": "token"})
            assert (made.status_code, login.status_code) == (201, 200)
            bearer = f"Authorization: Bearer {login.json()['access_token']}"
            # All but what would end the session, and with it the run's purpose.
            kept = [word for name in ENDING for word in ("--exclude-name", name)]
            await generated(tmp_path, f"http://{host}/{path}", "-H", bearer, *kept)
            still = await client.get("/admin", headers=dict([bearer.split(": ", 1)]))
            assert still.status_code == 200


async def generated(place: Path, url: str, *options: str) -> None:
    program = str(Path(sys.executable).with_name("st"))
    nightly = "BACKSTAY_NIGHTLY" in os.environ
    much = ["-n", "300"] if nightly else ["-n", "25", "--seed", "1"]  # each run the same, but for the night's
    ran = await asyncio.to_thread(
        subprocess.run,
        [program, "run", url, "-c", CHECKS, *much, "--no-color", "--continue-on-failure", *options],
        cwd=place, capture_output=True, text=True, check=False, timeout=900,  # it writes its notes where it is
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert "Selected: " in ran.stdout
