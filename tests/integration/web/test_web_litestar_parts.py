"""What only Litestar has: stores over the cache under its own middleware, and commands below its own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import litestar
import pytest
from litestar.config.response_cache import ResponseCacheConfig
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import FromPath
from litestar.stores.registry import StoreRegistry

from backstay import Backstay, ManualClock, Settings
from backstay.container import current_backstay
from backstay.settings import from_env
from backstay.web.litestar import BackstayPlugin, CacheStore, lifespan

from .serving import served
from .test_web_parity import UNAUTHORIZED

ROOT = Path(__file__).parents[3]
NAMES = ["plain", "with spaces and:colons", "*?[a-z]\\", "ünïcode\n", "long" * 5000]


@asynccontextmanager
async def cached_in(backend: str, redis_url: str, clock: ManualClock | None):
    """A Backstay over a real Redis, or over the embedded default with time at our command."""
    environ = {"BACKSTAY_REDIS_URL": redis_url} if backend == "redis" else {}
    async with Backstay.open(from_env(environ=environ), clock=None if backend == "redis" else clock) as kit:
        yield kit


@pytest.mark.redis
@pytest.mark.asyncio
@pytest.mark.parametrize("backend", ["memory", "redis"])
async def test_a_store_keeps_what_litestar_asks_of_one(backend, redis_url, tmp_path):
    async with cached_in(backend, redis_url, ManualClock()):
        store, other = CacheStore(f"a-{tmp_path.name}"), CacheStore(f"b-{tmp_path.name}")
        for name in NAMES:
            assert await store.get(name) is None
            assert not await store.exists(name)
            await store.set(name, f"text of {name[:9]}", expires_in=60)
            await other.set(name, b"\x00bytes", expires_in=timedelta(seconds=60))
            assert await store.get(name) == f"text of {name[:9]}".encode()
            assert await other.get(name) == b"\x00bytes"
            assert await store.exists(name)
        assert len({await store.get(name) for name in NAMES}) == len(NAMES)
        assert 50 <= (await store.expires_in("plain") or 0) <= 60
        assert await store.get("plain", renew_for=600) == b"text of plain"
        assert 590 <= (await store.expires_in("plain") or 0) <= 600
        assert (
            await store.get("plain", renew_for=0) == b"text of plain"
        )  # as in Litestar's own: nothing to renew for
        await store.delete("plain")
        await store.delete("plain")
        assert await store.get("plain") is None
        assert await store.expires_in("plain") is None
        await store.delete_all()
        assert [await store.get(name) for name in NAMES] == [None] * len(NAMES)
        assert await other.get("plain") == b"\x00bytes"
        # What is too large to be kept takes what was there along, and nothing else.
        await store.set("large", "small")
        await store.set("large", b"x" * 2_000_000)
        assert await store.get("large") is None
        await other.delete_all()
        below, further = other.with_namespace("sessions"), other.with_namespace("a*").with_namespace("b")
        near = CacheStore(f"b-{tmp_path.name}2")
        for number, each in enumerate((other, below, further, near)):
            await each.set("k", str(number))
        assert [await each.get("k") for each in (other, below, further, near)] == [b"0", b"1", b"2", b"3"]
        await below.delete_all()
        assert [await each.get("k") for each in (other, below, further, near)] == [b"0", None, b"2", b"3"]
        await other.delete_all()
        assert [await each.get("k") for each in (other, below, further, near)] == [None, None, None, b"3"]
        await near.delete_all()


@pytest.mark.asyncio
async def test_a_store_forgets_on_time():
    clock = ManualClock()
    async with Backstay.open(Settings(), clock=clock):
        store = CacheStore()
        await store.set("a", b"1", expires_in=60)
        await store.set("b", b"1", expires_in=60)
        clock.advance(50)
        assert await store.get("a", renew_for=timedelta(seconds=60)) == b"1"
        clock.advance(20)
        assert (await store.get("a"), await store.get("b")) == (b"1", None)
        assert (await store.exists("b"), await store.expires_in("b")) == (False, None)


@pytest.mark.asyncio
async def test_sessions_limits_and_responses_live_in_the_cache():
    """Litestar's own three users of stores, through a server, until their time is up."""
    clock, computed = ManualClock(), []

    @litestar.get("/visits")
    async def visits(request: litestar.Request) -> int:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return request.session["visits"]

    @litestar.get("/limited", middleware=[RateLimitConfig(rate_limit=("minute", 2), store="limits").middleware])
    async def limited() -> str:
        return "ok"

    @litestar.get("/page/{size:int}", cache=60)
    async def page(size: FromPath[int]) -> str:
        computed.append(size)
        return "x" * size

    app = litestar.Litestar(
        [visits, limited, page],
        plugins=[BackstayPlugin(lifespan=lifespan(None, Settings(), clock=clock))],
        middleware=[ServerSideSessionConfig(store="sessions", max_age=600).middleware],
        stores=StoreRegistry(default_factory=CacheStore().with_namespace),
        response_cache_config=ResponseCacheConfig(store="responses"),
    )
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        assert [(await client.get("/visits")).text for _ in range(3)] == ["1", "2", "3"]
        assert [(await client.get("/limited")).status_code for _ in range(3)] == [200, 200, 429]
        for path in ("/page/5", "/page/5", f"/page/5?q={'a' * 9000}", f"/page/5?q={'a' * 9000}"):
            assert (await client.get(path)).text == "xxxxx"
        assert computed == [5, 5]
        # A page that is too large to be kept is served, and made anew each time.
        for _ in range(2):
            assert len((await client.get("/page/2000000")).text) == 2_000_000
        assert computed == [5, 5, 2_000_000, 2_000_000]
        assert current_backstay.get().cache.stats().namespaces["litestar.sessions"].hits >= 2
        clock.advance(61)
        assert (await client.get("/page/5")).text == "xxxxx"
        assert computed[4:] == [5]
        assert (await client.get("/visits")).text == "4"
        clock.advance(601)
        assert (await client.get("/visits")).text == "1"


