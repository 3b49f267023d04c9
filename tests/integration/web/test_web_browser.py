"""A real browser signs in by cookie, and what pages of other sites make it send changes nothing.

The services are the demo's three; each stands behind TLS under a name of its own, as in production. The foreign
pages are of another site, from which the browser itself withholds cookies, and of a sibling host, to which it
gives them all: there only the service's own look at where a request comes from is left.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse
from starlette.routing import Route

from backstay import SystemClock
from backstay.container import current_backstay
from backstay.testing.tls_front import Certificate, TlsFront, make_certificate
from backstay.web.auth import SUBPROTOCOL, Authenticator, CookieNames, Transport

from . import applications
from .applications import FRAMEWORKS, PASSWORD, People
from .browser import Browser, Page, browsing
from .serving import served

pytestmark = pytest.mark.asyncio
EXAMPLES = Path(__file__).parents[3] / "examples"
SERVICES = {"fastapi": "prices.service", "starlette": "prices.on_starlette", "litestar": "prices.on_litestar"}
ADA = {"username": "ada", "password": "Wind-hard-over-the-Marsh-9"}
MALLORY = {"username": "mallory", "password": "Low-Tide-and-a-Lantern-4"}
TOKENS = {"__Host-access", "__Host-refresh", "__Host-csrf"}


class Places(NamedTuple):
    """A browser and where it can go."""

    browser: Browser
    shop: str
    foreign: str
    """A page of another site."""
    sibling: str
    """A page of another host of the shop's own site."""


@asynccontextmanager
async def places(make: Callable[[str], Any], directory: Path) -> AsyncIterator[Places]:
    """Serve the foreign pages, and the application that is made knowing the sibling's origin, each behind TLS."""

    async def page(_request: Any) -> HTMLResponse:
        return HTMLResponse("<title>Win a boat</title><body></body>")

    certificate = make_certificate(directory)
    async with (
        browsing(certificate.certificate) as browser,
        served(Starlette(routes=[Route("/", page)])) as others,
        behind_tls(others, certificate) as elsewhere,
        served(make(f"https://pages.shop.example:{elsewhere}")) as shop,
        behind_tls(shop, certificate) as port,
    ):
        yield Places(
            browser,
            shop=f"https://shop.example:{port}",
            foreign=f"https://boats.example:{elsewhere}/",
            sibling=f"https://pages.shop.example:{elsewhere}/",
        )


@asynccontextmanager
async def behind_tls(host: str, certificate: Certificate) -> AsyncIterator[int]:
    with TlsFront(int(host.rpartition(":")[2]), certificate) as front:
        yield front.port


async def repeated(page: Page) -> dict[str, str]:
    """The header that a page of the service's own sends: it can read that cookie, and no other one."""
    name, _, value = (await page.run("document.cookie")).partition("=")
    assert name == "__Host-csrf"
    return {"X-CSRF-Token": value}


