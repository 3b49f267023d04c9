"""Start the price service, walk through it with real HTTP requests, and say what happened and how long it took.

``python examples/prices/walkthrough.py`` runs on the embedded default, or on the Redis that BACKSTAY_REDIS_URL
names. ``--serve`` leaves the service up afterwards, ``--port`` chooses where it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx2
import uvicorn

from prices.service import create_app

CALLERS = 200
SOURCE_SECONDS = 0.2
"""What the price source is made to take, as one across a network would: the file beside us is too quick for
callers to meet."""


class Walk:
    """The steps. Each one asserts what it shows."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def run(self) -> None:
        """All steps, in order."""
        with step("the service is alive and ready") as say:
            await self._get("/healthz")
            report = await self._get("/readyz")
            assert report["ok"]
            say(", ".join(f"{name}: {'ok' if p['ok'] else p['detail']}" for name, p in report["probes"].items()))
        with step("forget what an earlier run left behind") as say:
            say((await self._forget("AAPL"))["outcome"])
        await self._one_symbol()
        await self._many_callers()
        await self._refusals()
        await self._invalidation()
        await self._accounts()
        with step("what the cache did") as say:
            counts = await self._counts()
            asked = _asked(counts)
            spared = 1 - (counts["computed"] + counts["failed"]) / asked
            say(
                f"{counts['computed']} computed, {counts['hits']} hits, {counts['coalesced']} waited for another: "
                f"{spared:.0%} of {asked} look-ups computed nothing"
            )

    async def _one_symbol(self) -> None:
        before = await self._counts()
        with step("GET /prices/AAPL?date=2009-12-24: computed") as say:
            first = await self._get("/prices/AAPL?date=2009-12-24")
            say(
                f"{first['price']} USD, {first['months']}-month average {first['average']}, "
                f"between {first['low']} and {first['high']}, {first['yearly_return']:+.1%} in a year"
            )
        with step("the same once more: a hit") as say:
            assert await self._get("/prices/AAPL?date=2009-12-24") == first
            say("the same answer")
        with step("another day of that month: a hit") as say:
            assert await self._get("/prices/aapl?date=2009-12-01") == first
            say("one entry per month")
        after = await self._counts()
        assert after["computed"] - before["computed"] == 1, (before, after)
        assert after["hits"] - before["hits"] == 2, (before, after)

    async def _many_callers(self) -> None:
        await self._forget("MSFT")
        before = await self._counts()
        with step(f"{CALLERS} callers at once on a cold key") as say:
            async with asyncio.TaskGroup() as group:
                callers = [group.create_task(self._get("/prices/MSFT?date=2008-10-01")) for _ in range(CALLERS)]
            assert all(caller.result() == callers[0].result() for caller in callers)
            after = await self._counts()
            computed = after["computed"] - before["computed"]
            say(f"{computed} computation, {CALLERS} equal answers")
        assert computed == 1, (before, after)
        assert _asked(after) - _asked(before) == CALLERS, (before, after)

    async def _refusals(self) -> None:
        with step("what cannot be answered") as say:
            told = []
            for path, expected in (
                ("/prices/NONE", 404),
                ("/prices/GOOG?date=1999-01-01", 404),
                ("/prices/GOOG?date=tomorrow", 422),
                ("/prices/*:*", 422),
            ):
                response = await self._client.get(path)
                assert response.status_code == expected, (path, response.status_code)
                told.append(f"{path} {expected}")
            say(", ".join(told))

    async def _invalidation(self) -> None:
        before = await self._counts()
        with step("DELETE /prices/AAPL/cached: invalidate") as say:
            answer = await self._forget("AAPL")
            say(f"{answer['pattern']}: {answer['outcome']}")
        with step("GET /prices/AAPL?date=2009-12-24: computed anew"):
            await self._get("/prices/AAPL?date=2009-12-24")
        with step("GET /prices/MSFT?date=2008-10-01: untouched, a hit"):
            await self._get("/prices/MSFT?date=2008-10-01")
        after = await self._counts()
        assert after["computed"] - before["computed"] == 1, (before, after)
        assert after["hits"] - before["hits"] == 1, (before, after)

    async def _accounts(self) -> None:
        name, password = f"ada-{secrets.token_hex(4)}", "Wind-hard-over-the-Marsh-9"
        with step("sign up, sign in, and a route for users") as say:
            nobody = await self._client.get("/protected")
            new = {"username": name, "email": f"{name}@example.org", "password": password}
            made = await self._client.post("/signup", json=new)
            login = {"username": name, "password": password, "transport": "token"}
            tokens = (await self._client.post("/auth/login", data=login)).json()
            bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
            found = await self._client.get("/protected", headers=bearer)
            assert (nobody.status_code, made.status_code, found.json()) == (401, 201, {"user": name})
            say(f"nobody {nobody.status_code}, {name} {found.status_code}")
        with step("sign out: the access token ends at once") as say:
            await self._client.post("/auth/logout", data={"refresh_token": tokens["refresh_token"]})
            late = await self._client.get("/protected", headers=bearer)
            assert late.status_code == 401
            say(f"{late.status_code} {late.headers['www-authenticate'].partition(', ')[2]}")

    async def _get(self, path: str) -> dict:
        response = await self._client.get(path)
        response.raise_for_status()
        return response.json()

    async def _forget(self, symbol: str) -> dict:
        response = await self._client.delete(f"/prices/{symbol}/cached")
        response.raise_for_status()
        return response.json()

    async def _counts(self) -> dict[str, int]:
        nothing = dict.fromkeys(("computed", "failed", "hits", "misses", "coalesced"), 0)
        return nothing | (await self._get("/stats"))["namespaces"].get("prices", {})


