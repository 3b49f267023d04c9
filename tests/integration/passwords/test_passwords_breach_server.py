"""A breach source on the other side of a real socket, and all that it can do wrong."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from contextlib import suppress

import anyio
import pytest

from backstay import Backstay, Settings
from backstay.clock import ManualClock
from backstay.events import Emitter
from backstay.passwords import About, PwnedRanges, UrllibTransport
from backstay.passwords.breach.ranges import MemoryRangeCache
from backstay.passwords.events import BreachLookedUp, BreachSourceFailed
from backstay.secret import Secret
from backstay.settings import PasswordSettings

pytestmark = pytest.mark.asyncio
PASSWORD = "correct horse 77 staple"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
PREFIX, SUFFIX = DIGEST[:5], DIGEST[5:]
PADDING = "A" * 35 + ":0"
HIT = f"{'0' * 35}:3\r\n{SUFFIX}:42\r\n{PADDING}"


def answer(body="", status="200 OK", headers=(), *, length=None):
    data = body.encode()
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(data) if length is None else length}", *headers]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + data


class Server:
    """Sends whatever bytes it is told to, and remembers the requests."""

    def __init__(self):
        self.reply = answer(HIT)
        self.drip = self.hang = self.reset = False
        self.requests = []
        self.asked, self.closing = threading.Event(), False
        self.released = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/range/"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with self._socket:
            while True:
                client, _ = self._socket.accept()
                if self.closing:
                    client.close()
                    return
                with client, suppress(OSError):
                    self._answer(client)

    def _answer(self, client):
        self.requests.append(client.recv(65_536).decode())
        self.asked.set()
        if self.hang:
            self.released.wait(30)
        elif self.reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif self.drip:
            for byte in self.reply:
                client.sendall(bytes([byte]))
                if self.released.wait(0.02):
                    return
        else:
            client.sendall(self.reply)

    def close(self):
        self.closing = True
        self.released.set()
        with suppress(OSError):
            socket.create_connection(self._socket.getsockname(), timeout=5).close()
        self._thread.join()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


def ranges_of(server, **options):
    return PwnedRanges(UrllibTransport(), **{"url": server.url, "timeout": 5.0, **options})


async def state_of(server, **options):
    return (await ranges_of(server, **options).look_up(Secret(PASSWORD))).state


CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "a hit among others": (answer(HIT), "breached"),
    "a hit in small letters": (answer(HIT.lower()), "breached"),
    "rows ending in line feeds": (answer(HIT.replace("\r\n", "\n") + "\n\n"), "breached"),
    "a hit, chunked": (f"{CHUNKED}{len(HIT):x}\r\n{HIT}\r\n0\r\n\r\n".encode(), "breached"),
    "no hit": (answer(f"{'0' * 35}:3\r\n{PADDING}"), "clear"),
    "padding only": (answer(PADDING), "clear"),
    "a padding row that is ours": (answer(f"{SUFFIX}:0\r\n{'0' * 35}:3"), "clear"),
    "our prefix where the suffix belongs": (answer(f"{DIGEST}:5"), "unknown"),
    "no rows": (answer(""), "unknown"),
    "a page": (answer("<html>login</html>"), "unknown"),
    "one row cut short": (answer(f"{HIT}\r\n{'0' * 20}"), "unknown"),
    "one row without a count": (answer(f"{HIT}\r\n{'0' * 35}"), "unknown"),
    "a negative count": (answer(f"{SUFFIX}:-1"), "unknown"),
    "a count of absurd size": (answer(f"{SUFFIX}:{'9' * 13}"), "unknown"),
    "bytes that are no text": (answer().replace(b"Length: 0", b"Length: 4") + b"\xff\xfe\0\1", "unknown"),
    "an error of the server": (answer(HIT, "500 Oops"), "unknown"),
    "not found": (answer("", "404 Not Found"), "unknown"),
    "forbidden": (answer(HIT, "403 Forbidden"), "unknown"),
    "a redirection": (answer("", "301 Moved", ["Location: http://127.0.0.1:1/"]), "unknown"),
    "too many requests": (answer("", "429 Slow Down", ["Retry-After: 7"]), "unknown"),
    "cut by the length": (answer(HIT, length=len(HIT) + 100), "unknown"),
    "cut in a chunk": (f"{CHUNKED}{len(HIT) + 100:x}\r\n{HIT}".encode(), "unknown"),
    "too large": (answer((f"{'0' * 35}:3\r\n") * 120_000), "unknown"),
    "no HTTP": (b"220 mail.example ESMTP\r\n", "unknown"),
    "nothing at all": (b"", "unknown"),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, "unknown"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_an_answer_is_one_of_three_states_and_no_exception(server, case):
    server.reply, expected = ANSWERS[case]
    assert await state_of(server) == expected
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["hang", "drip"])
async def test_a_slow_source_is_given_up_in_time(server, how):
    setattr(server, how, True)
    began = time.monotonic()
    assert await state_of(server, timeout=0.3) == "unknown"
    assert time.monotonic() - began < 5


async def test_a_source_that_resets_or_refuses_is_unknown(server):
    server.reset = True
    assert await state_of(server) == "unknown"
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert await state_of(server, url=f"http://127.0.0.1:{port}/") == "unknown"


async def test_five_digits_leave_the_process_with_a_wish_for_padding_and_nothing_else(server):
    await state_of(server)
    (request,) = server.requests
    line, *headers = request.strip().split("\r\n")
    assert line == f"GET /range/{PREFIX} HTTP/1.1"
    assert "Add-Padding: true" in headers
    assert SUFFIX[:6] not in request
    assert not [each for each in headers if each.lower().startswith(("cookie", "referer", "authorization"))]


# ---- one flight per prefix, and the cache


def with_prefix(*prefixes):
    """One password for each prefix."""
    wanted, number, found = set(prefixes), 0, {}
    while wanted:
        digest = hashlib.sha1(str(number).encode()).hexdigest().upper()
        if digest[:2] in wanted:
            wanted.discard(digest[:2])
            found[digest[:2]] = Secret(str(number))
        number += 1
    return list(found.values())


async def test_a_thousand_who_ask_at_once_make_one_request_a_prefix(server):
    server.reply = answer(f"{'0' * 35}:3")
    ranges, states = ranges_of(server), []
    passwords = with_prefix("00", "01", "02", "03")

    async def ask(password):
        states.append((await ranges.look_up(password)).state)

    async with anyio.create_task_group() as group:
        for number in range(1000):
            group.start_soon(ask, passwords[number % 4])
    assert states == ["clear"] * 1000
    assert len(server.requests) == 4


async def test_a_failed_flight_is_one_failure_for_all_who_were_on_it(server):
    server.reply = answer("", "500 Oops")
    ranges, states = ranges_of(server), []

    async def ask():
        states.append((await ranges.look_up(Secret(PASSWORD))).state)

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)
    assert states == ["unknown"] * 50
    assert len(server.requests) <= 2


async def test_who_waits_goes_on_when_the_one_who_asked_is_cancelled(server):
    server.hang = True
    ranges, states = ranges_of(server), []

    async def ask():
        states.append((await ranges.look_up(Secret(PASSWORD))).state)

    async with anyio.create_task_group() as followers:
        async with anyio.create_task_group() as leader:
            leader.start_soon(ask)
            assert await anyio.to_thread.run_sync(server.asked.wait, 30)
            followers.start_soon(ask)
            followers.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            server.hang = False
            leader.cancel_scope.cancel()
        server.released.set()
    assert states == ["breached", "breached"]
    assert len(server.requests) == 2


async def test_an_answer_is_asked_for_once_in_its_time(server):
    clock = ManualClock()
    cache = MemoryRangeCache(clock=clock)
    ranges = ranges_of(server, cache=cache, ttl=3600.0, clock=clock)
    for seconds in (0, 3599):
        clock.advance(seconds)
        assert (await ranges.look_up(Secret(PASSWORD))).state == "breached"
    assert len(server.requests) == 1
    clock.advance(1)
    await ranges.look_up(Secret(PASSWORD))
    assert len(server.requests) == 2
    # What failed is not kept.
    clock.advance(3600)
    server.reply = answer("", "500 Oops")
    assert (await ranges.look_up(Secret(PASSWORD))).state == "unknown"
    server.reply = answer(HIT)
    assert (await ranges.look_up(Secret(PASSWORD))).state == "breached"


class Away(MemoryRangeCache):
    async def get(self, key, /):
        raise ConnectionError("the cache is down")

    async def set(self, key, value, /, *, ttl):
        raise ConnectionError("the cache is down")


async def test_a_cache_that_is_down_costs_a_request_and_nothing_else(server):
    ranges = ranges_of(server, cache=Away())
    for _ in range(2):
        assert (await ranges.look_up(Secret(PASSWORD))).state == "breached"
    assert len(server.requests) == 2


async def test_the_least_recently_used_answer_makes_room():
    cache = MemoryRangeCache(max_entries=2)
    await cache.set("a", b"1", ttl=60)
    await cache.set("b", b"2", ttl=60)
    assert await cache.get("a") == b"1"
    await cache.set("c", b"3", ttl=60)
    assert [await cache.get(key) for key in "abc"] == [b"1", None, b"3"]


@pytest.mark.redis
async def test_two_workers_of_an_application_ask_once_and_share_the_answer_on_redis(server, redis_server):
    password = PasswordSettings(preset="strong", breach_online=True, breach_url=server.url)
    settings = Settings(redis_url=Secret(redis_server.url), password=password)
    for _ in range(2):
        async with Backstay.open(settings) as kit:
            assert (await kit.passwords.check(PASSWORD, About())).codes == ("breached",)
    assert len(server.requests) == 1


# ---- the breaker


async def test_a_source_that_fails_is_left_alone_and_tried_by_one_after_a_pause(server):
    clock, heard = ManualClock(), []
    server.reply = answer("", "500 Oops")
    ranges = ranges_of(server, break_after=3, break_for=30.0, clock=clock, emitter=Emitter([heard.append]))
    passwords = with_prefix(*(f"{number:02X}" for number in range(10)))
    for password in passwords:
        assert (await ranges.look_up(password)).state == "unknown"
    assert len(server.requests) == 3
    assert [event.open for event in heard if isinstance(event, BreachSourceFailed)] == [False, False, True]
    assert len([event for event in heard if isinstance(event, BreachLookedUp)]) == 10
    clock.advance(30)
    async with anyio.create_task_group() as group:
        for password in passwords:
            group.start_soon(ranges.look_up, password)
    assert len(server.requests) == 4
    server.reply = answer(f"{'0' * 35}:3")
    clock.advance(30)
    for password in passwords:
        assert (await ranges.look_up(password)).state == "clear"


@pytest.mark.parametrize(
    ("header", "pause"), [("100", 100), ("1", 30), ("99999", 3600), ("tomorrow", 0), ("-5", 0)]
)
async def test_a_source_that_names_a_pause_gets_it_up_to_an_hour(server, header, pause):
    clock = ManualClock()
    server.reply = answer("", "429 Slow Down", [f"Retry-After: {header}"])
    ranges = ranges_of(server, break_after=5, break_for=30.0, clock=clock)
    await ranges.look_up(Secret(PASSWORD))
    server.reply = answer(HIT)
    if pause:
        clock.advance(pause - 0.5)
        assert (await ranges.look_up(Secret(PASSWORD))).state == "unknown"
        clock.advance(1)
    assert (await ranges.look_up(Secret(PASSWORD))).state == "breached"
