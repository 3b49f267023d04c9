"""WebSockets in three frameworks on three servers: who gets in, and what becomes of it while it is open."""

from __future__ import annotations

import asyncio
import json

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from backstay import ManualClock
from backstay.container import current_backstay
from backstay.web.auth import SUBPROTOCOL

from .applications import FRAMEWORKS, People
from .serving import SERVERS, served
from .test_web_parity import ANONYMOUS, FORBIDDEN, FORGED, INVALID, MISSING, UNAUTHORIZED, insufficient

everywhere = [
    pytest.mark.asyncio,
    pytest.mark.parametrize("framework", FRAMEWORKS),
    pytest.mark.parametrize("server", SERVERS),
]
pytestmark = everywhere


async def issue(user: str = "ada", **options):
    return await current_backstay.get().tokens.issue(user, client_id="web", **options)


def bearer(pair) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair.access_token}"}


async def test_who_gets_in(framework, server):
    clock, people = ManualClock(), People()
    async with served(FRAMEWORKS[framework](people, clock), server) as host:
        pair = await issue()
        expired, root = pair, await issue("root")
        async with connect(f"ws://{host}/echo", additional_headers=bearer(pair)) as socket:
            assert await socket.recv() == "Ada"
            await socket.send("hello")
            assert await socket.recv() == "hello"
        cookie = {"Cookie": f"__Host-access={pair.access_token}"}
        async with connect(f"ws://{host}/echo", additional_headers=cookie, origin=f"http://{host}") as socket:
            assert await socket.recv() == "Ada"
        offered = [SUBPROTOCOL, pair.access_token]
        async with connect(f"ws://{host}/echo", subprotocols=offered) as socket:
            assert socket.subprotocol == SUBPROTOCOL  # and never the token
            assert await socket.recv() == "Ada"
        async with connect(f"ws://{host}/admin-echo", additional_headers=bearer(root)):
            pass
        clock.advance(3600)
        refused = [
            ("/echo", {}, None, 401, ANONYMOUS, MISSING),
            ("/echo", bearer(expired), None, 401, UNAUTHORIZED, INVALID),
            ("/admin-echo", bearer(await issue()), None, 403, FORBIDDEN, insufficient()),
            ("/echo", cookie, "https://evil.example", 403, FORGED, None),
            ("/echo", cookie, None, 403, FORGED, None),
        ]
        for path, headers, origin, status, body, challenge in refused:
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://{host}{path}", additional_headers=headers, origin=origin)
            answer = caught.value.response
            assert (answer.status_code, answer.body.decode()) == (status, body), path
            assert answer.headers.get("www-authenticate") == challenge


async def closed(socket: websockets.ClientConnection) -> tuple[int, str]:
    """The code and the reason with which the server closes."""
    with pytest.raises(ConnectionClosed) as caught:
        await asyncio.wait_for(socket.recv(), 20)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def test_one_that_is_open_ends_with_its_token(framework, server):
    clock, people = ManualClock(), People()
    async with served(FRAMEWORKS[framework](people, clock), server) as host:
        service = current_backstay.get().tokens

        async def opened(pair):
            socket = await connect(f"ws://{host}/echo", additional_headers=bearer(pair))
            assert await socket.recv() == "Ada"
            return socket

        # Revoked while it only listens: found out at the next look, a second later.
        pair = await issue()
        listening = await opened(pair)
        await service.revoke_session(pair.session_id)
        clock.advance(1)
        assert await closed(listening) == (3000, "unauthorized")
        # Revoked while it talks: the very next message is not delivered, however little time has passed.
        pair = await issue()
        talking = await opened(pair)
        await service.revoke(pair.access_token)
        await talking.send("after the revocation")
        assert await closed(talking) == (3000, "unauthorized")
        # All of a user's at once.
        sockets = [await opened(await issue()) for _ in range(3)]
        await service.revoke_user("ada")
        clock.advance(1)
        assert [await closed(socket) for socket in sockets] == [(3000, "unauthorized")] * 3
        # Expired.
        expiring = await opened(await issue())
        clock.advance(600 + 31)
        assert await closed(expiring) == (3000, "unauthorized")
        # The user is gone.
        orphan = await opened(await issue())
        people.gone.add("ada")
        clock.advance(1)
        assert await closed(orphan) == (3000, "unauthorized")
        people.gone.clear()
        # What breaks in a handler closes too, with the reason's code.
        broken = await opened(await issue())
        await broken.send("break")
        assert await closed(broken) == (1013, "try again later")


async def test_a_token_in_the_first_message(framework, server):
    clock, people = ManualClock(), People()
    async with served(FRAMEWORKS[framework](people, clock, first_message=True), server) as host:
        pair = await issue()
        async with connect(f"ws://{host}/echo") as socket:
            await socket.send(f"Bearer {pair.access_token}")
            assert await socket.recv() == "Ada"
            await socket.send("hello")
            assert await socket.recv() == "hello"
            await current_backstay.get().tokens.revoke_session(pair.session_id)
            await socket.send("late")
            assert await closed(socket) == (3000, "unauthorized")
        for first in ("hello", f"Bearer {pair.access_token}", json.dumps({"token": pair.access_token})):
            async with connect(f"ws://{host}/echo") as socket:
                await socket.send(first)
                assert await closed(socket) == (3000, "unauthorized")
        async with connect(f"ws://{host}/admin-echo") as socket:
            await socket.send(f"Bearer {(await issue()).access_token}")
            assert await closed(socket) == (3003, "forbidden")