def _asked(counts: dict[str, int]) -> int:
    return counts["hits"] + counts["misses"]


@contextmanager
def step(title: str) -> Iterator:
    """Print the step, how long it took, and what it has to say."""
    said: list[str] = []
    began = time.perf_counter()
    yield said.append
    took = (time.perf_counter() - began) * 1000
    print(f"{took:8.1f} ms  {title:<52} {' '.join(said)}".rstrip(), flush=True)


@asynccontextmanager
async def served(port: int) -> AsyncIterator[tuple[str, asyncio.Task]]:
    """The service under uvicorn on `port` (0: any free one): its address, and the task that it runs in."""
    # With the protocol spelt out, or asyncio would not turn Nagle's delay off: 40 ms for each response.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    server = uvicorn.Server(
        uvicorn.Config(create_app(source_seconds=SOURCE_SECONDS), log_level="warning", lifespan="on")
    )
    async with asyncio.TaskGroup() as group:
        # The socket already listens: a request that comes before the service is up waits for it.
        running = group.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", running
        finally:
            server.should_exit = True
            await asyncio.wait([running])
            listener.close()


async def main(*, port: int, stay: bool) -> None:
    """Walk, and stay if asked to."""
    on = "the Redis of BACKSTAY_REDIS_URL" if "BACKSTAY_REDIS_URL" in os.environ else "the embedded default"
    async with served(port) as (url, running):
        print(f"The price service on {on}, at {url}")
        print(f"(its price source is made to take {SOURCE_SECONDS * 1000:.0f} ms, as a distant one would)\n")
        # Enough connections that all callers really ask at once.
        limits = httpx2.Limits(max_connections=CALLERS)
        async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
            await Walk(client).run()
        if stay:
            print(f"\nServing at {url} (try {url}/docs); Ctrl-C ends it.", flush=True)
            await running
        else:
            print("\nEverything was as it should be.", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--serve", action="store_true", help="leave the service up afterwards")
    parser.add_argument("--port", type=int, default=0, help="where to listen; any free port if not given")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    try:
        asyncio.run(main(port=arguments.port, stay=arguments.serve))
    except KeyboardInterrupt:
        print("\nEnded.")
