"""Redis Cluster and Redis Sentinel on one machine, each up in some two seconds."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .redis_server import (
    RedisBinary,
    RedisServer,
    find_redis,
    listen_options,
    redis_on,
    wait_for_replica,
)
from .servers import free_port, running, scratch_directory, wait_until
from .tls_front import Certificate, make_certificate

_SLOTS = 16_384
_NODE_TIMEOUT_MS = 1_000
_DOWN_AFTER_MS = 500
_SERVICE = "backstay"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisCluster:
    """A running Redis Cluster; the masters are named as they were at its start."""

    masters: tuple[RedisServer, ...]
    replicas: tuple[RedisServer, ...]

    @property
    def nodes(self) -> tuple[RedisServer, ...]:
        """All of them, the masters of the start first."""
        return self.masters + self.replicas

    @property
    def url(self) -> str:
        """The address of the first node; a cluster client finds the others through it."""
        return self.masters[0].url.removesuffix("/0")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSentinels:
    """A master and its replicas under the eyes of sentinels, with a quorum of the majority."""

    master: RedisServer
    replicas: tuple[RedisServer, ...]
    sentinels: tuple[RedisServer, ...]
    service: str = _SERVICE

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of every sentinel, as clients want them."""
        return tuple(("127.0.0.1", sentinel.port) for sentinel in self.sentinels)


@contextmanager
def start_redis_cluster(
    binary: RedisBinary | None = None,
    *,
    masters: int = 3,
    replicas: int = 0,
    tls: bool = False,
    password: str | None = None,
) -> Generator[RedisCluster]:
    """Start a cluster with `replicas` for each of `masters`, and wait until all of it serves and follows.

    A master that fails is replaced after some two seconds; slots without a master fail alone, not with all
    others (``cluster-require-full-coverage no``). With `tls`, which the binary must have by itself, the nodes speak
    nothing else, among themselves neither; with a `password` they ask for it.
    """
    binary = binary or find_redis()
    with scratch_directory("cluster") as root:
        certificate = make_certificate(root) if tls else None
        nodes = [_cluster_node(root, binary, certificate, password) for _ in range(masters * (1 + replicas))]
        cluster = RedisCluster(masters=tuple(nodes[:masters]), replicas=tuple(nodes[masters:]))
        with running(*(node.process for node in nodes)):
            _assign_slots(cluster)
            _introduce(cluster)
            _replicate(cluster)
            for node in nodes:
                wait_until(partial(_says, node, "CLUSTER INFO", "cluster_state:ok"), "the cluster to serve")
            yield cluster


def _cluster_node(
    root: Path, binary: RedisBinary, certificate: Certificate | None, password: str | None
) -> RedisServer:
    port = free_port()
    directory = root / str(port)
    directory.mkdir()
    options = [
        *listen_options(port, certificate),
        *("--cluster-enabled", "yes", "--cluster-node-timeout", str(_NODE_TIMEOUT_MS)),
        *("--cluster-require-full-coverage", "no", "--cluster-config-file", "nodes.conf"),
    ]
    if certificate:
        options += ["--tls-cluster", "yes", "--tls-replication", "yes"]
    if password:
        options += ["--requirepass", password, "--masterauth", password]
    return redis_on(port, binary=binary, directory=directory, options=options, password=password, tls=certificate)


def _assign_slots(cluster: RedisCluster) -> None:
    share = -(-_SLOTS // len(cluster.masters))
    for index, node in enumerate(cluster.nodes):
        with node.client() as client:
            client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            if node in cluster.masters:
                # Not ADDSLOTSRANGE, which Redis 6 does not have.
                slots = range(index * share, min((index + 1) * share, _SLOTS))
                client.call("CLUSTER", "ADDSLOTS", *slots)


def _introduce(cluster: RedisCluster) -> None:
    with cluster.masters[0].client() as client:
        for node in cluster.nodes[1:]:
            client.call("CLUSTER", "MEET", "127.0.0.1", node.port)
    known = f"cluster_known_nodes:{len(cluster.nodes)}"
    for node in cluster.nodes:
        wait_until(partial(_says, node, "CLUSTER INFO", known), "the nodes to know each other")


def _replicate(cluster: RedisCluster) -> None:
    for index, replica in enumerate(cluster.replicas):
        with cluster.masters[index % len(cluster.masters)].client() as client:
            master_id = client.text("CLUSTER", "MYID")
        # The replica may know the address of its master and not yet the id.
        wait_until(partial(_says, replica, "CLUSTER NODES", master_id), "the master's id")
        with replica.client() as client:
            client.call("CLUSTER", "REPLICATE", master_id)
        wait_for_replica(replica)


def _says(server: RedisServer, command: str, wanted: str) -> bool:
    with server.client() as client:
        return wanted in client.text(*command.split())


@contextmanager
def start_redis_sentinel(
    binary: RedisBinary | None = None, *, replicas: int = 1, sentinels: int = 3
) -> Generator[RedisSentinels]:
    """Start a master, its replicas and the sentinels, and wait until all of them know of all."""
    binary = binary or find_redis()
    with scratch_directory("sentinel") as root, ExitStack() as stack:
        master = _redis_node(root, binary)
        stack.enter_context(running(master.process))
        followers = tuple(_redis_node(root, binary, follows=master.port) for _ in range(replicas))
        stack.enter_context(running(*(follower.process for follower in followers)))
        for follower in followers:
            wait_for_replica(follower)
        watching = tuple(_sentinel_node(root, binary, master.port, sentinels // 2 + 1) for _ in range(sentinels))
        stack.enter_context(running(*(sentinel.process for sentinel in watching)))
        state = RedisSentinels(master=master, replicas=followers, sentinels=watching)
        for sentinel in watching:
            wait_until(partial(_agreed, sentinel, state), "the sentinels to agree")
        yield state


def _redis_node(root: Path, binary: RedisBinary, *, follows: int | None = None) -> RedisServer:
    port = free_port()
    directory = root / str(port)
    directory.mkdir()
    follow = ["--replicaof", "127.0.0.1", str(follows)] if follows else []
    return redis_on(port, binary=binary, directory=directory, options=[*listen_options(port), *follow])


def _sentinel_node(root: Path, binary: RedisBinary, master_port: int, quorum: int) -> RedisServer:
    port = free_port()
    directory = root / str(port)
    directory.mkdir()
    name = _SERVICE
    # A file, because a sentinel keeps what it learns in it and refuses to start without one.
    config = directory / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\n"
        f"sentinel monitor {name} 127.0.0.1 {master_port} {quorum}\n"
        f"sentinel down-after-milliseconds {name} {_DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {name} 3000\n",
        encoding="utf-8",
    )
    return redis_on(port, binary=binary, directory=directory, options=[str(config), "--sentinel"])


def _agreed(sentinel: RedisServer, state: RedisSentinels) -> bool:
    with sentinel.client() as client:
        masters = client.text("INFO", "sentinel")
    return f"slaves={len(state.replicas)},sentinels={len(state.sentinels)}" in masters and "status=ok" in masters
