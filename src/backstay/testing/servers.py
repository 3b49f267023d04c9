"""One server process that a test started, and may therefore stop, kill or freeze."""

from __future__ import annotations

import os
import random
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from backstay.errors import BackstayError

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01
# Below the range that Linux hands to outgoing connections (32768 and up), with room for the bus of Redis
# Cluster, which listens at the port plus 10000.
_PORTS = range(20_000, 22_700)
_BUS_OFFSET = 10_000


class MissingServer(BackstayError):
    """No server of the wanted kind was found; the message names every way to provide one."""


class ServerFailed(BackstayError):
    """A server was found and started, and did not become ready; the message ends with its log."""


_given: deque[int] = deque(maxlen=100)


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, neither there nor at the port plus 10000.

    Not promised: that it stays free. Nothing reserves it, so start the server at once. A process is not given the
    same one again soon: whoever starts several servers asks for all their ports first.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        if port not in _given and _is_free(port) and _is_free(port + _BUS_OFFSET):
            _given.append(port)
            return port
    raise ServerFailed(f"no free port between {_PORTS.start} and {_PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = START_SECONDS) -> None:
    """Poll `condition` until it holds.

    Polling, because what is waited for is the state of another process, which sends no event. An `OSError`
    counts as "not yet": a server that does not listen refuses connections.

    Raises:
        ServerFailed: `seconds` passed; the message says `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if condition():
                return
        time.sleep(_POLL_SECONDS)
    raise ServerFailed(f"waited {seconds:g} s for {what}")


@contextmanager
def scratch_directory(label: str, *, owner: RunAs | None = None) -> Generator[Path]:
    """A temporary directory with a short path (unix sockets allow 107 bytes), owned by `owner`."""
    parent = "/tmp" if owner else None  # noqa: S108  TMPDIR may lie where `owner` may not go
    with tempfile.TemporaryDirectory(prefix=f"backstay-{label}-", dir=parent, ignore_cleanup_errors=True) as made:
        if owner:
            os.chown(made, owner.uid, owner.gid)
        yield Path(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """The ordinary user that a server runs as when the tests run as root."""

    uid: int
    gid: int


def unprivileged() -> RunAs | None:
    """`nobody` for root, and None for everybody else, who need not change."""
    if os.geteuid() != 0:
        return None
    import pwd  # absent on Windows, where there is no root either

    nobody = pwd.getpwnam("nobody")
    return RunAs(uid=nobody.pw_uid, gid=nobody.pw_gid)


def run_tool(command: Sequence[str], *, cwd: Path, run_as: RunAs | None = None) -> str:
    """Run `command` to its end and return what it printed.

    Raises:
        ServerFailed: it exited with another code than 0; the message ends with its output.
    """
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120, **_identity(run_as)
    )
    if done.returncode:
        raise ServerFailed(f"{shlex.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity(run_as: RunAs | None) -> _Identity:
    return _Identity(user=run_as.uid, group=run_as.gid, extra_groups=[]) if run_as else {}


@dataclass(slots=True, kw_only=True)
class ServerProcess:
    """The process of one server: start it, and then treat it as badly as the test needs.

    `stop` is orderly, `kill` is the power cut, `pause` freezes it while its sockets stay open (the fault that
    only a deadline of the client notices), and `restart` brings it back on the same port with what it kept on
    disk.
    """

    name: str
    command: Sequence[str]
    directory: Path
    ready: Callable[[], bool]
    run_as: RunAs | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    stop_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process exists; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id. Raises `ServerFailed` when it does not run."""
        if self._process is None or not self.running:
            raise ServerFailed(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers. Raises `ServerFailed` with the end of its log."""
        if self.running:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                # An interrupt from the keyboard is for the tests: they stop their servers themselves.
                start_new_session=True,
                **_identity(self.run_as),
            )
        try:
            wait_until(self._ready_or_gone, f"{self.name} to become ready")
        except ServerFailed as error:
            self.kill()
            raise ServerFailed(f"{error}\n{self.log()}") from error

    def _ready_or_gone(self) -> bool:
        if not self.running:
            raise ServerFailed(f"{self.name} exited during its start: {shlex.join(self.command)}")
        return self.ready()

    def stop(self) -> None:
        """Ask it to end, wait for that, and kill it if it does not within 20 seconds."""
        if self._process is None or not self.running:
            return
        self.resume()
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """``kill -9`` for it and its children: nothing is flushed, nobody is told."""
        if self._process is None or not self.running:
            return
        # Stopped first, so that no child is born between the count and the blow.
        self._signal_family(signal.SIGSTOP)
        children = _children(self.pid)
        self._signal_family(signal.SIGKILL)
        self._process.wait()
        # A server does not start again while a child of its former self holds on to the shared memory.
        wait_until(lambda: not any(map(_lives, children)), f"the children of {self.name} to be gone")

    def pause(self) -> None:
        """SIGSTOP: it accepts connections (the kernel does) and answers none."""
        self._signal_family(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where `pause` stopped it."""
        self._signal_family(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it if it runs, and start it again on the same port and directory."""
        self.stop()
        self.start()

    def log(self, *, last: int = 4000) -> str:
        """The last characters of what it printed, over all its starts."""
        return self._log.read_text(errors="replace")[-last:] if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        # Beside the scratch directory's data, and opened by us: the server's user need not be able to.
        return self.directory / "backstay-server.log"

    def _signal_family(self, number: signal.Signals) -> None:
        for pid in (self.pid, *_children(self.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def running(*processes: ServerProcess) -> Generator[None]:
    """Start all of them in this order, and stop them in the other one, whatever happens."""
    with ExitStack() as stack:
        for process in processes:
            stack.callback(process.stop)
            process.start()
        yield


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _children(parent: int) -> list[int]:
    """PostgreSQL's backends lead sessions of their own, so a signal to the group would miss them.

    Read from ``/proc``; where there is none, a fault reaches the parent only.
    """
    children: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in parentheses, may hold spaces: the fields are counted from its end.
            _state, ppid, *_ = entry.read_text(errors="replace").rpartition(")")[2].split()
            if int(ppid) == parent:
                children.append(int(entry.parent.name))
    return children