@pytest.mark.asyncio
async def test_the_user_of_a_request_refuses_as_soon_as_it_is_asked_for():
    """Without a guard, and whatever of it is asked; a route that asks for nothing answers."""

    @litestar.get("/name")
    async def name(request: litestar.Request) -> str:
        return request.user.username

    @litestar.get("/whether")
    async def whether(request: litestar.Request) -> bool:
        return bool(request.user)

    @litestar.get("/scopes")
    async def scopes(request: litestar.Request) -> list[str]:
        return sorted(request.auth.scopes)

    @litestar.get("/nothing")
    async def nothing(request: litestar.Request) -> bool:
        return request.user is None

    plugin = BackstayPlugin(lifespan=lifespan(None, Settings()))
    app = litestar.Litestar([name, whether, scopes, nothing], plugins=[plugin])
    async with served(app) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        service = current_backstay.get().tokens
        pair = await service.issue("ada", client_id="web", scopes=["a"])
        headers = {"Authorization": f"Bearer {pair.access_token}"}

        async def answers() -> list[tuple[int, str]]:
            found = [await client.get(path, headers=headers) for path in ("/name", "/whether", "/scopes")]
            return [(answer.status_code, answer.text) for answer in found]

        assert await answers() == [(200, "ada"), (200, "true"), (200, '["a"]')]
        await service.revoke_session(pair.session_id)
        assert await answers() == [(401, UNAUTHORIZED)] * 3
        assert (await client.get("/nothing", headers=headers)).text == "false"
        assert (await client.get("/nothing")).text == "true"


APPLICATION = """
from litestar import Litestar
from backstay.web.litestar import BackstayPlugin
app = Litestar(plugins=[BackstayPlugin()])
"""


def test_litestars_command_has_ours_below_it(tmp_path):
    """As an installed backstay announces its command, which is how the plugin finds it."""
    (tmp_path / "served.py").write_text(APPLICATION)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    announced = tmp_path / "backstay-0.dist-info"
    announced.mkdir()
    (announced / "METADATA").write_text("Metadata-Version: 2.1\nName: backstay\nVersion: 0\n")
    (announced / "entry_points.txt").write_text(f"[console_scripts]\nbackstay = {scripts['backstay']}\n")
    program = (sys.executable, "-m", "litestar", "--app", "served:app")
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, *arguments], input=said, env=environment, cwd=tmp_path, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip

    listed = run("backstay", "--help")
    assert listed.returncode == 0, listed.stderr
    for subject in ("index", "migrate", "password", "token"):
        assert subject in listed.stdout
    weak = run("backstay", "password", "check", "--json", said="weak\n")
    assert weak.returncode == 1, weak.stderr
    assert '"ok": false' in weak.stdout.lower() or '"valid": false' in weak.stdout.lower(), weak.stdout
