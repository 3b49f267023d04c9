"""A real browser, driven over its DevTools protocol: enough to open pages and to run in them what a page would."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 30
"""Seconds: a browser that has not answered by then will not."""


def find_chromium() -> str:
    """The program. Skips the test where there is none, which is an error where BACKSTAY_REQUIRE names it."""
    given = os.environ.get("CHROMIUM_BIN")
    found = given or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("chromium is not installed: apt-get install chromium, or name it in CHROMIUM_BIN")
    return found


@asynccontextmanager
async def browsing(certificate: Path) -> AsyncIterator[Browser]:
    """A browser with an empty profile. All names of ``.example`` are this machine, which shows `certificate`."""
    rules = "MAP *.example 127.0.0.1"
    with TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            find_chromium(), "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}",
            f"--ignore-certificate-errors-spki-list={_fingerprint(certificate)}", f"--host-resolver-rules={rules}",
            "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
            *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank",
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                address = await _address(process)
            async with connect(address, max_size=None) as socket, asyncio.TaskGroup() as group:
                browser = Browser(socket)
                reading = group.create_task(browser.read())
                yield browser
                await browser.call("Browser.close")
                reading.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = []
    async for line in process.stderr:
        _, found, address = line.decode().partition("DevTools listening on ")
        if found:
            return address.strip()
        said.append(line.decode())
    raise AssertionError("the browser ended: " + "".join(said[-20:]))


def _fingerprint(certificate: Path) -> str:
    # Of the public key, as Chromium wants it: this very key is trusted, for whatever name.
    key = load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return base64.b64encode(
        sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


class Browser:
    """One browser: commands out, answers and events in."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.loads: dict[str, asyncio.Queue[None]] = {}
        """For each page, that it has loaded once more."""

    async def read(self) -> None:
        """Hand out what the browser says, until it goes."""
        async for text in self._socket:
            said = json.loads(text)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] == "Page.loadEventFired":
                self.loads[said["sessionId"]].put_nowait(None)

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """One command and its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        to = {} if session is None else {"sessionId": session}
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **to}))
        async with asyncio.timeout(PATIENCE):
            said = await answer
        assert "error" not in said, (method, said)
        return said["result"]

    async def open(self, url: str) -> Page:
        """A new tab, at a page that has loaded. All tabs share their cookies."""
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        self.loads[session] = asyncio.Queue()
        page = Page(self, session)
        await self.call("Page.enable", session)
        await page.go(url)
        return page

    async def cookies(self) -> dict[str, dict[str, Any]]:
        """All that it keeps, by name, with those that no page can read."""
        return {each["name"]: each for each in (await self.call("Storage.getCookies"))["cookies"]}


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    async def go(self, url: str) -> str:
        """Go there as if by the address bar: what the page then says."""
        return await self._arriving(self._browser.call("Page.navigate", self._session, url=url))

    async def run(self, script: str) -> Any:
        """The value of a script of the page's own; a promise's once it is kept."""
        said = await self._browser.call(
            "Runtime.evaluate",
            self._session,
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def leave_by(self, script: str) -> str:
        """Run a script that takes the tab elsewhere, as submitting a form does: what the page there says."""
        return await self._arriving(self.run(script))

    async def submit(self, action: str, **fields: str) -> str:
        """Submit a form of this page's: what the page that answers says."""
        return await self.leave_by(f"""
            const made = (kind, values) => Object.assign(document.createElement(kind), values);
            const form = made("form", {{method: "post", action: {json.dumps(action)}}});
            const fields = Object.entries({json.dumps(fields)});
            form.append(...fields.map(([name, value]) => made("input", {{name, value}})));
            document.body.append(form);
            form.submit();
        """)

    async def fetch(self, url: str, **options: Any) -> tuple[int, str]:
        """What a script of this page is told: status and body; 0 and the reason where it may not know."""
        status, body = await self.run(
            f"fetch({json.dumps(url)}, {json.dumps(options)})"
            ".then(async (answer) => [answer.status, await answer.text()], (error) => [0, String(error)])"
        )
        return status, body

    async def _arriving(self, leaving: Any) -> str:
        loads = self._browser.loads[self._session]
        while not loads.empty():
            loads.get_nowait()
        await leaving
        async with asyncio.timeout(PATIENCE):
            await loads.get()
        return await self.run("document.body.innerText")