@pytest.mark.parametrize("framework", SERVICES)
async def test_a_browser_signs_in_and_stays_safe(framework, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delenv("BACKSTAY_DATABASE_URL", raising=False)
    service = importlib.import_module(SERVICES[framework])
    async with places(lambda _sibling: service.create_app(), tmp_path) as (browser, shop, foreign, sibling):
        page = await browser.open(f"{shop}/healthz")
        await signs_in(browser, page)
        await is_safe_from_another_site(browser, shop, foreign)
        await is_safe_from_a_sibling(browser, shop, sibling)
        await can_sign_in_again(page)
        await is_still_signed_in_and_signs_out(browser, page)


async def signs_in(browser: Browser, page: Page) -> None:
    for person in (ADA, MALLORY):
        body = json.dumps(person | {"email": f"{person['username']}@example.org"})
        kind = {"Content-Type": "application/json"}
        status, said = await page.fetch("/signup", method="POST", headers=kind, body=body)
        assert status == 201, said
    assert "csrf_token" in await page.submit("/auth/login", **ADA)
    kept = await browser.cookies()
    assert set(kept) >= TOKENS
    assert all(each["secure"] and each["path"] == "/" for each in kept.values())
    assert {name for name in kept if not kept[name]["httpOnly"]} == {"__Host-csrf"}
    assert {kept[name]["sameSite"] for name in TOKENS - {"__Host-access"}} == {"Strict"}
    assert await page.fetch("/protected") == (200, '{"user":"ada"}')
    # Without the header a page of ours sends nothing that changes anything; with it, the session goes on.
    assert (await page.fetch("/auth/refresh", method="POST"))[0] == 403
    assert (await page.fetch("/auth/refresh", method="POST", headers=await repeated(page)))[0] == 200
    renewed = await browser.cookies()
    assert all(renewed[name]["value"] != kept[name]["value"] for name in TOKENS)


async def is_safe_from_another_site(browser: Browser, shop: str, foreign: str) -> None:
    page = await browser.open(foreign)
    assert "authentication is required" in await page.submit(f"{shop}/auth/logout")  # no cookie came with it
    await page.go(foreign)
    assert "cross_site" in await page.submit(f"{shop}/auth/login", **MALLORY)  # nobody is signed in as another
    await page.go(foreign)
    status, why = await page.fetch(f"{shop}/protected", credentials="include")
    assert (status, why) == (0, "TypeError: Failed to fetch")
    # Whoever follows a link from there is signed in all the same.
    assert await page.leave_by(f"location.href = '{shop}/protected'") == '{"user":"ada"}'


async def is_safe_from_a_sibling(browser: Browser, shop: str, sibling: str) -> None:
    before = await browser.cookies()
    page = await browser.open(sibling)
    assert "cross_site" in await page.submit(f"{shop}/auth/logout")  # with all cookies, and refused
    await page.go(sibling)
    assert "cross_site" in await page.submit(f"{shop}/auth/refresh")
    await page.go(sibling)
    assert "cross_site" in await page.submit(f"{shop}/auth/login", **MALLORY)
    await page.go(sibling)
    # Nor can it plant a cookie whose value it would know and repeat.
    await page.run("document.cookie = '__Host-csrf=known; Path=/; Secure; Domain=shop.example'")
    await page.run("document.cookie = '__Host-access=known; Path=/; Secure; Domain=shop.example'")
    assert {name: each["value"] for name, each in (await browser.cookies()).items()} == {
        name: each["value"] for name, each in before.items()
    }


async def can_sign_in_again(page: Page) -> None:
    """Though it still has the cookies of a session that was ended elsewhere, and those come along."""
    _, said = await page.fetch("/auth/sessions")
    await current_backstay.get().tokens.revoke_session(json.loads(said)["sessions"][0]["id"])
    assert (await page.fetch("/protected"))[0] == 401
    assert "csrf_token" in await page.submit("/auth/login", **ADA)


async def is_still_signed_in_and_signs_out(browser: Browser, page: Page) -> None:
    assert await page.fetch("/protected") == (200, '{"user":"ada"}')
    status, _ = await page.fetch("/auth/logout", method="POST", headers=await repeated(page))
    assert status == 204
    assert not TOKENS & set(await browser.cookies())
    assert (await page.fetch("/protected"))[0] == 401


LISTEN = """new Promise((resolve) => {
    const socket = new WebSocket(%s, %s);
    socket.onmessage = (message) => { resolve(message.data); socket.close(); };
    socket.onerror = () => resolve("refused");
})"""


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_browser_opens_a_socket_by_cookie_and_by_token(framework, tmp_path):
    async with places(lambda _: FRAMEWORKS[framework](People(), SystemClock()), tmp_path) as found:
        browser, shop, _, sibling = found
        token = (await current_backstay.get().tokens.issue("ada", client_id="web")).access_token
        address = f"{shop.replace('https', 'wss')}/echo"

        async def listen(page: Page, *protocols: str) -> str:
            return await page.run(LISTEN % (json.dumps(address), json.dumps(protocols)))

        page, other = await browser.open(f"{shop}/healthz"), await browser.open(sibling)
        assert await listen(page) == "refused"
        assert "csrf_token" in await page.submit("/auth/login", username="ada", password=PASSWORD)
        assert await listen(page) == "Ada"
        assert await listen(other) == "refused"  # its cookies come along, and its origin is not ours
        assert await listen(other, SUBPROTOCOL, token) == "Ada"  # a token is nobody's but its sender's


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_trusted_origin_may_send_our_cookies(framework, monkeypatch, tmp_path):
    """A page on another host of the site, told to be ours; CORS, which lets it read answers, is not our part."""

    def make(sibling: str) -> Any:
        transport = Transport(cookies=CookieNames(), trusted_origins=frozenset({sibling}))
        monkeypatch.setattr(applications, "authenticator", lambda it: Authenticator(it.load, transport=transport))
        return CORSMiddleware(
            FRAMEWORKS[framework](People(), SystemClock()),
            allow_origins=[sibling], allow_credentials=True, allow_methods=["POST"], allow_headers=["x-csrf-token"],
        )  # fmt: skip

    async with places(make, tmp_path) as (browser, shop, foreign, sibling):
        trusted, stranger = await browser.open(sibling), await browser.open(foreign)
        other = await browser.open(sibling.replace("pages", "others"))
        form = {"method": "POST", "credentials": "include", "body": f"username=ada&password={PASSWORD}"}
        form |= {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}
        status, said = await trusted.fetch(f"{shop}/auth/login", **form)
        assert (status, set(await browser.cookies())) == (200, TOKENS)
        change = {"method": "POST", "credentials": "include"}
        assert (await trusted.fetch(f"{shop}/change", **change))[0] == 403  # being trusted spares nobody the header
        change |= {"headers": {"X-CSRF-Token": json.loads(said)["csrf_token"]}}
        assert await trusted.fetch(f"{shop}/change", **change) == (200, '{"user":"Ada"}')
        for page in (stranger, other):
            assert (await page.fetch(f"{shop}/change", **change))[0] == 0
            assert "cross_site" in await page.submit(f"{shop}/auth/login", username="ada", password=PASSWORD)
        address = f"{shop.replace('https', 'wss')}/echo"
        assert await trusted.run(LISTEN % (json.dumps(address), "[]")) == "Ada"
        await other.go(sibling.replace("pages", "others"))
        assert await other.run(LISTEN % (json.dumps(address), "[]")) == "refused"
