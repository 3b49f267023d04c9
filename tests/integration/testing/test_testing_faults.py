"""Each fault of the proxy does to a real connection what it says."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from backstay.testing.faults import (
    Blackhole,
    Corrupt,
    Drip,
    FaultProxy,
    HalfClose,
    Jitter,
    Latency,
    Refuse,
    ResetMidReply,
)
from backstay.testing.redis_server import RedisServer
from backstay.testing.resp import RespClient

pytestmark = pytest.mark.redis


@pytest.fixture
def proxy(redis_server: RedisServer, fault_proxy):
    with redis_server.client() as client:
        client.call("SET", "testing:key", "value")
    return fault_proxy(redis_server.port)


@pytest.fixture
def client(proxy):
    with RespClient(proxy.port, timeout=2) as client:
        yield client


def test_without_a_fault_everything_passes(client, proxy):
    assert client.call("GET", "testing:key") == b"value"
    assert client.call("SET", "testing:large", "x" * 300_000) == b"OK"
    assert client.call("GET", "testing:large") == b"x" * 300_000
    assert proxy.accepted == 1


def test_latency_delays_the_reply(client, proxy):
    proxy.fault = Latency(seconds=0.15)
    started = time.monotonic()
    assert client.call("GET", "testing:key") == b"value"
    assert time.monotonic() - started >= 0.15


def test_a_drip_delivers_byte_by_byte(client, proxy):
    proxy.fault = Drip(seconds=0.01)
    started = time.monotonic()
    assert client.call("GET", "testing:key") == b"value"
    assert time.monotonic() - started >= 0.01 * len(b"$5\r\nvalue")


def test_a_drip_ends_when_it_is_healed(client, proxy):
    client.call("SET", "testing:long", "x" * 1000)
    proxy.fault = Drip(seconds=0.05)
    client._socket.sendall(b"*2\r\n$3\r\nGET\r\n$12\r\ntesting:long\r\n")
    assert client._file.read(2) == b"$1"
    proxy.fault = None
    assert client._file.read(1006) == b"000\r\n" + b"x" * 1000 + b"\r"


def test_a_reset_comes_in_the_middle_of_a_reply(client, proxy):
    proxy.fault = ResetMidReply(after=3)
    with pytest.raises(ConnectionError):
        client.call("GET", "testing:key")


def test_a_half_close_ends_the_stream_without_a_reply(client, proxy):
    proxy.fault = HalfClose()
    with pytest.raises(ConnectionError, match="closed the connection"):
        client.call("GET", "testing:key")


def test_a_blackhole_swallows_until_it_is_healed(client, proxy):
    proxy.fault = Blackhole()
    client._socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.call("GET", "testing:key")
    proxy.fault = None
    with RespClient(proxy.port) as other:
        assert other.call("GET", "testing:key") == b"value"


def test_corruption_changes_one_byte_of_the_value(client, proxy):
    proxy.fault = Corrupt()
    assert client.call("GET", "testing:key") == b"valud"


def test_refused_connections_are_reset_old_and_new(client, proxy):
    proxy.fault = Refuse()
    with pytest.raises(ConnectionError):
        client.call("GET", "testing:key")
    with pytest.raises(ConnectionError), RespClient(proxy.port) as new:
        new.call("PING")
    proxy.fault = None
    with RespClient(proxy.port) as healed:
        assert healed.call("GET", "testing:key") == b"value"


def test_a_dead_server_behind_the_proxy_resets_its_clients(proxy, redis_server: RedisServer):
    redis_server.kill()
    with pytest.raises(ConnectionError), RespClient(proxy.port) as client:
        client.call("PING")


@pytest.mark.parametrize("fault", [Latency(seconds=0.2), Jitter(most=0.2)])
def test_what_is_under_way_is_delayed_side_by_side_and_stays_in_order(client, proxy, fault):
    proxy.fault = fault
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:  # one connection: replies in between requests, each a chunk of its own
        reading = pool.submit(lambda: [client.receive() for _ in range(8)])
        for number in range(8):
            client.send("ECHO", number)
            time.sleep(0.02)
        assert reading.result() == [b"%d" % number for number in range(8)]
    assert time.monotonic() - started < 0.2 + 8 * 0.02 + 0.3


def test_closing_while_somebody_connects_leaves_nothing_open(redis_server, monkeypatch):
    left_open = []
    monkeypatch.setattr(sys, "unraisablehook", left_open.append)

    def knock(port: int, knocked: threading.Event) -> None:
        with suppress(OSError):  # refused, once it is closed
            while True:
                socket.create_connection(("127.0.0.1", port), timeout=2).close()
                knocked.set()

    with ThreadPoolExecutor() as pool:
        for _ in range(40):
            knocked = threading.Event()
            with FaultProxy(redis_server.port) as proxy:
                knocking = pool.submit(knock, proxy.port, knocked)
                assert knocked.wait(timeout=10)
            knocking.result(timeout=10)
    gc.collect()
    assert left_open == []
